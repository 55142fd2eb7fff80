//! Receivers and senders that stop in the middle.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue::{Delivery, Error, Limit, Queue, Sequence};
use tokio::select;
use tokio::task::yield_now;

use crate::harness::{ALL, Backend, Harness, NOW, Need, bodies, outgoing, send};

const PARTITIONS: u16 = 8;

/// Acks by partition and sequence.
type Acked = Mutex<BTreeMap<(u16, Sequence), Ack>>;

struct Ack {
    body: String,
    /// Whether the ack succeeded while the lease was certainly valid. A later one may follow another holder's ack.
    in_time: bool,
}

/// A SplitMix64 generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

/// Receives until everything is acked. At random, it drops, releases or partly acks a batch.
async fn receiver(harness: Arc<Harness>, queue: Queue, seed: u64, messages: u16, acked: Arc<Acked>) {
    let mut dice = Dice(seed);
    while acked.lock().unwrap().len() < usize::from(PARTITIONS * messages) {
        let limit = Limit { messages_max: 1 + dice.roll(6), ..ALL };
        let wait = if harness.has(Need::Clock) { NOW } else { Duration::from_secs(1) };
        let held_until_ms = harness.now_ms() + harness.visibility_ms();
        let batches = queue.receive(limit, wait).await.unwrap();
        if batches.is_empty() && harness.has(Need::Clock) {
            harness.advance(2_000);
        }
        for mut batch in batches {
            let through = use_or_drop(&queue, &mut batch, limit, &mut dice).await;
            let in_time = harness.now_ms() < held_until_ms;
            for message in batch.messages.drain(..through) {
                let key = (batch.lease.partition(), message.sequence);
                let before = acked.lock().unwrap().insert(key, Ack { body: message.body, in_time });
                assert!(before.is_none_or(|before| !(before.in_time && in_time)), "{key:?} was acked twice");
            }
        }
    }
}

/// Returns how many messages, counted from the first, were acked.
async fn use_or_drop(queue: &Queue, batch: &mut Delivery, limit: Limit, dice: &mut Dice) -> usize {
    let messages = &mut batch.messages;
    if dice.roll(3) == 0 {
        messages.extend(queue.read_ahead(&batch.lease, limit).await.unwrap_or_default());
    }
    let numbers: Vec<u16> = bodies(messages).iter().map(|body| body.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "in order without a gap: {numbers:?}");
    let kept = match dice.roll(4) {
        // A crash.
        0 => return 0,
        1 => {
            queue.release(&batch.lease).await.ok();
            return 0;
        }
        2 => dice.roll(messages.len()),
        _ => messages.len() - 1,
    };
    match queue.ack(&batch.lease, messages[kept].sequence).await {
        Ok(()) => kept + 1,
        Err(Error::LeaseLost) => 0,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn receivers_that_crash_lose_nothing_and_keep_the_order(backend: Backend) {
    let harness = Arc::new(Harness::new(backend).await);
    // Fewer messages where each crash takes seconds.
    let messages = if harness.has(Need::Clock) { 25 } else { 5 };
    for number in 0..messages {
        let envelopes: Vec<_> =
            (0..PARTITIONS).map(|partition| outgoing(partition, &number.to_string())).collect();
        send(&harness.queue, &envelopes).await;
    }
    let acked = Arc::new(Acked::default());
    let mut receivers = Vec::new();
    for seed in 0..4 {
        // Two "processes" with two receivers each.
        let queue = if seed % 2 == 0 { harness.queue.clone() } else { harness.another().await };
        receivers.push(tokio::spawn(receiver(
            Arc::clone(&harness),
            queue,
            seed,
            messages,
            Arc::clone(&acked),
        )));
    }
    for receiver in receivers {
        receiver.await.unwrap();
    }
    harness.pass_visibility();
    harness.nothing().await;
    let acked = acked.lock().unwrap();
    for partition in 0..PARTITIONS {
        let got = acked.iter().filter(|((of, _), _)| *of == partition).map(|(_, ack)| ack.body.clone());
        assert!(
            got.eq((0..messages).map(|number| number.to_string())),
            "partition {partition}: {:?}",
            acked.keys()
        );
    }
}

/// Polls a future a few times and drops it, complete or not.
async fn drop_after<T>(polls: u32, call: impl Future<Output = T>) {
    let mut call = pin!(call);
    let patience = async {
        for _ in 0..polls {
            yield_now().await;
        }
    };
    select! { biased; _ = &mut call => {} () = patience => {} }
}

/// The messages that a dropped receive may have taken. A service may process the receive after the drop, so their
/// visibility may end later.
async fn received_again(harness: &Harness) -> Delivery {
    harness.pass_visibility();
    while !harness.has(Need::LongBatches) {
        if let Some(batch) = harness.queue.receive(ALL, NOW).await.unwrap().pop() {
            return batch;
        }
        harness.pass_visibility();
    }
    harness.receive(ALL).await
}

pub(crate) async fn calls_that_are_dropped_half_way_leave_the_inbox_whole(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    for number in 0..60_u32 {
        let polls = number * number / 4;
        let envelope = [outgoing(0, &number.to_string())];
        drop_after(polls, queue.send(&envelope)).await;
        // The resend leaves exactly one copy, whether or not the first send was stored.
        send(queue, &envelope).await;
        drop_after(polls, queue.receive(ALL, NOW)).await;
        let batch = received_again(&harness).await;
        drop_after(polls, queue.read_ahead(&batch.lease, ALL)).await;
        drop_after(polls, queue.extend(&batch.lease)).await;
        drop_after(polls, queue.release(&batch.lease)).await;
        drop_after(polls, queue.ack(&batch.lease, Sequence(0))).await;
        drop_after(polls, queue.bury(&[])).await;
        harness.pass_visibility();
    }
    assert!(
        harness.drain(60).await[&0].iter().eq(&(0..60).map(|number| number.to_string()).collect::<Vec<_>>())
    );
    harness.nothing().await;
}
