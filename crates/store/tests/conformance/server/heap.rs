//! How the writer uses tables and indexes.

use std::collections::BTreeMap;

use game::Action;
use servers::postgres::{Mode, Server};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::harness::{Backend, Fresh, NOW_MS, add, eventually, press, round, run};

const PLAYERS: usize = 3_000;
const BATCH: usize = 500;
const ROUNDS: u64 = 6;

/// Statistics of a table.
#[derive(Debug)]
struct Done {
    /// Number of sequential scans.
    scans: i64,
    /// Number of index scans.
    lookups: i64,
    /// Number of updated rows.
    updates: i64,
    /// Number of HOT updates, which touch no index.
    within: i64,
}

type Statistics = BTreeMap<String, Done>;

async fn statistics(fresh: &Fresh) -> Statistics {
    let select = "SELECT relname::text, seq_scan, coalesce(idx_scan, 0), n_tup_upd, n_tup_hot_upd
        FROM pg_stat_user_tables";
    let rows = sqlx::query(select).fetch_all(&mut fresh.database().connect().await).await.unwrap();
    let done = |row: &PgRow| {
        let done = Done { scans: row.get(1), lookups: row.get(2), updates: row.get(3), within: row.get(4) };
        (row.get(0), done)
    };
    rows.iter().map(done).collect()
}

/// Every player presses in every round, in another order each time: no index is touched, and no table is scanned. In
/// the last round an old snapshot is held, so that no old row version can be removed; the new versions must still fit
/// into the pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_touches_no_index() {
    // A snapshot held in any database keeps old row versions, on a slow machine over several rounds. So this test has
    // its own server, without even a statistics run.
    let server = Server::start().await;
    let fresh = Fresh::of(&server).await;
    fresh.execute("ALTER SYSTEM SET autovacuum = off").await;
    server.restart(Mode::Fast).await;
    let writer = fresh.game(1).await;
    let made = "making its index reads a table once";
    eventually(made, async || statistics(&fresh).await["outbox"].scans > 0).await;
    let before = statistics(&fresh).await;
    let reader = fresh.store.reader().await.unwrap();
    let mut audit = None;
    let name = |n: usize| format!("player {n}");
    let adds: Vec<(i64, Action)> = (0..PLAYERS).map(|n| (NOW_MS, add(&name(n)))).collect();
    for batch in adds.chunks(BATCH) {
        run(&writer, 0, batch).await;
    }
    for (id, stride) in (1..=ROUNDS).zip([1, 7, 11, 13, 17, 19]) {
        let round = round(id);
        if id == ROUNDS {
            audit = Some(reader.audit().await.unwrap());
        }
        run(&writer, 0, &[(NOW_MS, Action::Announce(round))]).await;
        let presses: Vec<(i64, Action)> =
            (0..PLAYERS).map(|n| (round.opens_at_ms, press(&name(n * stride % PLAYERS)))).collect();
        for batch in presses.chunks(BATCH) {
            run(&writer, 0, batch).await;
        }
    }
    drop(audit);
    writer.close().await; // its statistics are reported now

    let presses = i64::try_from(PLAYERS).unwrap() * i64::try_from(ROUNDS).unwrap();
    eventually("all presses are counted", async || statistics(&fresh).await["players"].updates == presses)
        .await;
    let statistics = statistics(&fresh).await;
    let players = &statistics["players"];
    assert_eq!(players.updates, players.within, "players");
    assert_eq!(statistics["partitions"].updates, statistics["partitions"].within, "partitions");
    // Each player was found by key, to be read and to be written, although the plans were made for an empty table.
    assert!(players.lookups >= 2 * presses, "{players:?}");
    for table in ["players", "purchases", "devices", "rounds", "journal", "outbox"] {
        assert_eq!(statistics[table].scans, before[table].scans, "{table}");
    }
}

/// Pages of devices are read in index order, even if the key is longer than an index allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_read_off_the_index() {
    let fresh = Fresh::new(Backend::Postgres).await;
    fresh.game(1).await;
    fresh
        .execute(
            "INSERT INTO devices (token, partition, username, arrived_at_ms)
             SELECT convert_to('token ' || n, 'UTF8'), n % 4, 'ada', 0 FROM generate_series(1, 20000) AS n;
             ANALYZE devices",
        )
        .await;
    let plan = "EXPLAIN SELECT token, username, platform FROM devices
        WHERE partition = 1 AND (substr(token, 1, 512), token) > (substr('token 5'::bytea, 1, 512), 'token 5'::bytea)
        ORDER BY substr(token, 1, 512), token LIMIT 500";
    let rows = sqlx::query(plan).fetch_all(&mut fresh.database().connect().await).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let condition = "Index Cond: ((partition = 1) AND (substr(token, 1, 512) >=";
    let text = plan.join("\n");
    assert!(text.contains("Incremental Sort") && text.contains(condition), "{text}");

    // As the program reads them.
    let outbox = fresh.store.outbox().await.unwrap();
    let (mut after, mut read) = (None, 0);
    loop {
        let page = outbox.devices(1, after.as_ref(), 500).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.is_sorted_by(|a, b| a.token < b.token));
        after = Some(last.token.clone());
        read += page.len();
    }
    assert_eq!(read, 5_000);
}
