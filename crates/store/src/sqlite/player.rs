//! The columns of a player: written from a batch's JSON, read back from a row. Both keep the same order.

use game::{
    Effect, LastPress, LastPurchase, Level, Player, PressOutcome, PurchaseId, PurchaseOutcome, Username,
};

use super::columns::{Columns, known, valid};
use super::json::Row;
use crate::Error;

/// The columns of `players p`, in the order in which [`read`] takes them.
macro_rules! player_columns {
    () => {
        "p.username, p.name, p.platform, p.added_at_ms, p.score, p.streak, p.reached_at_ms, p.settled_round, \
         p.pressed_round, p.fixed_round, p.fixed_extender, p.freeze_level, p.freeze_from_ms, p.freeze_until_ms, \
         p.multiplier_level, p.multiplier_from_ms, p.multiplier_until_ms, p.extender_level, p.extender_from_ms, \
         p.extender_until_ms, p.press_round, p.press_outcome, p.press_points, p.press_at_ms, p.purchase_id, \
         p.purchase_outcome"
    };
}
pub(super) use player_columns;

/// Writes a batch: `?1` is the partition, `?2` the rows of [`write`].
pub(super) const UPSERT: &str = "
    INSERT INTO players
        (partition, username, name, platform, added_at_ms, score, streak, reached_at_ms, settled_round, pressed_round,
         fixed_round, fixed_extender, freeze_level, freeze_from_ms, freeze_until_ms, multiplier_level,
         multiplier_from_ms, multiplier_until_ms, extender_level, extender_from_ms, extender_until_ms, press_round,
         press_outcome, press_points, press_at_ms, purchase_id, purchase_outcome)
    SELECT ?1, v->>0, v->>1, v->>2, v->>3, v->>4, v->>5, v->>6, v->>7, v->>8, v->>9, v->>10, v->>11, v->>12, v->>13,
           v->>14, v->>15, v->>16, v->>17, v->>18, v->>19, v->>20, v->>21, v->>22, v->>23, v->>24, v->>25
    FROM (SELECT value AS v FROM jsonb_each(?2)) WHERE true
    ON CONFLICT (partition, username) DO UPDATE SET
        name = excluded.name, platform = excluded.platform, added_at_ms = excluded.added_at_ms,
        score = excluded.score, streak = excluded.streak, reached_at_ms = excluded.reached_at_ms,
        settled_round = excluded.settled_round, pressed_round = excluded.pressed_round,
        fixed_round = excluded.fixed_round, fixed_extender = excluded.fixed_extender,
        freeze_level = excluded.freeze_level, freeze_from_ms = excluded.freeze_from_ms,
        freeze_until_ms = excluded.freeze_until_ms, multiplier_level = excluded.multiplier_level,
        multiplier_from_ms = excluded.multiplier_from_ms, multiplier_until_ms = excluded.multiplier_until_ms,
        extender_level = excluded.extender_level, extender_from_ms = excluded.extender_from_ms,
        extender_until_ms = excluded.extender_until_ms, press_round = excluded.press_round,
        press_outcome = excluded.press_outcome, press_points = excluded.press_points,
        press_at_ms = excluded.press_at_ms, purchase_id = excluded.purchase_id,
        purchase_outcome = excluded.purchase_outcome";

/// Writes a player into a batch.
pub(super) fn write(row: Row<'_>, username: &Username, player: &Player) {
    let row = row
        .text(username.as_str())
        .opt_text(player.name.as_ref().map(|name| name.as_str()))
        .opt_text(player.platform.map(|platform| platform.code()))
        .int(player.added_at_ms)
        .int(player.score.cast_signed())
        .int(player.streak.cast_signed())
        .int(player.reached_at_ms)
        .int(player.settled_round.cast_signed())
        .int(player.pressed_round.cast_signed())
        .int(player.fixed_round.cast_signed())
        .int(player.fixed_extender.into());
    let effects = [player.freeze, player.multiplier, player.extender];
    let row = effects.into_iter().fold(row, |row, effect| {
        row.opt_int(effect.map(|effect| effect.level.number().into()))
            .opt_int(effect.map(|effect| effect.from_ms))
            .opt_int(effect.map(|effect| effect.until_ms))
    });
    let (press, purchase) = (player.last_press, player.last_purchase.as_ref());
    row.opt_int(press.and_then(|press| press.round).map(u64::cast_signed))
        .opt_text(press.map(|press| press.outcome.code()))
        .opt_int(press.map(|press| press.outcome.points().cast_signed()))
        .opt_int(press.map(|press| press.arrived_at_ms))
        .opt_text(purchase.map(|purchase| purchase.id.as_str()))
        .opt_text(purchase.map(|purchase| purchase.outcome.code()))
        .end();
}

/// Reads a player from [`player_columns`].
pub(super) fn read(columns: &mut Columns<'_>) -> Result<(Username, Player), Error> {
    let username = columns.username()?;
    let player = Player {
        name: columns.name()?,
        platform: columns.platform()?,
        added_at_ms: columns.int()?,
        score: columns.u64()?,
        streak: columns.u64()?,
        reached_at_ms: columns.int()?,
        settled_round: columns.u64()?,
        pressed_round: columns.u64()?,
        fixed_round: columns.u64()?,
        fixed_extender: columns.small()?,
        freeze: effect(columns)?,
        multiplier: effect(columns)?,
        extender: effect(columns)?,
        last_press: last_press(columns)?,
        last_purchase: last_purchase(columns)?,
    };
    Ok((username, player))
}

fn effect(columns: &mut Columns<'_>) -> Result<Option<Effect>, Error> {
    let effect = (columns.opt_int()?, columns.opt_int()?, columns.opt_int()?);
    let (Some(level), Some(from_ms), Some(until_ms)) = effect else { return Ok(None) };
    let level = known(u8::try_from(level).ok().and_then(Level::from_number), "level")?;
    Ok(Some(Effect { level, from_ms, until_ms }))
}

fn last_press(columns: &mut Columns<'_>) -> Result<Option<LastPress>, Error> {
    let round = columns.opt_int()?.map(i64::cast_unsigned);
    let press = (columns.opt_text()?, columns.opt_int()?, columns.opt_int()?);
    let (Some(code), Some(points), Some(arrived_at_ms)) = press else { return Ok(None) };
    let outcome = known(PressOutcome::from_code(code, points.cast_unsigned()), "outcome of a press")?;
    Ok(Some(LastPress { round, outcome, arrived_at_ms }))
}

fn last_purchase(columns: &mut Columns<'_>) -> Result<Option<LastPurchase>, Error> {
    let (Some(id), Some(code)) = (columns.opt_text()?, columns.opt_text()?) else { return Ok(None) };
    let outcome = purchase_outcome(code)?;
    Ok(Some(LastPurchase { id: valid(PurchaseId::new(id))?, outcome }))
}

/// The outcome of a purchase from its code.
pub(super) fn purchase_outcome(code: &str) -> Result<PurchaseOutcome, Error> {
    known(PurchaseOutcome::from_code(code), "outcome of a purchase")
}
