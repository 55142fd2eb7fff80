//! A straightforward server: one transaction for each press.

use std::path::Path;

use engine::clock::Stopwatch;
use game::Round;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::Outcome;
use crate::ours::{PARTITION, pressed_at_ms, presser};

/// Duration of a measurement, in seconds.
pub(super) const MEASURED_S: f64 = 2.0;

/// A connection to a game with all players, and the position of its partition.
pub(super) struct OneByOne {
    connection: SqliteConnection,
    sequence: u128,
}

impl OneByOne {
    pub(super) async fn open(store: &Path) -> Outcome<Self> {
        let mut connection = SqliteConnectOptions::new()
            .filename(store)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-32768")
            .disable_statement_logging()
            .connect()
            .await?;
        let sequence: String = sqlx::query_scalar("SELECT sequence FROM partitions WHERE partition = ?")
            .bind(PARTITION)
            .fetch_one(&mut connection)
            .await?;
        Ok(Self { connection, sequence: sequence.parse()? })
    }

    /// Presses per second in this round.
    pub(super) async fn measure(&mut self, round: &Round) -> Outcome<f64> {
        let watch = Stopwatch::start();
        let mut presses = 0;
        while watch.seconds() < MEASURED_S {
            self.press(&presser(presses), round).await?;
            presses += 1;
        }
        Ok(presses as f64 / watch.seconds())
    }

    async fn press(&mut self, username: &str, round: &Round) -> Outcome<()> {
        let (id, at_ms) = (round.id.cast_signed(), pressed_at_ms(round));
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let (score, streak, pressed): (i64, i64, i64) = sqlx::query_as(
            "SELECT score, streak, pressed_round FROM players WHERE partition = ? AND username = ?",
        )
        .bind(PARTITION)
        .bind(username)
        .fetch_one(&mut *transaction)
        .await?;
        if pressed == id {
            return Err("pressed twice".into());
        }
        let points = game::curve(streak.cast_unsigned() + 1).cast_signed();
        sqlx::query(
            "UPDATE players SET score = ?, streak = ?, reached_at_ms = ?, pressed_round = ?, fixed_round = ?,
                 press_round = ?, press_outcome = 'counted', press_points = ?, press_at_ms = ?
             WHERE partition = ? AND username = ?",
        )
        .bind(score + points)
        .bind(streak + 1)
        .bind(at_ms)
        .bind(id)
        .bind(id)
        .bind(id)
        .bind(points)
        .bind(at_ms)
        .bind(PARTITION)
        .bind(username)
        .execute(&mut *transaction)
        .await?;
        let from = format!("{:039}", self.sequence);
        self.sequence += 1;
        let moved = sqlx::query("UPDATE partitions SET sequence = ? WHERE partition = ? AND sequence = ?")
            .bind(format!("{:039}", self.sequence))
            .bind(PARTITION)
            .bind(from)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() != 1 {
            return Err("the position was moved by somebody else".into());
        }
        Ok(transaction.commit().await?)
    }
}
