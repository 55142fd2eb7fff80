//! The row of a player: its columns as they are written and as they are read.

use game::{Effect, Player, Username};
use sqlx::PgConnection;

use crate::Error;
use crate::columns::Columns;
use crate::player::{EffectColumns, player};
use ledger::postgres::Statement;

/// The rows, out of an array for each column, in the order of [`bind`]. Arrays that are taken apart here, and not in
/// `FROM`, go through no store of their own: that is a third of the work.
macro_rules! rows {
    () => {
        "SELECT $1 AS partition, unnest($2::text[]) AS username, unnest($3::text[]) AS name,
            unnest($4::text[]) AS platform, unnest($5::int8[]) AS added_at_ms,
            unnest($6::int8[]) AS score, unnest($7::int8[]) AS streak,
            unnest($8::int8[]) AS reached_at_ms, unnest($9::int8[]) AS settled_round,
            unnest($10::int8[]) AS pressed_round, unnest($11::int8[]) AS fixed_round,
            unnest($12::int2[]) AS fixed_extender, unnest($13::int2[]) AS freeze_level,
            unnest($14::int8[]) AS freeze_from_ms, unnest($15::int8[]) AS freeze_until_ms,
            unnest($16::int2[]) AS multiplier_level, unnest($17::int8[]) AS multiplier_from_ms,
            unnest($18::int8[]) AS multiplier_until_ms, unnest($19::int2[]) AS extender_level,
            unnest($20::int8[]) AS extender_from_ms, unnest($21::int8[]) AS extender_until_ms,
            unnest($22::int8[]) AS press_round, unnest($23::text[]) AS press_outcome,
            unnest($24::int8[]) AS press_points, unnest($25::int8[]) AS press_at_ms,
            unnest($26::text[]) AS purchase_id, unnest($27::text[]) AS purchase_outcome"
    };
}

/// Writes players: those that are new with one statement, those that are not with another. An insertion that turns
/// into an update would do for both; but it locks every row first, which costs as much again.
pub(super) async fn write<'a>(
    connection: &mut PgConnection,
    partition: u16,
    players: impl Iterator<Item = (&'a Username, &'a Player, bool)>,
) -> Result<(), Error> {
    const INSERT: &str = concat!(
        "INSERT INTO players (partition, username, name, platform, added_at_ms, score, streak, reached_at_ms,
            settled_round, pressed_round, fixed_round, fixed_extender, freeze_level, freeze_from_ms,
            freeze_until_ms, multiplier_level, multiplier_from_ms, multiplier_until_ms, extender_level,
            extender_from_ms, extender_until_ms, press_round, press_outcome, press_points, press_at_ms, purchase_id,
            purchase_outcome) ",
        rows!()
    );
    const UPDATE: &str = concat!(
        "UPDATE players AS p SET name = r.name, platform = r.platform, added_at_ms = r.added_at_ms,
            score = r.score, streak = r.streak, reached_at_ms = r.reached_at_ms, settled_round = r.settled_round,
            pressed_round = r.pressed_round, fixed_round = r.fixed_round, fixed_extender = r.fixed_extender,
            freeze_level = r.freeze_level, freeze_from_ms = r.freeze_from_ms, freeze_until_ms = r.freeze_until_ms,
            multiplier_level = r.multiplier_level, multiplier_from_ms = r.multiplier_from_ms,
            multiplier_until_ms = r.multiplier_until_ms, extender_level = r.extender_level,
            extender_from_ms = r.extender_from_ms, extender_until_ms = r.extender_until_ms,
            press_round = r.press_round, press_outcome = r.press_outcome, press_points = r.press_points,
            press_at_ms = r.press_at_ms, purchase_id = r.purchase_id, purchase_outcome = r.purchase_outcome
        FROM (",
        rows!(),
        ") AS r WHERE p.partition = ANY (ARRAY[r.partition]) AND p.username = r.username"
    );
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for (username, player, is_new) in players {
        if is_new { &mut new } else { &mut known }.push((username, player));
    }
    for (statement, players) in [(INSERT, new), (UPDATE, known)] {
        if players.is_empty() {
            continue;
        }
        let statement = sqlx::query(statement).bind(i32::from(partition));
        let written = bind(statement, &players).execute(&mut *connection).await?.rows_affected();
        if usize::try_from(written) != Ok(players.len()) {
            return Err(Error::corrupt("players that were read before are gone"));
        }
    }
    Ok(())
}

/// Binds a column of all players as one array after the other.
fn bind<'q>(statement: Statement<'q>, players: &[(&'q Username, &'q Player)]) -> Statement<'q> {
    fn column<'q, T>(players: &[(&'q Username, &'q Player)], value: impl Fn(&'q Player) -> T) -> Vec<T> {
        players.iter().map(|(_, player)| value(player)).collect()
    }
    let mut statement = statement
        .bind(players.iter().map(|(username, _)| username.as_str()).collect::<Vec<_>>())
        .bind(column(players, |player| player.name.as_ref().map(|name| name.as_str())))
        .bind(column(players, |player| player.platform.map(|platform| platform.code())))
        .bind(column(players, |player| player.added_at_ms))
        .bind(column(players, |player| player.score.cast_signed()))
        .bind(column(players, |player| player.streak.cast_signed()))
        .bind(column(players, |player| player.reached_at_ms))
        .bind(column(players, |player| player.settled_round.cast_signed()))
        .bind(column(players, |player| player.pressed_round.cast_signed()))
        .bind(column(players, |player| player.fixed_round.cast_signed()))
        .bind(column(players, |player| player.fixed_extender.cast_signed()));
    let effects: [fn(&Player) -> Option<Effect>; 3] =
        [|player| player.freeze, |player| player.multiplier, |player| player.extender];
    for effect in effects {
        statement = statement
            .bind(column(players, |player| effect(player).map(|effect| i16::from(effect.level.number()))))
            .bind(column(players, |player| effect(player).map(|effect| effect.from_ms)))
            .bind(column(players, |player| effect(player).map(|effect| effect.until_ms)));
    }
    let press = |player: &'q Player| player.last_press;
    let purchase = |player: &'q Player| player.last_purchase.as_ref();
    statement
        .bind(column(players, |player| press(player).and_then(|press| press.round).map(u64::cast_signed)))
        .bind(column(players, |player| press(player).map(|press| press.outcome.code())))
        .bind(column(players, |player| press(player).map(|press| press.outcome.points().cast_signed())))
        .bind(column(players, |player| press(player).map(|press| press.arrived_at_ms)))
        .bind(column(players, |player| purchase(player).map(|purchase| purchase.id.as_str())))
        .bind(column(players, |player| purchase(player).map(|purchase| purchase.outcome.code())))
}

/// The columns of `players p`, for [`read`].
macro_rules! player_columns {
    () => {
        "p.username, p.name, p.platform, p.added_at_ms, p.score, p.streak, p.reached_at_ms, p.settled_round,
            p.pressed_round, p.fixed_round, p.fixed_extender, p.freeze_level, p.freeze_from_ms, p.freeze_until_ms,
            p.multiplier_level, p.multiplier_from_ms, p.multiplier_until_ms, p.extender_level, p.extender_from_ms,
            p.extender_until_ms, p.press_round, p.press_outcome, p.press_points, p.press_at_ms, p.purchase_id,
            p.purchase_outcome"
    };
}
pub(super) use player_columns;

/// Reads a player from [`player_columns`].
pub(super) fn read(columns: &mut Columns<'_>) -> Result<(Username, Player), Error> {
    let texts = (columns.text()?, columns.opt_text()?, columns.opt_text()?);
    let mut numbers = [0; 7];
    for number in &mut numbers {
        *number = columns.int()?;
    }
    let fixed_extender = columns.small()?;
    let mut effect = || -> Result<EffectColumns, Error> {
        Ok((columns.opt_small()?, columns.opt_int()?, columns.opt_int()?))
    };
    let (freeze, multiplier, extender) = (effect()?, effect()?, effect()?);
    let press = (columns.opt_int()?, columns.opt_text()?, columns.opt_int()?, columns.opt_int()?);
    let purchase = (columns.opt_text()?, columns.opt_text()?);
    let (username, name, platform) = texts;
    player((username, name, platform, numbers, fixed_extender, freeze, multiplier, extender, press, purchase))
}
