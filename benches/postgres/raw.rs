//! The statements that the store's writer sends for a round of presses, without inbox, decoding or rules. The SQL is
//! copied from `crates/store/src/postgres`.

use engine::clock::Stopwatch;
use game::Round;
use game::bounds::TOP_STORED_MAX;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres, query, query_scalar};

use super::{sequence, sequence_text};
use crate::Outcome;
use crate::ours::{PARTITION, PLAYERS, Packer, pressed_at_ms, presser, presses, score};

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const POSITION: &str = "SELECT inbox, sequence, applied_through_ms FROM partitions WHERE partition = $1";
const READ: &str = "SELECT p.username, p.name, p.platform, p.added_at_ms, p.score, p.streak, p.reached_at_ms,
        p.settled_round, p.pressed_round, p.fixed_round, p.fixed_extender, p.freeze_level, p.freeze_from_ms,
        p.freeze_until_ms, p.multiplier_level, p.multiplier_from_ms, p.multiplier_until_ms, p.extender_level,
        p.extender_from_ms, p.extender_until_ms, p.press_round, p.press_outcome, p.press_points, p.press_at_ms,
        p.purchase_id, p.purchase_outcome
    FROM unnest($2::text[]) AS r (username), LATERAL
        (SELECT * FROM players AS p WHERE p.partition = $1 AND p.username = r.username OFFSET 0) AS p";
const MOVE_ON: &str = "UPDATE partitions SET sequence = $4, applied_through_ms = $5
    WHERE partition = $1 AND inbox = $2 AND sequence = $3";
const UPDATE: &str =
    "UPDATE players AS p SET name = r.name, platform = r.platform, added_at_ms = r.added_at_ms,
        score = r.score, streak = r.streak, reached_at_ms = r.reached_at_ms, settled_round = r.settled_round,
        pressed_round = r.pressed_round, fixed_round = r.fixed_round, fixed_extender = r.fixed_extender,
        freeze_level = r.freeze_level, freeze_from_ms = r.freeze_from_ms, freeze_until_ms = r.freeze_until_ms,
        multiplier_level = r.multiplier_level, multiplier_from_ms = r.multiplier_from_ms,
        multiplier_until_ms = r.multiplier_until_ms, extender_level = r.extender_level,
        extender_from_ms = r.extender_from_ms, extender_until_ms = r.extender_until_ms,
        press_round = r.press_round, press_outcome = r.press_outcome, press_points = r.press_points,
        press_at_ms = r.press_at_ms, purchase_id = r.purchase_id, purchase_outcome = r.purchase_outcome
    FROM (SELECT $1 AS partition, unnest($2::text[]) AS username, unnest($3::text[]) AS name,
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
            unnest($26::text[]) AS purchase_id, unnest($27::text[]) AS purchase_outcome) AS r
    WHERE p.partition = ANY (ARRAY[r.partition]) AND p.username = r.username";
const JOURNAL: &str = "INSERT INTO journal (partition, inbox, sequence, stored_at_ms, body, buried)
    SELECT $1, $2, r.* FROM unnest($3::text[], $4::int8[], $5::bytea[], $6::text[]) AS r";
const TOP: &str = "INSERT INTO board (partition, snapshot) VALUES ($1, $2)
    ON CONFLICT (partition) DO UPDATE SET snapshot = excluded.snapshot";

/// The first inbox of a game.
const INBOX: i64 = 1;

/// A connection to a game with all players, and the position of its partition.
pub(super) struct Raw {
    connection: PgConnection,
    packer: Packer,
    added_at_ms: i64,
    sequence: u128,
}

/// A statement with its parameters, and the number of rows that it must affect.
type Statement = (Query<'static, Postgres, PgArguments>, usize);

/// The statements of one of our transactions: reads first, then writes.
struct Batch {
    read: [Statement; 2],
    write: [Statement; 4],
}

impl Raw {
    pub(super) async fn open(mut connection: PgConnection) -> Outcome<Self> {
        let sequence = sequence(&mut connection).await?;
        let added_at_ms =
            query_scalar("SELECT added_at_ms FROM players LIMIT 1").fetch_one(&mut connection).await?;
        Ok(Self { connection, packer: Packer::new("bench", 1), added_at_ms, sequence })
    }

    /// Presses per second when a round is written in this many transactions.
    pub(super) async fn measure(&mut self, round: &Round, transactions: u64) -> Outcome<f64> {
        let mut batches = Vec::new();
        let each = usize::try_from(PLAYERS.div_ceil(transactions))?;
        for first in (0..PLAYERS).step_by(each) {
            let nths = first..PLAYERS.min(first + u64::try_from(each)?);
            batches.push(self.prepare(round, nths)?);
        }
        let watch = Stopwatch::start();
        for Batch { read, write } in batches {
            transact(&mut self.connection, BEGIN_READ, read).await?;
            transact(&mut self.connection, BEGIN, write).await?;
        }
        Ok(PLAYERS as f64 / watch.seconds())
    }

    fn prepare(&mut self, round: &Round, nths: std::ops::Range<u64>) -> Outcome<Batch> {
        let mut usernames: Vec<_> = nths.clone().map(presser).collect();
        usernames.sort_unstable();
        let envelopes = self.packer.pack(pressed_at_ms(round), presses(nths))?;
        let sequences: Vec<_> = (self.sequence + 1..).map(sequence_text).take(envelopes.len()).collect();
        let from = sequence_text(self.sequence);
        self.sequence += envelopes.len() as u128;
        let position = query(POSITION).bind(i32::from(PARTITION));
        let read = query(READ).bind(i32::from(PARTITION)).bind(&usernames);
        let move_on = query(MOVE_ON)
            .bind(i32::from(PARTITION))
            .bind(INBOX)
            .bind(from)
            .bind(sequence_text(self.sequence))
            .bind(0_i64);
        let journal = query(JOURNAL)
            .bind(i32::from(PARTITION))
            .bind(INBOX)
            .bind(&sequences)
            .bind(vec![pressed_at_ms(round); envelopes.len()])
            .bind(envelopes.iter().map(|(_, body)| body.as_bytes()).collect::<Vec<_>>())
            .bind(vec!["[]"; envelopes.len()]);
        let top = query(TOP).bind(i32::from(PARTITION)).bind(top(round, &usernames));
        let players = usernames.len();
        Ok(Batch {
            read: [(position, 1), (read, players)],
            write: [
                (move_on, 1),
                (self.update(round, &usernames), players),
                (journal, envelopes.len()),
                (top, 1),
            ],
        })
    }

    /// Updates players without name and powerups who have pressed in each round up to this one.
    fn update(&self, round: &Round, usernames: &[String]) -> Query<'static, Postgres, PgArguments> {
        let count = usernames.len();
        let texts = || vec![None::<&str>; count];
        let numbers = |number: i64| vec![number; count];
        let (levels, times) = (|| vec![None::<i16>; count], || vec![None::<i64>; count]);
        let id = round.id.cast_signed();
        let mut update = query(UPDATE)
            .bind(i32::from(PARTITION))
            .bind(usernames)
            .bind(texts())
            .bind(texts())
            .bind(numbers(self.added_at_ms))
            .bind(numbers(score(round.id).cast_signed()))
            .bind(numbers(id))
            .bind(numbers(pressed_at_ms(round)))
            .bind(numbers(id - 1))
            .bind(numbers(id))
            .bind(numbers(id))
            .bind(vec![Round::BASE_HALVES.cast_signed(); count]);
        for _ in ["freeze", "multiplier", "extender"] {
            update = update.bind(levels()).bind(times()).bind(times());
        }
        update
            .bind(numbers(id))
            .bind(vec!["counted"; count])
            .bind(numbers(game::curve(round.id).cast_signed()))
            .bind(numbers(pressed_at_ms(round)))
            .bind(texts())
            .bind(texts())
    }
}

/// The text of a top-100 snapshot that begins with these players.
fn top(round: &Round, usernames: &[String]) -> String {
    let (score, at_ms) = (score(round.id), pressed_at_ms(round));
    let row = |username| format!(r#"[{score},{at_ms},"{username}",null]"#);
    let rows: Vec<_> = usernames.iter().take(TOP_STORED_MAX).map(row).collect();
    format!("[{}]", rows.join(","))
}

/// Runs the statements in one transaction. Returned rows are fetched, but not decoded.
async fn transact<const N: usize>(
    connection: &mut PgConnection,
    begin: &'static str,
    statements: [Statement; N],
) -> Outcome<()> {
    let mut transaction = connection.begin_with(begin).await?;
    for (statement, rows) in statements {
        let touched = statement.execute(&mut *transaction).await?.rows_affected();
        if usize::try_from(touched)? != rows {
            return Err(format!("a statement touched {touched} rows instead of {rows}").into());
        }
    }
    Ok(transaction.commit().await?)
}
