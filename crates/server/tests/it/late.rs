//! Rounds announced late, from the scheduler through inbox, handler and store to reads and `verify`, on a manual clock.

use std::sync::Arc;

use engine::handler::Step;
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder, Handler};
use game::schedule::Cadence;
use game::{Action, KnownRound, PressOutcome, Round, partition_of};
use ledger::Identity;
use rand::SeedableRng;
use rand::rngs::StdRng;
use server::bounds::LEAD_MS_MIN;
use server::button::Button;
use server::scheduler::{Scheduler, SchedulerError, SchedulerOptions};
use server::verify::{VerifyReport, verify};
use sqlx::{ConnectOptions as _, Connection as _};
use store::{PlayerView, Position, Reader, Schedule, Scheduled, Stage};
use tokio::sync::Notify;

use crate::support::{NOW, NOW_MS, Site, VISIBILITY_MS, add, game, in_time, unlock, user};

const PARTITIONS: u16 = 2;
const GAP_MS: i64 = 3_600_000;
const LEAD_MS: i64 = 2_000;
/// How long after the opening a late round is announced.
const LATE_MS: i64 = 5_000;

struct Bench {
    site: Site,
    table: Schedule,
    scheduler: Arc<Scheduler>,
    handler: Handler<Button>,
    reader: Reader,
    sent: u32,
}

impl Bench {
    async fn new() -> Self {
        let site = Site::new().await;
        let (store, ledger) = game(&site, PARTITIONS).await;
        let (table, reader) = (store.schedule().await.unwrap(), store.reader().await.unwrap());
        // Only operators open rounds.
        let cadence = Cadence { window_ms: 100_000, grace_ms: 10_000, gap_ms: GAP_MS, odds: 0 };
        let options = SchedulerOptions {
            cadence,
            lead_ms: LEAD_MS,
            lead_ms_min: LEAD_MS_MIN,
            first_round_ms: None,
            partitions: PARTITIONS,
        };
        let (queue, clock, rng) = (site.queue.clone(), site.clock.clone(), StdRng::seed_from_u64(1));
        let scheduler = Scheduler::new(table.clone(), queue.clone(), clock.clone(), rng, options);
        let button = Arc::new(Button::new(clock.clone(), None, Arc::new(Notify::new())));
        let inbox_id = queue.inbox_id().to_owned();
        let identity = Identity { generation: 1, inbox_id, partitions: PARTITIONS };
        let handler = Handler::new(queue, ledger, button, clock, identity, VISIBILITY_MS);
        Self { site, table, scheduler, handler, reader, sent: 0 }
    }

    fn go_to(&self, at_ms: i64) {
        self.site.clock.advance(at_ms - self.site.clock.now_ms());
    }

    /// Sends a player's command now.
    async fn send(&mut self, action: Action) {
        self.sent += 1;
        let id = format!("message-{}", self.sent);
        let mut payload = Vec::new();
        wire::encode_action(&action, &mut payload).unwrap();
        let inbox_id = self.site.queue.inbox_id();
        let mut builder = EnvelopeBuilder::new(inbox_id, PARTITIONS, &id, ENVELOPE_BYTES_MAX);
        builder.push(None, self.site.clock.now_ms(), &payload).unwrap();
        let partition = partition_of(action.username().unwrap().as_str(), PARTITIONS);
        self.site.send_body(partition, &id, &builder.finish()).await;
    }

    async fn press(&mut self, name: &str) {
        self.send(Action::Press { username: user(name) }).await;
    }

    /// Applies everything that was sent.
    async fn drain(&mut self) {
        while in_time(self.handler.step(NOW)).await.unwrap() != Step::Idle {}
    }

    async fn view(&self, name: &str) -> PlayerView {
        let now_ms = self.site.clock.now_ms();
        self.reader.player(&user(name), partition_of(name, PARTITIONS), now_ms).await.unwrap().unwrap()
    }

    /// These players join, and press in a round that was announced in time.
    async fn begin(&mut self, names: &[&str]) -> Round {
        for name in names {
            self.send(add(name, None)).await;
        }
        let round = self.scheduler.open_now(LEAD_MS).await.unwrap();
        self.go_to(round.opens_at_ms);
        for name in names {
            self.press(name).await;
        }
        self.drain().await;
        round
    }

    /// A round is fixed; then the inbox is down until some time after its opening. It is not announced yet.
    async fn miss_opening(&mut self, before: &Round) -> Round {
        let round = Round::new(before.id + 1, before.opens_at_ms + GAP_MS, 100_000, 10_000).unwrap();
        let row = Scheduled { round, by_operator: false, stage: Stage::Announcing, ticks_sent: 0 };
        assert!(self.table.insert_if_absent(&row).await.unwrap());
        self.go_to(round.opens_at_ms - LEAD_MS);
        let lock = self.site.lock_inbox().await;
        let failed = self.scheduler.step().await;
        assert!(matches!(failed, Err(SchedulerError::Queue(_))), "{failed:?}");
        self.go_to(round.opens_at_ms + LATE_MS);
        unlock(lock).await;
        round
    }

    /// Advances the clock past the round's largest cutoff.
    async fn pass(&mut self, round: &Round) {
        self.go_to(round.cutoff_max_ms() + 1_000);
        self.scheduler.step().await.unwrap();
        self.drain().await;
    }

    async fn verified(&self) -> VerifyReport {
        verify(&self.reader).await.unwrap()
    }

    /// Changes the store to what another version would have written.
    async fn change(&self, statements: &'static str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.site.path("game.sqlite"));
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn who_presses_in_a_late_round_counts_and_who_does_not_keeps_the_streak() {
    let mut bench = Bench::new().await;
    let first = bench.begin(&["ada", "bob"]).await;
    let late = bench.miss_opening(&first).await;
    // The press is ahead of the announcement in the inbox.
    bench.press("bob").await;
    bench.scheduler.step().await.unwrap();
    bench.press("ada").await;
    bench.drain().await;
    let (ada, bob) = (bench.view("ada").await.player, bench.view("bob").await.player);
    assert_eq!((ada.streak, ada.pressed_round), (2, late.id));
    assert_eq!((bob.streak, bob.last_press.unwrap().outcome), (1, PressOutcome::NotOpen));
    bench.pass(&late).await;
    let (ada, bob) = (bench.view("ada").await.player, bench.view("bob").await.player);
    assert_eq!((ada.streak, ada.settled_round), (2, late.id));
    assert_eq!((bob.streak, bob.settled_round), (1, late.id), "forgiven");

    // A round that is announced in time is missed as usual.
    let third = bench.scheduler.open_now(LEAD_MS).await.unwrap();
    bench.go_to(third.opens_at_ms);
    bench.press("ada").await;
    bench.pass(&third).await;
    assert_eq!((bench.view("ada").await.player.streak, bench.view("bob").await.player.streak), (3, 0));

    let mut audit = bench.reader.audit().await.unwrap();
    for partition in 0..PARTITIONS {
        let journal = audit.journal(partition, Position::default(), 1_000).await.unwrap();
        let stored: Vec<_> = journal.iter().map(|entry| entry.stored_at_ms.unwrap()).collect();
        assert!(stored.contains(&(late.opens_at_ms + LATE_MS)), "{stored:?}");
        assert_eq!(stored[0], NOW_MS);
    }
    let state = audit.state().await.unwrap();
    drop(audit);
    let known = |round, late| KnownRound { round, late };
    let known = [known(first, false), known(late, true), known(third, false)];
    assert!(state.rounds.into_values().eq([known, known].concat()), "the same in both partitions");
    let report = bench.verified().await;
    assert!(report.is_equal(), "{report:?}");
}

#[tokio::test]
async fn a_journal_of_before_replays_to_the_same_rows() {
    let mut bench = Bench::new().await;
    let first = bench.begin(&["ada", "bob"]).await;
    let late = bench.miss_opening(&first).await;
    bench.scheduler.step().await.unwrap();
    bench.press("ada").await;
    bench.pass(&late).await;
    bench.send(add("bob", None)).await;
    bench.drain().await;
    let report = bench.verified().await;
    assert!(report.is_equal(), "{report:?}");

    // Without the storage time the round counts as in time: another row in each partition, and bob has missed it.
    bench.change("UPDATE journal SET stored_at_ms = NULL").await;
    let report = bench.verified().await;
    let mut differ: Vec<_> = report.differences.iter().map(|found| found.table).collect();
    differ.sort_unstable();
    assert_eq!(differ, ["players", "rounds", "rounds"], "{report:?}");
    // The previous version wrote these rows.
    bench
        .change("UPDATE rounds SET late = FALSE; UPDATE players SET streak = 0 WHERE username = 'bob'")
        .await;
    let report = bench.verified().await;
    assert!(report.is_equal(), "{report:?}");

    // The game continues with these rows.
    let third = bench.miss_opening(&late).await;
    bench.scheduler.step().await.unwrap();
    bench.press("bob").await;
    bench.pass(&third).await;
    assert_eq!((bench.view("ada").await.player.streak, bench.view("bob").await.player.streak), (2, 1));
    let report = bench.verified().await;
    assert!(report.is_equal(), "{report:?}");
}
