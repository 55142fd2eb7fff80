//! The feed turns changes in the store into events, exact to the millisecond.

use game::{Round, Standing, Username, World};
use ledger::Ledger;
use ranks::Ranks;
use serde_json::json;
use server::live::feed::Feed;
use server::rebuilder::Rebuilder;
use store::{Scheduled, Stage};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::{NOW_MS, Site, add, game, play};

struct Bench {
    site: Site,
    ledger: Ledger,
    hub: Arc<Hub>,
    ranks: Arc<Ranks>,
    poke: Arc<Notify>,
    stop: CancellationToken,
}

impl Bench {
    /// A feed over a schedule with these rounds, all of them announced.
    async fn new(rounds: &[Round]) -> Self {
        let site = Site::new().await;
        let (store, ledger) = game(&site, 1).await;
        let table = store.schedule().await.unwrap();
        for round in rounds {
            let row =
                Scheduled { round: *round, by_operator: false, stage: Stage::Announcing, ticks_sent: 0 };
            table.insert_if_absent(&row).await.unwrap();
            assert!(table.announced(round.id).await.unwrap());
        }
        let stop = CancellationToken::new();
        let hub = Hub::new(site.clock.clone(), 100, stop.clone());
        let (ranks, poke) = (Arc::new(Ranks::local(1)), Arc::new(Notify::new()));
        let feed = Feed {
            hub: Arc::clone(&hub),
            reader: store.reader().await.unwrap(),
            ranks: Some(Arc::clone(&ranks)),
            clock: site.clock.clone(),
            poke: Arc::clone(&poke),
        };
        let rebuilder = Rebuilder {
            ranks: Arc::clone(&ranks),
            reader: store.reader().await.unwrap(),
            clock: site.clock.clone(),
        };
        tokio::spawn(feed.run(stop.clone()));
        tokio::spawn(rebuilder.run(stop.clone()));
        Self { site, ledger, hub, ranks, poke, stop }
    }

    /// Adds a player, as the handler of the same process does.
    async fn join(&self, name: &str) {
        let join =
            |world: &mut World| _ = world.apply(game::Stamps::of_arrival(NOW_MS), &add(name, None)).unwrap();
        play(&self.ledger, 0, join, &[]).await;
        self.poke.notify_one();
    }

    /// Advances the clock and wakes the feed.
    fn go_on(&self, ms: i64) {
        self.site.clock.advance(ms);
        self.poke.notify_one();
    }
}

fn round(id: u64, opens_at_ms: i64) -> Round {
    Round::new(id, opens_at_ms, 100_000, 10_000).unwrap()
}

/// The `round` event that the page gets.
fn told(state: &str, round: &Round, now_ms: i64) -> (String, Value) {
    let (opens_at, closes_at) = (round.opens_at_ms, round.opens_at_ms + 100_000);
    let data = json!({"now": now_ms, "state": state, "round": round.id, "opens_at": opens_at, "closes_at": closes_at});
    ("round".to_owned(), data)
}

/// The usernames of a `board` event.
fn names((topic, data): (String, Value)) -> Vec<String> {
    assert_eq!(topic, "board");
    data.as_array().unwrap().iter().map(|row| row["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_round_shows_at_the_very_millisecond_and_not_before() {
    let first = round(1, NOW_MS + 1_000);
    let bench = Bench::new(&[first, round(2, NOW_MS + 3_600_000)]).await;
    let mut page = Page::open(&bench.hub).await;
    assert!(names(page.next().await.unwrap()).is_empty());
    // The feed checks the board only when time passes. A board event therefore proves that the feed ran one millisecond
    // before the opening.
    bench.join("ada").await;
    bench.go_on(999);
    assert_eq!(names(page.next().await.unwrap()), ["ada"]);
    bench.site.clock.advance(1);
    assert_eq!(page.next().await.unwrap(), told("open", &first, first.opens_at_ms));
    // The same at the end of the window: the grace is not shown.
    let closes_at_ms = first.opens_at_ms + 100_000;
    bench.join("bob").await;
    bench.go_on(99_999);
    assert_eq!(names(page.next().await.unwrap()), ["ada", "bob"]);
    bench.site.clock.advance(1);
    assert_eq!(page.next().await.unwrap(), told("closed", &first, closes_at_ms));
    // A later client gets the same event with its own current time.
    bench.site.clock.advance(5);
    let mut late = Page::open(&bench.hub).await;
    assert_eq!(names(late.next().await.unwrap()), ["ada", "bob"]);
    assert_eq!(late.next().await.unwrap(), told("closed", &first, closes_at_ms + 5));
    bench.stop.cancel();
}

#[tokio::test]
async fn ranks_that_missed_something_are_rebuilt() {
    let bench = Bench::new(&[]).await;
    let nobody = Standing { score: 0, reached_at_ms: NOW_MS, username: Username::new("nobody").unwrap() };
    let current = || async {
        while bench.ranks.rank(&nobody, &[], NOW_MS).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    in_time(current()).await;
    // Commits without projections to these ranks, as by a handler of another process.
    bench.join("ada").await;
    bench.join("bob").await;
    let (_, standings) = {
        let store = store::Store::sqlite(&bench.site.path("game.sqlite"), store::Options::default());
        store.reader().await.unwrap().standings(0).await.unwrap()
    };
    let mut standings = standings;
    standings.sort_unstable();
    let positions = bench.ledger.positions().await.unwrap();
    let caught_up = async {
        loop {
            bench.site.clock.advance(250);
            bench.poke.notify_one();
            let now_ms = bench.site.clock.now_ms();
            let mut ranks = Vec::new();
            for standing in &standings {
                ranks.push(bench.ranks.rank(standing, &positions, now_ms).await);
            }
            if ranks == [Some(1), Some(2)] {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(caught_up).await;
    bench.stop.cancel();
}

/// The next event for which `check` holds.
async fn until(page: &mut Page, check: impl Fn(&str, &Value) -> bool) -> (String, Value) {
    loop {
        let (topic, data) = page.next().await.unwrap();
        if check(&topic, &data) {
            return (topic, data);
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing_up_and_what_it_showed_is_taken_back() {
    let (before, early) = (round(1, NOW_MS - 3_600_000), round(2, NOW_MS + 1_000));
    let bench = Bench::new(&[before, early]).await;
    let mut page = Page::open(&bench.hub).await;
    until(&mut page, |topic, _| topic == "board").await;
    bench.go_on(1_000);
    let opened = until(&mut page, |_, data| data["round"] == 2).await;
    assert_eq!(opened, told("open", &early, early.opens_at_ms));
    bench.site.clock.set_by(-10_000);
    bench.join("ada").await;
    let taken_back = until(&mut page, |_, data| data["round"] == 2).await;
    assert_eq!(taken_back, told("closed", &early, early.opens_at_ms - 10_000));
    assert_eq!(page.next().await.unwrap(), told("closed", &before, early.opens_at_ms - 10_000));
    bench.go_on(250);
    assert_eq!(names(page.next().await.unwrap()), ["ada"]);
    let mut late = Page::open(&bench.hub).await;
    assert_eq!(names(late.next().await.unwrap()), ["ada"]);
    assert_eq!(late.next().await.unwrap(), told("closed", &before, early.opens_at_ms - 9_750));
    bench.go_on(9_750);
    for page in [&mut page, &mut late] {
        assert_eq!(page.next().await.unwrap(), told("open", &early, early.opens_at_ms));
    }
    bench.stop.cancel();
}
