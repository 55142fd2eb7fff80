//! Sending: one statement, which is one transaction but for quiet messages, and one fsync.

use std::{iter, sync::Arc};

use sqlx::{AssertSqlSafe, Connection as _, query};

use super::{Sqlite, connect::BEGIN};
use crate::{
    Outgoing,
    bounds::{QUIET, ROWS_PER_STATEMENT_MAX},
    error::Error,
};

/// The statements for 1, 2, 4, … messages, so that each is prepared once. Rows without an id are padding.
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
    pub(crate) async fn send(&self, envelopes: &[Outgoing]) -> Vec<Result<(), Error>> {
        let max_bytes = self.0.options.body_bytes_max;
        let mut results: Vec<_> = envelopes
            .iter()
            .map(|envelope| match envelope.body.len() {
                found_bytes if found_bytes > max_bytes => Err(Error::TooLarge { found_bytes, max_bytes }),
                _ => Ok(()),
            })
            .collect();
        let allowed: Vec<usize> = (0..results.len()).filter(|index| results[*index].is_ok()).collect();
        for indices in allowed.chunks(ROWS_PER_STATEMENT_MAX) {
            if let Err(error) = self.insert(indices.iter().map(|index| &envelopes[*index])).await {
                for index in indices {
                    results[*index] = Err(error.clone());
                }
            }
        }
        self.0.news.notify_waiters();
        results
    }

    /// Stores 1 to [`ROWS_PER_STATEMENT_MAX`] messages.
    async fn insert<'e>(
        &self,
        envelopes: impl ExactSizeIterator<Item = &'e Outgoing> + Clone,
    ) -> Result<(), Error> {
        let power = envelopes.len().next_power_of_two().trailing_zeros();
        let statement = AssertSqlSafe(Arc::clone(&self.0.inserts[power as usize].0));
        let is_quiet = envelopes.clone().any(|envelope| envelope.id.starts_with(QUIET));
        let insert = || {
            // What has no value is NULL to SQLite: the padding needs nothing.
            envelopes.fold(query(statement).bind(self.now_ms()), |insert, envelope| {
                insert.bind(envelope.partition).bind(envelope.id.as_str()).bind(envelope.body.as_str())
            })
        };
        let mut writers = self.writers().await?;
        let stored = async {
            if !is_quiet {
                return insert().execute(&mut writers.sender).await.map(drop);
            }
            // When these were stored decides something: not the time before a wait of seconds for another process.
            let mut transaction = writers.sender.begin_with(BEGIN).await?;
            insert().execute(&mut *transaction).await?;
            transaction.commit().await
        };
        stored.await.map_err(|error| self.failed(error))?;
        // Whoever is told that it is stored will not send it again.
        self.in_place()
    }
}
