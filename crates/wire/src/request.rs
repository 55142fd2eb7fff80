//! The bodies of requests. Both shapes are read, whatever the Content-Type: the fields themselves, and the first
//! client's `{"RequestBody":{…}}`. Unknown fields are ignored; errors name the field and the reason.
//!
//! An optional field that is `null` counts as missing. So does a `token` that is `""`, which some clients send before
//! they have the right to push. Every other `""` is an error. Numbers are judged by value: `200.0` and `2e2` are whole.

use game::{Add, DisplayName, Platform, Powerup, PowerupKind, Token, Username};
use serde_json::value::RawValue;

use crate::FieldError;
use crate::fields::{Raw, error, read};

/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16_384;

/// Reads the body of `POST /add`.
///
/// # Errors
/// Every invalid field, with the reason.
pub fn parse_add(body: &[u8]) -> Result<Add, Vec<FieldError>> {
    let [username, name, platform, token] = read(body, ["username", "name", "platform", "token"])?;
    let mut check = Check::default();
    check.required("username", username);
    let username = check.text("username", username, Username::new);
    let name = check.text("name", name, DisplayName::new);
    let platform = check.text("platform", platform, Platform::from_code);
    let token = check.text("token", token.filter(|raw| raw.get() != r#""""#), Token::new);
    match username {
        Some(username) if check.errors.is_empty() => Ok(Add { username, name, platform, token }),
        _ => Err(check.errors),
    }
}

/// Reads the body of `POST /press`.
///
/// # Errors
/// Every invalid field, with the reason.
pub fn parse_press(body: &[u8]) -> Result<Username, Vec<FieldError>> {
    let [username] = read(body, ["username"])?;
    let mut check = Check::default();
    check.required("username", username);
    check.text("username", username, Username::new).ok_or(check.errors)
}

/// Reads the body of `POST /powerups`.
///
/// # Errors
/// Every invalid field, with the reason.
pub fn parse_powerup(body: &[u8]) -> Result<(Username, Powerup), Vec<FieldError>> {
    let [username, kind, quantity] = read(body, ["username", "powerUpType", "quantity"])?;
    let mut check = Check::default();
    check.required("username", username);
    let username = check.text("username", username, Username::new);
    check.required("powerUpType", kind);
    let kind = check.text("powerUpType", kind, PowerupKind::from_code);
    check.required("quantity", quantity);
    let quantity = check.value("quantity", quantity, number);
    // Without a kind the quantity cannot be judged.
    let powerup =
        kind.zip(quantity).and_then(|(kind, quantity)| check.keep(Powerup::from_quantity(kind, quantity)));
    match (username, powerup) {
        (Some(username), Some(powerup)) if check.errors.is_empty() => Ok((username, powerup)),
        _ => Err(check.errors),
    }
}

/// Reads the `lead_ms` of `POST /admin/rounds`; an empty body has none.
///
/// # Errors
/// The invalid field, with the reason.
pub fn lead_ms(body: &[u8]) -> Result<Option<i64>, Vec<FieldError>> {
    if body.is_empty() {
        return Ok(None);
    }
    let [lead_ms] = read(body, ["lead_ms"])?;
    let mut check = Check::default();
    let lead_ms = check.value("lead_ms", lead_ms, whole_number);
    if check.errors.is_empty() { Ok(lead_ms) } else { Err(check.errors) }
}

fn string(raw: &RawValue) -> Result<String, &'static str> {
    if !raw.get().starts_with('"') {
        return Err("must be a string");
    }
    // Valid JSON can only fail here by a lone surrogate.
    serde_json::from_str(raw.get()).map_err(|_| "must not contain half of a surrogate pair")
}

fn number(raw: &RawValue) -> Result<f64, &'static str> {
    if !raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err("must be a number");
    }
    // Rust parses every JSON number, and exactly; serde_json would round some to a neighbour.
    raw.get().parse().ok().filter(|number: &f64| number.is_finite()).ok_or("is too large a number")
}

/// A whole number in any spelling: `200`, `200.0` or `2e2`.
fn whole_number(raw: &RawValue) -> Result<i64, &'static str> {
    /// Up to here a double represents every whole number exactly.
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    if let Ok(whole) = serde_json::from_str(raw.get()) {
        return Ok(whole);
    }
    match number(raw) {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        Ok(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => Ok(number as i64),
        _ => Err("must be a whole number"),
    }
}

/// Collects errors, so that all of them are reported at once.
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
