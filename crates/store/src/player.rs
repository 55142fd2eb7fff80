//! A player from the columns of its row.

use game::{
    DisplayName, Effect, ExtenderHalves, LastPress, LastPurchase, Level, Platform, Player, PressOutcome,
    PurchaseId, PurchaseOutcome, Username,
};

use crate::Error;
use crate::columns::{known, valid};

/// Level, from, until.
pub(crate) type EffectColumns = (Option<u8>, Option<i64>, Option<i64>);
/// Round, outcome, points, arrived at.
pub(crate) type PressColumns<T> = (Option<i64>, Option<T>, Option<i64>, Option<i64>);
/// Id, outcome.
pub(crate) type PurchaseColumns<T> = (Option<T>, Option<T>);
/// Username, name, platform; added at, score, streak, reached at, settled round, pressed round and fixed round; fixed
/// extender; freeze, multiplier and extender; last press; last purchase.
pub(crate) type PlayerColumns<T> = (
    T,
    Option<T>,
    Option<T>,
    [i64; 7],
    ExtenderHalves,
    EffectColumns,
    EffectColumns,
    EffectColumns,
    PressColumns<T>,
    PurchaseColumns<T>,
);

/// A player from its columns.
pub(crate) fn player<T: AsRef<str>>(columns: PlayerColumns<T>) -> Result<(Username, Player), Error> {
    let (username, name, platform, numbers, fixed_extender, freeze, multiplier, extender, press, purchase) =
        columns;
    let [added_at_ms, score, streak, reached_at_ms, settled_round, pressed_round, fixed_round] = numbers;
    let player = Player {
        name: valid(name.map(|name| DisplayName::new(name.as_ref())).transpose())?,
        platform: valid(platform.map(|code| Platform::from_code(code.as_ref())).transpose())?,
        added_at_ms,
        score: score.cast_unsigned(),
        streak: streak.cast_unsigned(),
        reached_at_ms,
        settled_round: settled_round.cast_unsigned(),
        pressed_round: pressed_round.cast_unsigned(),
        fixed_round: fixed_round.cast_unsigned(),
        fixed_extender,
        freeze: effect(freeze)?,
        multiplier: effect(multiplier)?,
        extender: effect(extender)?,
        last_press: last_press(press)?,
        last_purchase: last_purchase(purchase)?,
    };
    Ok((valid(Username::new(username.as_ref()))?, player))
}

fn effect(columns: EffectColumns) -> Result<Option<Effect>, Error> {
    let (Some(level), Some(from_ms), Some(until_ms)) = columns else { return Ok(None) };
    let level = known(Level::from_number(level), "level")?;
    Ok(Some(Effect { level, from_ms, until_ms }))
}

fn last_press<T: AsRef<str>>(columns: PressColumns<T>) -> Result<Option<LastPress>, Error> {
    let (round, Some(code), Some(points), Some(arrived_at_ms)) = columns else { return Ok(None) };
    let outcome = PressOutcome::from_code(code.as_ref(), points.cast_unsigned());
    let outcome = known(outcome, "outcome of a press")?;
    Ok(Some(LastPress { round: round.map(i64::cast_unsigned), outcome, arrived_at_ms }))
}

fn last_purchase<T: AsRef<str>>(columns: PurchaseColumns<T>) -> Result<Option<LastPurchase>, Error> {
    let (Some(id), Some(code)) = columns else { return Ok(None) };
    let outcome = known(PurchaseOutcome::from_code(code.as_ref()), "outcome of a purchase")?;
    Ok(Some(LastPurchase { id: valid(PurchaseId::new(id.as_ref()))?, outcome }))
}
