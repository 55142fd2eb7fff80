//! What phones send. Both shapes are read, whatever the Content-Type says: the fields themselves, and the first
//! client's `{"RequestBody":{…}}`. Unknown fields are ignored; what is wrong is named with its field and the reason.

use game::{Add, DisplayName, Platform, Powerup, PowerupKind, Token, Username};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::FieldError;

/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16_384;

/// The body of `POST /add`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Option<&'a RawValue>,
    /// Who joins: 1 to 128 bytes of UTF-8, no control characters.
    #[serde(default)]
    #[schema(required, nullable = false, example = "ada")]
    username: Option<String>,
    /// The device to push to, at most 4096 bytes.
    #[serde(default)]
    token: Option<String>,
    /// The name to show on the board, at most 64 characters.
    #[serde(default)]
    #[schema(example = "Ada L.")]
    name: Option<String>,
    /// `android`, `ios` or `web`.
    #[serde(default)]
    #[schema(example = "web")]
    platform: Option<String>,
}

/// The body of `POST /press`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PressBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Option<&'a RawValue>,
    /// Who presses.
    #[serde(default)]
    #[schema(required, nullable = false, example = "ada")]
    username: Option<String>,
}

/// The body of `POST /powerups`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PowerupBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Option<&'a RawValue>,
    /// Who buys.
    #[serde(default)]
    #[schema(required, nullable = false, example = "ada")]
    username: Option<String>,
    /// `FREEZE`, `MULTIPLIER` or `EXTENDER`.
    #[serde(default, rename = "powerUpType")]
    #[schema(required, nullable = false, example = "MULTIPLIER")]
    kind: Option<String>,
    /// The level, a number: 6, 12, 24, 48 · 2, 3, 5, 10 · 1.5, 2, 3, 5.
    #[serde(default)]
    #[schema(required, nullable = false, example = 2)]
    quantity: Option<f64>,
}

/// The body of `POST /admin/rounds`; it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OpenRoundBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Option<&'a RawValue>,
    /// How long from now the round opens, in milliseconds.
    #[serde(default)]
    #[schema(example = 2000)]
    lead_ms: Option<i64>,
}

/// Reads the body of `POST /add`.
///
/// # Errors
/// Every field that is wrong, with the reason.
pub fn parse_add(body: &[u8]) -> Result<Add, Vec<FieldError>> {
    let body: AddBody<'_> = parse(body)?;
    let mut check = Check::default();
    let username = check.required("username", body.username.as_deref(), Username::new);
    let name = check.optional(body.name.as_deref(), DisplayName::new);
    let platform = check.optional(body.platform.as_deref(), Platform::from_code);
    let token = check.optional(body.token.as_deref(), Token::new);
    match username {
        Some(username) if check.errors.is_empty() => Ok(Add { username, name, platform, token }),
        _ => Err(check.errors),
    }
}

/// Reads the body of `POST /press`.
///
/// # Errors
/// Every field that is wrong, with the reason.
pub fn parse_press(body: &[u8]) -> Result<Username, Vec<FieldError>> {
    let body: PressBody<'_> = parse(body)?;
    let mut check = Check::default();
    check.required("username", body.username.as_deref(), Username::new).ok_or(check.errors)
}

/// Reads the body of `POST /powerups`.
///
/// # Errors
/// Every field that is wrong, with the reason.
pub fn parse_powerup(body: &[u8]) -> Result<(Username, Powerup), Vec<FieldError>> {
    let body: PowerupBody<'_> = parse(body)?;
    let mut check = Check::default();
    let username = check.required("username", body.username.as_deref(), Username::new);
    let kind = check.required("powerUpType", body.kind.as_deref(), PowerupKind::from_code);
    // Without a kind the quantity can only be missed, not judged.
    let powerup = match (kind, body.quantity) {
        (_, None) => {
            check.errors.push(error("quantity", "is required"));
            None
        }
        (None, Some(_)) => None,
        (Some(kind), Some(quantity)) => check.keep(Powerup::from_quantity(kind, quantity)),
    };
    match (username, powerup) {
        (Some(username), Some(powerup)) if check.errors.is_empty() => Ok((username, powerup)),
        _ => Err(check.errors),
    }
}

/// Reads the `lead_ms` of `POST /admin/rounds`; an empty body names none.
///
/// # Errors
/// The field that is wrong, with the reason.
pub fn lead_ms(body: &[u8]) -> Result<Option<i64>, Vec<FieldError>> {
    if body.is_empty() { Ok(None) } else { Ok(parse::<OpenRoundBody<'_>>(body)?.lead_ms) }
}

trait Body<'a>: Deserialize<'a> {
    fn wrapped(&self) -> Option<&'a RawValue>;
}

macro_rules! body {
    ($($name:ident),*) => {$(
        impl<'a> Body<'a> for $name<'a> {
            fn wrapped(&self) -> Option<&'a RawValue> {
                self.wrapped
            }
        }
    )*};
}

body!(AddBody, PressBody, PowerupBody, OpenRoundBody);

fn parse<'a, T: Body<'a>>(body: &'a [u8]) -> Result<T, Vec<FieldError>> {
    let text = std::str::from_utf8(body).map_err(|_| vec![error("body", "must be UTF-8")])?;
    let outer: T = parse_object(text, "body")?;
    match outer.wrapped() {
        Some(inner) => parse_object(inner.get(), "RequestBody"),
        None => Ok(outer),
    }
}

fn parse_object<'a, T: Deserialize<'a>>(text: &'a str, whole: &str) -> Result<T, Vec<FieldError>> {
    // serde would take an array for a struct, field by field.
    if !text.trim_start().starts_with('{') {
        return Err(vec![error(whole, "must be a JSON object")]);
    }
    serde_json::from_str(text).map_err(|_| {
        // Only a body that is wrong is read a second time, to find out where.
        let mut reader = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Err(failed) if !failed.inner().is_data() => {
                vec![error(whole, &format!("is not JSON: {}", failed.inner()))]
            }
            Err(failed) => {
                let path = failed.path().to_string();
                let field = if path == "." { whole } else { path.as_str() };
                vec![error(field, &failed.inner().to_string())]
            }
            Ok(_) => vec![error(whole, "must be one JSON object and nothing after it")],
        }
    })
}

fn error(field: &str, reason: &str) -> FieldError {
    FieldError { field: field.to_owned(), reason: reason.to_owned() }
}

/// Gathers what is wrong, so that all of it is reported at once.
#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn keep<T>(&mut self, result: Result<T, game::Invalid>) -> Option<T> {
        result.map_err(|invalid| self.errors.push(invalid.into())).ok()
    }

    fn required<T>(
        &mut self,
        field: &str,
        value: Option<&str>,
        make: impl FnOnce(&str) -> Result<T, game::Invalid>,
    ) -> Option<T> {
        match value {
            Some(value) => self.keep(make(value)),
            None => {
                self.errors.push(error(field, "is required"));
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        value: Option<&str>,
        make: impl FnOnce(&str) -> Result<T, game::Invalid>,
    ) -> Option<T> {
        value.and_then(|value| self.keep(make(value)))
    }
}
