//! What phones send. Both shapes are read, whatever the Content-Type says: the fields themselves, and the first
//! client's `{"RequestBody":{…}}`. Unknown fields are ignored; what is wrong is named with its field and the reason.

use game::{Add, DisplayName, Platform, Powerup, PowerupKind, Token, Username};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::FieldError;

/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16_384;

/// A field as it stands in the body, so that every field of a wrong type is reported, each in our words.
type Raw<'a> = Option<&'a RawValue>;

/// The body of `POST /add`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Raw<'a>,
    /// Who joins: 1 to 128 bytes of UTF-8, no control characters.
    #[serde(borrow, default)]
    #[schema(value_type = String, required, example = "ada")]
    username: Raw<'a>,
    /// The device to push to, at most 4096 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    token: Raw<'a>,
    /// The name to show on the board, at most 64 characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "Ada L.")]
    name: Raw<'a>,
    /// `android`, `ios` or `web`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "web")]
    platform: Raw<'a>,
}

/// The body of `POST /press`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PressBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Raw<'a>,
    /// Who presses.
    #[serde(borrow, default)]
    #[schema(value_type = String, required, example = "ada")]
    username: Raw<'a>,
}

/// The body of `POST /powerups`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PowerupBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Raw<'a>,
    /// Who buys.
    #[serde(borrow, default)]
    #[schema(value_type = String, required, example = "ada")]
    username: Raw<'a>,
    /// `FREEZE`, `MULTIPLIER` or `EXTENDER`.
    #[serde(borrow, default, rename = "powerUpType")]
    #[schema(value_type = String, required, example = "MULTIPLIER")]
    kind: Raw<'a>,
    /// The level, a number: 6, 12, 24, 48 · 2, 3, 5, 10 · 1.5, 2, 3, 5.
    #[serde(borrow, default)]
    #[schema(value_type = f64, required, example = 2)]
    quantity: Raw<'a>,
}

/// The body of `POST /admin/rounds`; it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OpenRoundBody<'a> {
    #[serde(borrow, default, rename = "RequestBody")]
    #[schema(ignore)]
    wrapped: Raw<'a>,
    /// How long from now the round opens, in milliseconds.
    #[serde(borrow, default)]
    #[schema(value_type = Option<i64>, example = 2000)]
    lead_ms: Raw<'a>,
}

/// Reads the body of `POST /add`.
///
/// # Errors
/// Every field that is wrong, with the reason.
pub fn parse_add(body: &[u8]) -> Result<Add, Vec<FieldError>> {
    let body: AddBody<'_> = parse(body)?;
    let mut check = Check::default();
    check.required("username", body.username);
    let username = check.text("username", body.username, Username::new);
    let name = check.text("name", body.name, DisplayName::new);
    let platform = check.text("platform", body.platform, Platform::from_code);
    let token = check.text("token", body.token, Token::new);
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
    check.required("username", body.username);
    check.text("username", body.username, Username::new).ok_or(check.errors)
}

/// Reads the body of `POST /powerups`.
///
/// # Errors
/// Every field that is wrong, with the reason.
pub fn parse_powerup(body: &[u8]) -> Result<(Username, Powerup), Vec<FieldError>> {
    let body: PowerupBody<'_> = parse(body)?;
    let mut check = Check::default();
    check.required("username", body.username);
    let username = check.text("username", body.username, Username::new);
    check.required("powerUpType", body.kind);
    let kind = check.text("powerUpType", body.kind, PowerupKind::from_code);
    check.required("quantity", body.quantity);
    let quantity = check.value("quantity", body.quantity, number);
    // Without a kind the quantity cannot be judged.
    let powerup =
        kind.zip(quantity).and_then(|(kind, quantity)| check.keep(Powerup::from_quantity(kind, quantity)));
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
    if body.is_empty() {
        return Ok(None);
    }
    let body: OpenRoundBody<'_> = parse(body)?;
    let mut check = Check::default();
    let lead_ms = check.value("lead_ms", body.lead_ms, whole_number);
    if check.errors.is_empty() { Ok(lead_ms) } else { Err(check.errors) }
}

trait Body<'a>: Deserialize<'a> {
    fn wrapped(&self) -> Raw<'a>;
}

macro_rules! body {
    ($($name:ident),*) => {$(
        impl<'a> Body<'a> for $name<'a> {
            fn wrapped(&self) -> Raw<'a> {
                self.wrapped
            }
        }
    )*};
}

body!(AddBody, PressBody, PowerupBody, OpenRoundBody);

fn parse<'a, T: Body<'a>>(body: &'a [u8]) -> Result<T, Vec<FieldError>> {
    let text = std::str::from_utf8(body).map_err(|_| vec![error("body", "must be UTF-8")])?;
    if text.starts_with('\u{feff}') {
        return Err(vec![error("body", "must not begin with a byte order mark")]);
    }
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
    serde_json::from_str(text).map_err(|failed| {
        // The fields are kept raw: what is JSON can only fail by naming one of them twice.
        let failed = failed.to_string();
        let twice = failed.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`'));
        vec![match twice {
            Some((field, _)) => error(field, "must be given exactly once"),
            None => error(whole, &format!("is not JSON: {failed}")),
        }]
    })
}

fn string(raw: &RawValue) -> Result<String, &'static str> {
    if !raw.get().starts_with('"') {
        return Err("must be a string");
    }
    // What is JSON can only fail by an escape that is no character.
    serde_json::from_str(raw.get()).map_err(|_| "must not contain half of a surrogate pair")
}

fn number(raw: &RawValue) -> Result<f64, &'static str> {
    if !raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err("must be a number");
    }
    serde_json::from_str(raw.get()).map_err(|_| "is too large a number")
}

fn whole_number(raw: &RawValue) -> Result<i64, &'static str> {
    serde_json::from_str(raw.get()).map_err(|_| "must be a whole number")
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

    fn required(&mut self, field: &str, raw: Raw<'_>) {
        if raw.is_none() {
            self.errors.push(error(field, "is required"));
        }
    }

    fn value<T>(
        &mut self,
        field: &str,
        raw: Raw<'_>,
        read: impl FnOnce(&RawValue) -> Result<T, &'static str>,
    ) -> Option<T> {
        read(raw?).map_err(|reason| self.errors.push(error(field, reason))).ok()
    }

    fn text<T>(
        &mut self,
        field: &str,
        raw: Raw<'_>,
        make: impl FnOnce(&str) -> Result<T, game::Invalid>,
    ) -> Option<T> {
        let text = self.value(field, raw, string)?;
        self.keep(make(&text))
    }
}
