//! How many rows a game writes, as its databases count them.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection};

use crate::place::{GAME, INBOX, Place, open};

/// Rows by table: inserted, updated and deleted ones together. The inbox's tables are there where they are in a file.
pub(super) type Rows = BTreeMap<String, i64>;

/// Has SQLite itself note each row that anybody writes from now on. Nobody may use the files meanwhile.
pub(super) async fn begin(place: &Place) {
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

/// What was written since [`begin`].
pub(super) async fn end(place: &Place) -> Rows {
    let mut all = Rows::new();
    for (file, prefix) in [(INBOX, "inbox "), (GAME, "")] {
        let mut connection = open(&place.folder().join(file)).await;
        let rows = sqlx::query_as("SELECT name, rows FROM written").fetch_all(&mut connection).await;
        let rows: Vec<(String, i64)> = rows.unwrap();
        all.extend(rows.into_iter().map(|(table, rows)| (format!("{prefix}{table}"), rows)));
    }
    all
}
