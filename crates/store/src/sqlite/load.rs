//! Reads the rows that a batch needs.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use game::{Player, PurchaseId, PurchaseOutcome, Rounds, Username};
use ledger::json_rows;
use sqlx::SqliteConnection;

use super::player::{self, player_json};
use crate::Error;
use crate::columns::{self, Columns};

pub(crate) async fn rounds(connection: &mut SqliteConnection, partition: u16) -> Result<Rounds, Error> {
    let rows =
        "SELECT id, opens_at_ms, window_ms, grace_ms, late FROM rounds WHERE partition = ? ORDER BY id";
    let rows = sqlx::query(rows).bind(partition).fetch_all(connection).await?;
    columns::rounds(rows.iter().map(|row| Columns::from(row).known_round()))
}

pub(crate) async fn players(
    connection: &mut SqliteConnection,
    partition: u16,
    usernames: &[Username],
) -> Result<HashMap<Username, Player>, Error> {
    let mut found = HashMap::with_capacity(usernames.len());
    if usernames.is_empty() {
        return Ok(found);
    }
    const PLAYERS: &str = concat!(
        "SELECT ",
        player_json!(),
        " FROM json_each(?2) AS k CROSS JOIN players AS p ON p.partition = ?1 AND p.username = k.value"
    );
    let usernames: Vec<&str> = usernames.iter().map(Username::as_str).collect();
    let mut rows = sqlx::query(PLAYERS).bind(partition).bind(json_rows(&usernames)?).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (username, player) = player::read(Columns::from(&row).text()?)?;
        found.insert(username, player);
    }
    Ok(found)
}

pub(crate) async fn purchases(
    connection: &mut SqliteConnection,
    partition: u16,
    purchases: &[(Username, PurchaseId)],
) -> Result<HashMap<(Username, PurchaseId), PurchaseOutcome>, Error> {
    let mut known = HashMap::new();
    if purchases.is_empty() {
        return Ok(known);
    }
    const PURCHASES: &str =
        "SELECT p.username, p.id, p.outcome FROM json_each(?2) AS k CROSS JOIN purchases AS p
        ON p.partition = ?1 AND p.username = k.value->>0 AND p.id = k.value->>1";
    let keys: Vec<(&str, &str)> =
        purchases.iter().map(|(username, id)| (username.as_str(), id.as_str())).collect();
    for row in sqlx::query(PURCHASES).bind(partition).bind(json_rows(&keys)?).fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        let key = (columns.username()?, columns.purchase_id()?);
        known.insert(key, columns.purchase_outcome()?);
    }
    Ok(known)
}
