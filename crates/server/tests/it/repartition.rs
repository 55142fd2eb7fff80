//! Changing the number of partitions, across inbox, handler, store and `verify`.

use std::sync::Arc;

use engine::dlq;
use engine::handler::{Step, StepError};
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder, Handler};
use game::{Action, KnownRound, Powerup, PowerupKind, PurchaseId, Round, Stamps, World, partition_of};
use ledger::Identity;
use queue::{DeadLetter, Limit, Outgoing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::button::Button;
use server::repartition::{RepartitionError, repartition};
use server::verify::verify;
use store::Store;
use tokio::sync::Notify;

use crate::support::{NOW, NOW_MS, Site, VISIBILITY_MS, add, game, in_time, user};

/// Long after every round of a test.
const LATER_MS: i64 = NOW_MS + 1_000_000_000;

/// A game, and a model that holds all its players in a single world.
struct Bench {
    site: Site,
    store: Store,
    identity: Identity,
    model: World,
    at_ms: i64,
    sent: u32,
}

impl Bench {
    async fn new(partitions: u16) -> Self {
        let site = Site::new().await;
        let (store, _) = game(&site, partitions).await;
        let identity = Identity { generation: 1, inbox_id: site.queue.inbox_id().to_owned(), partitions };
        Self { site, store, identity, model: World::default(), at_ms: NOW_MS, sent: 0 }
    }

    async fn handler(&self) -> Handler<Button> {
        let ledger = self.store.ledger().await.unwrap();
        let clock = self.site.clock.clone();
        let button = Arc::new(Button::new(clock.clone(), None, Arc::new(Notify::new())));
        Handler::new(self.site.queue.clone(), ledger, button, clock, self.identity.clone(), VISIBILITY_MS)
    }

    /// Sends a command to its player's partition, or to all of them, and applies it to the model.
    async fn send(&mut self, action: &Action) {
        let partitions = self.identity.partitions;
        let to = match action.username() {
            Some(username) => vec![partition_of(username.as_str(), partitions)],
            None => (0..partitions).collect(),
        };
        for partition in to {
            self.sent += 1;
            let id = format!("message-{}", self.sent);
            let body = self.message(&id, action);
            self.site.send_body(partition, &id, &body).await;
        }
        let stamps = Stamps { arrived_at_ms: self.at_ms, stored_at_ms: Some(self.site.clock.now_ms()) };
        let _ = self.model.apply(stamps, action); // an invalid command goes to the dead letters
    }

    /// Sets how long after its arrival the inbox stores each message.
    fn store_after(&self, ms: i64) {
        let behind_ms = self.at_ms - self.site.clock.now_ms();
        self.site.clock.advance(behind_ms.max(0) + ms);
    }

    fn message(&self, id: &str, action: &Action) -> String {
        let Identity { inbox_id, partitions, .. } = &self.identity;
        let mut payload = Vec::new();
        wire::encode_action(action, &mut payload).unwrap();
        let mut builder = EnvelopeBuilder::new(inbox_id, *partitions, id, ENVELOPE_BYTES_MAX);
        builder.push(None, self.at_ms, &payload).unwrap();
        builder.finish()
    }

    /// Applies everything that was sent, and sends all pushes.
    async fn drain(&self) {
        let mut handler = self.handler().await;
        while in_time(handler.step(NOW)).await.unwrap() != Step::Idle {}
        let outbox = self.store.outbox().await.unwrap();
        while let Some(job) = outbox.take("me", LATER_MS, 1_000).await.unwrap() {
            assert!(outbox.done(&job, LATER_MS).await.unwrap());
        }
        outbox.close().await;
    }

    async fn repartition(&mut self, partitions: u16) -> Result<(), RepartitionError> {
        let ledger = self.store.ledger().await.unwrap();
        let changed = repartition(&self.site.queue, &ledger, partitions, NOW_MS).await;
        ledger.close().await;
        let changed = changed?;
        self.identity.generation = changed.generation;
        self.identity.partitions = changed.partitions;
        Ok(())
    }

    /// Checks that journal and store agree, and that the players equal those of the model.
    async fn check(&self) {
        let reader = self.store.reader().await.unwrap();
        let report = verify(&reader).await.unwrap();
        assert!(report.is_equal() && report.tables.iter().all(|table| table.is_equal), "{report:?}");
        let state = reader.audit().await.unwrap().state().await.unwrap();
        assert_eq!(state.applied_through_ms.len(), usize::from(self.identity.partitions));
        let mut model = store::State::default();
        model.add_world(0, &self.model);
        let players = state.players.into_iter().map(|((partition, username), player)| {
            assert_eq!(partition, partition_of(username.as_str(), self.identity.partitions));
            ((0, username), player)
        });
        assert_eq!(players.collect::<std::collections::BTreeMap<_, _>>(), model.players);
        let devices = state.devices.into_iter().map(|(token, (_, device))| (token, (0, device)));
        assert_eq!(devices.collect::<std::collections::BTreeMap<_, _>>(), model.devices);
        let board = reader.top(100).await.unwrap();
        let expected = model.tops.get(&0).cloned().unwrap_or_default();
        let names = board.iter().map(|row| (&row.username, row.score));
        assert!(names.eq(expected.iter().map(|entry| (&entry.standing.username, entry.standing.score))));
        reader.close().await;
    }
}

/// A random next action.
fn action(rng: &mut StdRng, at_ms: i64, rounds: &mut u64) -> Action {
    let name = format!("player {}", rng.random_range(0..30));
    match rng.random_range(0..40) {
        0..2 => {
            *rounds += 1;
            Action::Announce(Round::new(*rounds, at_ms + 20_000, 100_000, 10_000).unwrap())
        }
        2 => Action::Tick { through_ms: at_ms },
        3..13 => {
            let token = format!("device {}", rng.random_range(0..10));
            add(&name, rng.random_bool(0.5).then_some(&token))
        }
        13..18 => Action::Buy {
            username: user(&name),
            id: PurchaseId::new(&format!("purchase-{}", rng.random_range(0..4))).unwrap(),
            powerup: Powerup::from_quantity(PowerupKind::Freeze, 6.0).unwrap(),
        },
        _ => Action::Press { username: user(&name) },
    }
}

/// Returns all rounds of the game.
async fn a_game(seed: u64) -> Vec<KnownRound> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bench = Bench::new(1).await;
    let mut rounds = 0;
    let numbers = [1, 4, 3, rng.random_range(5..9), 2];
    for partitions in numbers {
        if partitions != bench.identity.partitions {
            bench.repartition(partitions).await.unwrap();
            bench.check().await;
        }
        for _ in 0..120 {
            bench.at_ms += rng.random_range(0..8_000);
            bench.store_after(if rng.random_ratio(1, 12) { rng.random_range(0..40_000) } else { 0 });
            let action = action(&mut rng, bench.at_ms, &mut rounds);
            bench.send(&action).await;
            if rng.random_ratio(1, 20) {
                bench.drain().await;
            }
        }
        bench.drain().await;
        bench.check().await;
    }
    assert!(bench.model.players.values().any(|player| player.score > 1), "somebody has pressed again");
    bench.model.rounds.as_slice().to_vec()
}

#[tokio::test]
async fn a_game_goes_on_with_other_numbers_and_is_verified() {
    let mut rounds = Vec::new();
    for seed in 0..6 {
        rounds.extend(in_time(a_game(seed)).await);
    }
    let late = rounds.iter().filter(|known| known.late).count();
    assert!(0 < late && late < rounds.len(), "{late} of {} were late", rounds.len());
}

#[tokio::test]
async fn a_round_that_was_late_in_one_partition_is_late_in_all() {
    for late in 0..2 {
        let mut bench = Bench::new(2).await;
        let players = [0, 1].map(|partition| {
            (0..).map(|n| format!("player {n}")).find(|name| partition_of(name, 2) == partition).unwrap()
        });
        let [first, second] = [1, 2].map(|id| {
            Round::new(id, NOW_MS + 1_000_000 * i64::try_from(id).unwrap(), 100_000, 10_000).unwrap()
        });
        bench.send(&Action::Announce(first)).await;
        for name in &players {
            bench.send(&add(name, None)).await;
        }
        bench.at_ms = first.opens_at_ms;
        for name in &players {
            bench.send(&Action::Press { username: user(name) }).await;
        }
        let body = bench.message("second", &Action::Announce(second));
        for (partition, wait_ms) in [(1 - late, 0), (late, second.opens_at_ms + 1 - NOW_MS)] {
            bench.site.clock.advance(wait_ms);
            bench.site.send_body(partition, &format!("second-{partition}"), &body).await;
        }
        let stamps = Stamps { arrived_at_ms: bench.at_ms, stored_at_ms: Some(second.opens_at_ms + 1) };
        bench.model.apply(stamps, &Action::Announce(second)).unwrap();
        bench.drain().await;
        bench.check().await;
        for partitions in [3, 1] {
            bench.repartition(partitions).await.unwrap();
            bench.check().await;
        }
        bench.at_ms = second.cutoff_max_ms() + 1;
        for name in &players {
            bench.send(&add(name, None)).await;
        }
        bench.drain().await;
        bench.check().await;
        assert!(bench.model.players.values().all(|player| (player.streak, player.settled_round) == (1, 2)));
    }
}

#[tokio::test]
async fn what_is_not_drained_is_refused() {
    let mut bench = Bench::new(2).await;
    bench.send(&add("ada", None)).await;
    let not_empty = bench.repartition(3).await.unwrap_err();
    assert!(matches!(not_empty, RepartitionError::NotEmpty), "{not_empty:?}");
    bench.drain().await;

    // A tick that a handler holds: the backlog does not count it.
    let body = bench.message("tick", &Action::Tick { through_ms: NOW_MS });
    let tick = Outgoing { partition: 1, id: "tick".to_owned(), body, quiet: true };
    bench.site.queue.send(&[tick]).await.remove(0).unwrap();
    let limit = Limit { messages_max: 1, bytes_max: 1 };
    let held = bench.site.queue.receive(limit, NOW).await.unwrap().remove(0);
    let not_empty = bench.repartition(3).await.unwrap_err();
    assert!(matches!(not_empty, RepartitionError::NotEmpty), "{not_empty:?}");
    bench.site.queue.release(&held.lease).await.unwrap();
    bench.drain().await;

    let same = bench.repartition(2).await.unwrap_err();
    let text = serve::chain(&same);
    assert!(text.contains("the game already has 2 partitions"), "{text}");
    bench.repartition(3).await.unwrap();
    bench.check().await;
}

/// An older copy of the inbox is detected after the change as it was before.
#[tokio::test]
async fn positions_begin_where_the_inbox_is() {
    let mut bench = Bench::new(1).await;
    for name in ["ada", "bea", "cleo"] {
        bench.send(&add(name, None)).await;
    }
    bench.drain().await;
    bench.repartition(2).await.unwrap();
    let ledger = bench.store.ledger().await.unwrap();
    let given = bench.site.queue.highest_sequence().await.unwrap().unwrap();
    assert_eq!(ledger.highest_position().await.unwrap(), given.0);
    bench.send(&add("dora", None)).await;
    bench.drain().await;
    bench.check().await;
    assert_eq!(ledger.highest_position().await.unwrap(), given.0 + 1);
}

/// A handler with the old number meets newer messages, and a handler with the new number meets older ones: both stop
/// without acking or changing anything.
#[tokio::test]
async fn who_counts_with_the_old_number_is_refused() {
    for (before, after) in [(1, 2), (4, 1)] {
        let mut bench = Bench::new(before).await;
        bench.send(&add("ada", None)).await;
        bench.drain().await;
        let mut old = bench.handler().await;
        let late = bench.message("late", &add("late", None));
        bench.repartition(after).await.unwrap();
        let mut new = bench.handler().await;

        // Messages from an ingest or a scheduler that was not stopped.
        for (id, partition) in [("late-1", 0), ("late-2", before - 1)] {
            bench.site.send_body(partition, id, &late).await;
            let refused = in_time(new.step(NOW)).await.unwrap_err();
            let StepError::Foreign(reason) = &refused else { panic!("{refused:?}") };
            assert!(reason.contains(&format!("with {before} partitions")), "{reason}");
            let refused = in_time(old.step(NOW)).await.unwrap_err();
            match &refused {
                StepError::Foreign(reason) => assert!(reason.contains("inbox number 2"), "{reason}"),
                StepError::Store(error) => assert!(error.to_string().contains("no partition"), "{error}"),
                StepError::Queue(_) => panic!("{refused:?}"),
            }
            assert_eq!(bench.site.drain().await.len(), 1, "it is still there");
        }
        let body = bench.message("new", &add("new", None));
        bench.site.send_body(0, "new", &body).await;
        let refused = in_time(old.step(NOW)).await.unwrap_err();
        assert!(matches!(&refused, StepError::Foreign(reason) if reason.contains("with")), "{refused:?}");
        assert_eq!(bench.site.drain().await.len(), 1, "it is still there");
        bench.check().await;
    }
}

/// Dead letters from before the change go to the current partitions of their players.
#[tokio::test]
async fn what_was_buried_before_can_be_redriven() {
    let mut bench = Bench::new(5).await;
    let name = |number, partition: u16| {
        (0..).map(|n| format!("{number}-{n}")).find(|name| partition_of(name, 5) == partition).unwrap()
    };
    let (single, first, second) = (name(1, 4), name(2, 4), name(3, 4));
    let mut builder = EnvelopeBuilder::new(&bench.identity.inbox_id, 5, "old", ENVELOPE_BYTES_MAX);
    for name in [&first, &second] {
        let add = format!(r#"{{"add":{{"username":"{name}"}}}}"#);
        builder.push(None, NOW_MS + 7, add.as_bytes()).unwrap();
    }
    let letters = [
        ("by/hand/0", format!(r#"{{"at":{NOW_MS},"c":{{"add":{{"username":"{single}"}}}}}}"#)),
        ("by/hand/all", builder.finish()),
        ("no/envelope/all", "nonsense".to_owned()),
        ("no/entry/1", "7".to_owned()),
    ];
    let letters = letters.map(|(id, body)| DeadLetter {
        id: id.to_owned(),
        partition: 4,
        body,
        reason: "a bug that has been mended".to_owned(),
        buried_at_ms: NOW_MS,
    });
    bench.site.queue.bury(&letters).await.unwrap();
    for partitions in [2, 3] {
        bench.repartition(partitions).await.unwrap();
    }
    assert_eq!(dlq::redrive(&bench.site.queue, &Button::offline(), 3, &[]).await.unwrap(), 4);
    bench.drain().await;
    for (name, at_ms) in [(&single, NOW_MS), (&first, NOW_MS + 7), (&second, NOW_MS + 7)] {
        bench.model.apply(Stamps::of_arrival(at_ms), &add(name, None)).unwrap();
    }
    bench.check().await;
    let left = bench.site.queue.dead_letters(None, 10).await.unwrap();
    let mut bodies: Vec<_> = left.iter().map(|letter| letter.body.as_str()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["7", "nonsense"]);
    assert!(left.iter().all(|letter| letter.partition == 1), "{left:?}");
}
