//! Number of rows that a game writes, from the statistics of its databases.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection};

use crate::place::{GAME, INBOX, Place, Stack, open};
use crate::support::eventually;

/// Rows by table: inserted, updated and deleted ones together. Includes the inbox's tables if the inbox is a file.
pub(super) type Rows = BTreeMap<String, i64>;

/// Counts rows written since its creation. The game must be idle when it is created and when it is read.
pub(super) struct Written {
    before: Rows,
}

impl Written {
    pub(super) async fn begin(place: &Place) -> Self {
        match place.stack() {
            Stack::Embedded => note_rows(place).await,
            Stack::Services => {}
        }
        Self { before: rows(place).await }
    }

    pub(super) async fn end(self, place: &Place) -> Rows {
        let mut all = rows(place).await;
        for (table, rows) in &mut all {
            *rows -= self.before[table];
        }
        all
    }
}

async fn rows(place: &Place) -> Rows {
    match place.stack() {
        Stack::Embedded => noted_rows(place).await,
        Stack::Services => counted_rows(place).await,
    }
}

/// Installs triggers in SQLite that record each written row.
async fn note_rows(place: &Place) {
    for file in [INBOX, GAME] {
        let mut connection = open(&place.folder().join(file)).await;
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
            AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
        assert!(tables.len() > 3, "{tables:?}");
        let note = "CREATE TABLE written (name TEXT PRIMARY KEY, rows INTEGER NOT NULL DEFAULT 0)";
        sqlx::query(note).execute(&mut connection).await.unwrap();
        for table in &tables {
            let insert = sqlx::query("INSERT INTO written (name) VALUES (?)").bind(table);
            insert.execute(&mut connection).await.unwrap();
            for verb in ["INSERT", "UPDATE", "DELETE"] {
                let trigger = format!(
                    "CREATE TRIGGER written_{verb}_{table} AFTER {verb} ON {table}
                     BEGIN UPDATE written SET rows = rows + 1 WHERE name = '{table}'; END"
                );
                sqlx::query(AssertSqlSafe(trigger)).execute(&mut connection).await.unwrap();
            }
        }
        connection.close().await.unwrap();
    }
}

async fn noted_rows(place: &Place) -> Rows {
    let mut all = Rows::new();
    for (file, prefix) in [(INBOX, "inbox "), (GAME, "")] {
        let mut connection = open(&place.folder().join(file)).await;
        let rows = sqlx::query_as("SELECT name, rows FROM written").fetch_all(&mut connection).await;
        let rows: Vec<(String, i64)> = rows.unwrap();
        all.extend(rows.into_iter().map(|(table, rows)| (format!("{prefix}{table}"), rows)));
        connection.close().await.unwrap();
    }
    all
}

/// The statistics of PostgreSQL. A session reports its last changes when it ends.
async fn counted_rows(place: &Place) -> Rows {
    eventually("the sessions have ended", || async {
        let mut connection = place.database().await;
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let others: i64 = sqlx::query_scalar(others).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        (others == 0).then_some(())
    })
    .await;
    let mut connection = place.database().await;
    let rows = "SELECT relname::text, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables";
    let rows: Vec<(String, i64)> = sqlx::query_as(rows).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert!(rows.len() > 3, "{rows:?}");
    rows.into_iter().collect()
}
