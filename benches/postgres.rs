//! The handler's loop over PostgreSQL, compared with the bare statements and with one transaction per press; also with
//! ranks in Redis, and with all loops of a handler.

mod one_by_one;
mod raw;

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use one_by_one::OneByOne;
use ranks::Ranks;
use raw::Raw;
use server::bounds::HANDLER_LOOPS_MAX;
use servers::postgres::{Database, Server};
use servers::redis;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, query_scalar};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::ours::{Ours, PARTITION, round};
use crate::report::{fsync_ms, median, row, verdict};
use crate::{Outcome, RUNS, folder};

/// Minimum ratios: to the bare statements; to one press per transaction, now and later; with ranks to without.
const GOALS: (f64, (f64, f64), f64) = (0.7, (10.0, 20.0), 0.75);
/// Partitions of the game that measures a whole handler: one for each of its loops.
const PARTITIONS: u16 = HANDLER_LOOPS_MAX;
/// The planner settings of the store: look-ups by key use the index whatever the statistics say.
const BY_KEY: [(&str, &str); 5] = [
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// Measures all sides in turn, and prints the ratios.
pub(crate) async fn compare() -> Outcome<()> {
    explain();
    let folder = folder()?;
    // The server's files are here too: the system's temporary folder may be in memory, where nothing is ever synced.
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tempfile::env::override_temp_dir(beside).map_err(|_| "the temporary folder is set already")?;
    let (server, redis) = (Server::start().await, redis::Server::start());
    let ranks = Arc::new(Ranks::redis(&redis.url(), 1)?.rebuilding_as(1));
    let stop = CancellationToken::new();
    let running = {
        let (ranks, stop) = (Arc::clone(&ranks), stop.clone());
        tokio::spawn(async move { ranks.run(stop).await })
    };
    let mut ours = Side::make(&server, folder.path(), "ours", None, 1).await?;
    let mut shown = Side::make(&server, folder.path(), "shown", Some(ranks), 1).await?;
    let mut whole = Side::make(&server, folder.path(), "whole", None, PARTITIONS).await?;
    let raw_side = Side::make(&server, folder.path(), "raw", None, 1).await?;
    let mut raw = Raw::open(connect(&raw_side.database).await?).await?;
    let one_side = Side::make(&server, folder.path(), "one", None, 1).await?;
    let mut one = OneByOne::open(connect(&one_side.database).await?).await?;
    let mut taken = Taken::default();
    for id in 1..=RUNS {
        let round = round(id)?;
        taken.fsyncs_ms.push(fsync_ms(folder.path())?);
        one_side.settle().await;
        taken.one.push(one.measure(&round).await?);
        ours.settle().await;
        let measured = ours.writer.measure(&round).await?;
        taken.ours.push(measured.rate);
        taken.per_transaction.push(measured.per_transaction());
        raw_side.settle().await;
        taken.raw.push(raw.measure(&round, measured.transactions).await?);
        shown.settle().await;
        taken.shown.push(shown.writer.measure(&round).await?.rate);
        whole.settle().await;
        let measured = whole.writer.measure(&round).await?;
        taken.whole.push(measured.rate);
        taken.per_transaction_of_whole.push(measured.per_transaction());
    }
    for side in [&ours, &shown, &whole, &raw_side] {
        side.writer.check().await?;
    }
    stop.cancel();
    running.await?;
    taken.print();
    Ok(())
}

fn explain() {
    println!(
        "\n3. the same on PostgreSQL: a server of its own on loopback, everything synced, its files here"
    );
    println!("   ours:  as in 2, the inbox in SQLite");
    println!(
        "   raw:   the statements of ours with sqlx, in as many transactions, their values made before: read the"
    );
    println!(
        "          position, read and update the players, move the position on, write the journal and the top"
    );
    println!(
        "   one:   a loop with sqlx, {} s a run: begin, update the player by the rules, position, commit",
        one_by_one::MEASURED_S
    );
    println!("   board: as ours, projecting into Redis, until Redis has everything");
    println!("   whole: as ours, {PARTITIONS} partitions and all loops of a handler side by side");
}

/// A game with all players, in a database of its own.
struct Side {
    database: Database,
    writer: Ours,
}

impl Side {
    async fn make(
        server: &Server,
        folder: &Path,
        name: &str,
        ranks: Option<Arc<Ranks>>,
        partitions: u16,
    ) -> Outcome<Self> {
        let database = server.database().await;
        let store = Store::postgres(&database.url(), store::Options::default())?;
        store.migrate().await?;
        // An autovacuum would slow down whichever side is being measured. HOT updates reuse space in the pages.
        database.execute("ALTER TABLE players SET (autovacuum_enabled = off)").await;
        let data = folder.join(name);
        std::fs::create_dir(&data)?;
        let mut writer = Ours::open(&data, store, ranks, partitions).await?;
        writer.fill().await?;
        Ok(Self { database, writer })
    }

    /// Runs a checkpoint, so that no measurement pays for the writes of the one before.
    async fn settle(&self) {
        self.database.execute("CHECKPOINT").await;
    }
}

/// A connection with the settings of the store's writer.
async fn connect(database: &Database) -> Outcome<PgConnection> {
    let options = PgConnectOptions::from_str(&database.url())?.options(BY_KEY).disable_statement_logging();
    Ok(options.connect().await?)
}

/// Position of the partition.
async fn sequence(connection: &mut PgConnection) -> Outcome<u128> {
    let sequence: String = query_scalar("SELECT sequence FROM partitions WHERE partition = $1")
        .bind(i32::from(PARTITION))
        .fetch_one(connection)
        .await?;
    Ok(sequence.parse()?)
}

/// A sequence in the store's text form.
fn sequence_text(sequence: u128) -> String {
    format!("{sequence:039}")
}

/// Results, in presses per second unless a field says otherwise.
#[derive(Default)]
struct Taken {
    ours: Vec<f64>,
    raw: Vec<f64>,
    one: Vec<f64>,
    shown: Vec<f64>,
    whole: Vec<f64>,
    per_transaction: Vec<f64>,
    per_transaction_of_whole: Vec<f64>,
    fsyncs_ms: Vec<f64>,
}

impl Taken {
    fn print(&self) {
        let Self { ours, raw, one, shown, whole, per_transaction, per_transaction_of_whole, fsyncs_ms } =
            self;
        let rows = [("ours ", ours), ("raw  ", raw), ("one  ", one), ("board", shown), ("whole", whole)];
        for (name, rates) in rows {
            println!("  {name} {} /s  median {:.0} /s", row(rates), median(rates));
        }
        println!("  ours and raw: {:.0} presses in a transaction", median(per_transaction));
        println!("  whole: {:.0} presses in a transaction", median(per_transaction_of_whole));
        println!("  fdatasync of 4 KiB in the same folder: {:.3} ms", median(fsyncs_ms));
        let (to_raw, (to_one, to_one_aim), shown_to_not) = GOALS;
        verdict("ours / raw", median(ours) / median(raw), to_raw);
        verdict("ours / one", median(ours) / median(one), to_one);
        verdict("whole / one, the aim", median(whole) / median(one), to_one_aim);
        verdict("board / ours", median(shown) / median(ours), shown_to_not);
    }
}
