//! The handler's loop over SQLite against one transaction per press.

mod one_by_one;

use std::path::{Path, PathBuf};

use one_by_one::OneByOne;
use store::Store;

use crate::ours::{Ours, PLAYERS, round};
use crate::report::{fsync_ms, median, row, verdict};
use crate::{Outcome, RUNS, folder};

/// Target ratios and the fsync latency in milliseconds that selects one: a slower fsync gains more from being shared.
const GOALS: (f64, f64, f64) = (5.0, 0.2, 20.0);

/// Measures both in turn, and prints the ratio.
pub(crate) async fn compare() -> Outcome<()> {
    println!(
        "\n2. applying presses on SQLite: {PLAYERS} players, each presses once in a round, in no order of names"
    );
    println!(
        "   ours: engine::Handler stepped over an inbox of {PLAYERS} presses in envelopes of 64 KiB, until it is empty:"
    );
    println!(
        "         receive, decode, load, rules, save with journal and board, ack; one loop, role handler"
    );
    println!(
        "   one:  a loop with sqlx over the same schema and players: read the player, update, position, commit;"
    );
    println!(
        "         synchronous=FULL, {} s a run; without inbox, journal and board",
        one_by_one::MEASURED_S
    );
    let folder = folder()?;
    let mut ours = filled(&folder.path().join("ours")).await?;
    let other = folder.path().join("one");
    filled(&other).await?;
    let mut one = OneByOne::open(&store_in(&other)).await?;
    let (mut ours_rates, mut one_rates, mut per_transaction) = (Vec::new(), Vec::new(), Vec::new());
    let mut fsyncs_ms = Vec::new();
    for id in 1..=RUNS {
        let round = round(id)?;
        fsyncs_ms.push(fsync_ms(folder.path())?);
        one_rates.push(one.measure(&round).await?);
        let measured = ours.measure(&round).await?;
        ours_rates.push(measured.rate);
        per_transaction.push(measured.per_transaction());
    }
    ours.check().await?;
    let (ours, one) = (median(&ours_rates), median(&one_rates));
    println!("  one  {} /s  median {one:.0} /s", row(&one_rates));
    println!(
        "  ours {} /s  median {ours:.0} /s, {:.0} presses in a transaction",
        row(&ours_rates),
        median(&per_transaction)
    );
    let fsync_ms = median(&fsyncs_ms);
    println!("  fdatasync of 4 KiB in the same folder: {fsync_ms:.3} ms");
    let (quick, limit_ms, slow) = GOALS;
    verdict("ours / one", ours / one, if fsync_ms < limit_ms { quick } else { slow });
    Ok(())
}

fn store_in(data: &Path) -> PathBuf {
    data.join("game.sqlite")
}

/// The handler's loop over files in this folder, filled with all players.
async fn filled(data: &Path) -> Outcome<Ours> {
    std::fs::create_dir_all(data)?;
    let store = Store::sqlite(&store_in(data), store::Options::default());
    let mut ours = Ours::open(data, store, None, 1).await?;
    ours.fill().await?;
    Ok(ours)
}
