//! Reads the rows that a batch needs.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use game::{Player, PurchaseId, PurchaseOutcome, Rounds, Username};
use sqlx::PgConnection;

use crate::Error;
use crate::columns::{self, Columns};
use crate::player::{PlayerRow, columns};

pub(crate) async fn rounds(connection: &mut PgConnection, partition: u16) -> Result<Rounds, Error> {
    let rows =
        "SELECT id, opens_at_ms, window_ms, grace_ms, late FROM rounds WHERE partition = $1 ORDER BY id";
    let rows = sqlx::query(rows).bind(i32::from(partition)).fetch_all(connection).await?;
    columns::rounds(rows.iter().map(|row| Columns::from(row).known_round()))
}

pub(crate) async fn players(
    connection: &mut PgConnection,
    partition: u16,
    usernames: &[Username],
) -> Result<HashMap<Username, Player>, Error> {
    let mut found = HashMap::with_capacity(usernames.len());
    if usernames.is_empty() {
        return Ok(found);
    }
    const PLAYERS: &str = concat!(
        "SELECT ",
        columns!(selected),
        " FROM unnest($2::text[]) AS r (username), LATERAL
        (SELECT * FROM players AS p WHERE p.partition = $1 AND p.username = r.username OFFSET 0) AS p"
    );
    let usernames: Vec<&str> = usernames.iter().map(Username::as_str).collect();
    let mut rows = sqlx::query(PLAYERS).bind(i32::from(partition)).bind(usernames).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (username, player) = PlayerRow::read(&mut Columns::from(&row))?.player()?;
        found.insert(username, player);
    }
    Ok(found)
}

pub(crate) async fn purchases(
    connection: &mut PgConnection,
    partition: u16,
    purchases: &[(Username, PurchaseId)],
) -> Result<HashMap<(Username, PurchaseId), PurchaseOutcome>, Error> {
    let mut known = HashMap::new();
    if purchases.is_empty() {
        return Ok(known);
    }
    const PURCHASES: &str = "SELECT p.username, p.id, p.outcome
        FROM unnest($2::text[], $3::text[]) AS r (username, id), LATERAL
        (SELECT * FROM purchases AS p
            WHERE p.partition = $1 AND p.username = r.username AND p.id = r.id OFFSET 0) AS p";
    let (usernames, ids): (Vec<&str>, Vec<&str>) =
        purchases.iter().map(|(username, id)| (username.as_str(), id.as_str())).unzip();
    let rows = sqlx::query(PURCHASES).bind(i32::from(partition)).bind(usernames).bind(ids);
    for row in rows.fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        let key = (columns.username()?, columns.purchase_id()?);
        known.insert(key, columns.purchase_outcome()?);
    }
    Ok(known)
}
