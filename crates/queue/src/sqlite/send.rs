//! Sending: one statement and one fsync. The statement is the transaction, except for quiet messages.

use std::iter;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _, query};

use super::Sqlite;
use super::connect::BEGIN;
use crate::Outgoing;
use crate::bounds::ROWS_PER_STATEMENT_MAX;
use crate::error::Error;

/// Statements for 1, 2, 4, … messages, so that each is prepared once. Rows without an id are padding.
pub(super) fn inserts() -> Vec<AssertSqlSafe<Arc<str>>> {
    iter::successors(Some(1), |rows| Some(rows * 2))
        .take_while(|rows| *rows <= ROWS_PER_STATEMENT_MAX)
        .map(|rows| {
            let values = vec!["(?, ?, ?)"; rows].join(", ");
            let text = format!(
                "INSERT INTO messages (sent_at_ms, partition, id, body)
                 SELECT ?, column1, column2, column3 FROM (VALUES {values}) WHERE column2 IS NOT NULL"
            );
            AssertSqlSafe(Arc::from(text))
        })
        .collect()
}

impl Sqlite {
    pub(crate) async fn send_each(
        &self,
        envelopes: &[Outgoing],
        mut answered: impl FnMut(usize, Result<(), Error>),
    ) {
        let max_bytes = self.0.options.body_bytes_max;
        let mut allowed = Vec::with_capacity(envelopes.len());
        for (index, envelope) in envelopes.iter().enumerate() {
            match envelope.body.len() {
                found_bytes if found_bytes > max_bytes => {
                    answered(index, Err(Error::TooLarge { found_bytes, max_bytes }));
                }
                _ => allowed.push(index),
            }
        }
        let mut result = Ok(());
        for indices in allowed.chunks(ROWS_PER_STATEMENT_MAX) {
            // What comes after a failure must not overtake it.
            if result.is_ok() {
                result = self.insert(indices.iter().map(|index| &envelopes[*index])).await;
            }
            for index in indices {
                answered(*index, result.clone());
            }
        }
        self.0.news.notify_waiters();
    }

    /// Stores 1 to [`ROWS_PER_STATEMENT_MAX`] messages.
    async fn insert<'e>(
        &self,
        envelopes: impl ExactSizeIterator<Item = &'e Outgoing> + Clone,
    ) -> Result<(), Error> {
        let power = envelopes.len().next_power_of_two().trailing_zeros();
        let statement = AssertSqlSafe(Arc::clone(&self.0.inserts[power as usize].0));
        let is_quiet = envelopes.clone().any(|envelope| envelope.quiet);
        let insert = || {
            // Parameters without a value are NULL: the padding needs none.
            envelopes.fold(query(statement).bind(self.now_ms()), |insert, envelope| {
                insert.bind(envelope.partition).bind(envelope.stored_id()).bind(envelope.body.as_str())
            })
        };
        let mut writers = self.writers().await?;
        let stored = async {
            if !is_quiet {
                return insert().execute(&mut writers.sender).await.map(drop);
            }
            // The rules depend on when these were stored, so the time is taken after the wait for another process.
            let mut transaction = writers.sender.begin_with(BEGIN).await?;
            insert().execute(&mut *transaction).await?;
            transaction.commit().await
        };
        stored.await.map_err(|error| self.failed(error))?;
        // After `Ok` a sender does not retry.
        self.in_place()
    }
}
