//! A straightforward server at its best: one transaction for each press, with one statement that judges and counts it.

use engine::clock::Stopwatch;
use game::Round;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, query};

use super::{sequence, sequence_text};
use crate::Outcome;
use crate::ours::{PARTITION, added, pressed_at_ms};

/// Duration of a measurement, in seconds.
pub(super) const MEASURED_S: f64 = 2.0;

/// The rules for a player without powerups who has missed no round.
const PRESS: &str = "UPDATE players SET streak = streak + 1,
        score = score + CASE WHEN streak < 9 THEN streak + 1 ELSE (streak + 1) * (streak + 1) END,
        press_points = CASE WHEN streak < 9 THEN streak + 1 ELSE (streak + 1) * (streak + 1) END,
        settled_round = $3 - 1, pressed_round = $3, fixed_round = $3, press_round = $3,
        reached_at_ms = $4, press_at_ms = $4, press_outcome = 'counted'
    WHERE partition = $1 AND username = $2 AND pressed_round < $3";
const MOVE_ON: &str = "UPDATE partitions SET sequence = $3 WHERE partition = $1 AND sequence = $2";

/// A connection to a game with all players, and the position of its partition.
pub(super) struct OneByOne {
    connection: PgConnection,
    sequence: u128,
}

impl OneByOne {
    pub(super) async fn open(mut connection: PgConnection) -> Outcome<Self> {
        let sequence = sequence(&mut connection).await?;
        Ok(Self { connection, sequence })
    }

    /// Presses per second in this round.
    pub(super) async fn measure(&mut self, round: &Round) -> Outcome<f64> {
        let watch = Stopwatch::start();
        let mut presses = 0;
        while watch.seconds() < MEASURED_S {
            // Players added together share pages. Many presses then share one full-page write in the WAL, as when
            // everybody presses, although this side has time for only a few presses.
            self.press(&added(presses), round).await?;
            presses += 1;
        }
        Ok(presses as f64 / watch.seconds())
    }

    async fn press(&mut self, username: &str, round: &Round) -> Outcome<()> {
        let mut transaction = self.connection.begin().await?;
        let pressed = query(PRESS)
            .bind(i32::from(PARTITION))
            .bind(username)
            .bind(round.id.cast_signed())
            .bind(pressed_at_ms(round))
            .execute(&mut *transaction)
            .await?;
        let moved = query(MOVE_ON)
            .bind(i32::from(PARTITION))
            .bind(sequence_text(self.sequence))
            .bind(sequence_text(self.sequence + 1))
            .execute(&mut *transaction)
            .await?;
        if (pressed.rows_affected(), moved.rows_affected()) != (1, 1) {
            return Err("pressed twice, or moved by somebody else".into());
        }
        self.sequence += 1;
        Ok(transaction.commit().await?)
    }
}
