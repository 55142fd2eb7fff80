//! The batcher: it sends collected commands as few messages, and answers each caller.

mod over_sqs;

use std::collections::HashSet;
use std::sync::Arc;

use engine::Envelope;
use engine::batcher::{Batcher, BatcherOptions, Flushed, Ticket};
use engine::bounds::{PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, RESEND_MS_MAX, TRY_TIME_MIN};
use engine::clock::{Clock, Stopwatch};
use queue::Options;
use tokio::sync::oneshot::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use crate::support::{NOW_MS, Site, in_time, unlock};

const PARTITIONS: u16 = 3;

fn batcher(site: &Site, envelope_bytes_max: usize) -> Batcher {
    Batcher::new(site.queue.clone(), site.clock.clone(), options(envelope_bytes_max, RESEND_MS_MAX))
}

fn options(envelope_bytes_max: usize, resend_ms_max: i64) -> BatcherOptions {
    BatcherOptions { partitions: PARTITIONS, envelope_bytes_max, node: "node".to_owned(), resend_ms_max }
}

fn submit(batcher: &Batcher, partition: u16, number: usize) -> Ticket {
    batcher.submit(partition, NOW_MS, number.to_string().as_bytes()).unwrap()
}

/// A command that came out of the inbox.
#[derive(Debug, PartialEq)]
struct Taken {
    partition: u16,
    message: String,
    id: String,
    payload: String,
}

async fn taken(site: &Site) -> Vec<Taken> {
    let mut all = Vec::new();
    for (partition, message) in site.drain().await {
        let envelope = Envelope::decode(&message.body).unwrap();
        assert_eq!((&*envelope.inbox, envelope.partitions), (site.queue.inbox_id(), PARTITIONS));
        assert_eq!(envelope.id, message.id);
        for entry in envelope.entries() {
            let entry = entry.unwrap();
            assert_eq!(entry.arrived_at_ms, NOW_MS);
            let (id, payload) = (entry.id(), entry.payload.to_owned());
            all.push(Taken { partition, message: message.id.clone(), id, payload });
        }
    }
    all
}

fn of(taken: &[Taken], partition: u16) -> Vec<usize> {
    let own = taken.iter().filter(|taken| taken.partition == partition);
    own.map(|taken| taken.payload.parse().unwrap()).collect()
}

#[tokio::test]
async fn what_gathered_goes_out_as_one_message_for_each_partition() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    assert_eq!(batcher.flush().await, Flushed::Nothing);
    let mut tickets: Vec<_> =
        [0, 1, 0, 0, 1].into_iter().zip(0..).map(|(p, n)| submit(&batcher, p, n)).collect();
    for ticket in &mut tickets {
        assert_eq!(ticket.durable.try_recv(), Err(TryRecvError::Empty), "not yet durable");
    }
    assert_eq!(batcher.flush().await, Flushed::Sent);
    let ids: HashSet<_> = tickets.iter().map(|ticket| ticket.id.clone()).collect();
    for ticket in tickets {
        assert_eq!(ticket.durable.await, Ok(true));
    }
    assert_eq!(site.left().await, 2);
    let taken = taken(&site).await;
    assert_eq!((of(&taken, 0), of(&taken, 1)), (vec![0, 2, 3], vec![1, 4]));
    assert_eq!(taken.iter().map(|taken| taken.id.clone()).collect::<HashSet<_>>(), ids);
    assert_eq!((batcher.flush().await, site.left().await), (Flushed::Nothing, 0));
}

#[tokio::test]
async fn a_message_is_never_longer_than_allowed() {
    let site = Site::new().await;
    let (max, long) = (500, format!("\"{}\"", "x".repeat(2_000)));
    let batcher = batcher(&site, max);
    let mut tickets = Vec::new();
    for number in 0..200 {
        tickets.push(submit(&batcher, 0, number));
    }
    tickets.push(batcher.submit(1, NOW_MS, long.as_bytes()).unwrap());
    tickets.push(submit(&batcher, 1, 0));
    assert_eq!(batcher.flush().await, Flushed::Sent);
    let messages: Vec<_> = site.drain().await;
    let (long, short): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(partition, _)| *partition == 1);
    assert_eq!(long.len(), 2, "what is too long goes alone");
    let mut payloads = Vec::new();
    for (index, (_, message)) in short.iter().enumerate() {
        assert!(message.body.len() <= max, "{} bytes", message.body.len());
        let last = index == short.len() - 1;
        assert!(last || message.body.len() > max - 40, "packed as far as it goes: {}", message.body.len());
        let envelope = Envelope::decode(&message.body).unwrap();
        payloads.extend(envelope.entries().map(|entry| entry.unwrap().payload.to_owned()));
    }
    assert_eq!(payloads, (0..200).map(|number: usize| number.to_string()).collect::<Vec<_>>());
    assert_eq!(tickets.iter().map(|ticket| &ticket.id).collect::<HashSet<_>>().len(), 202, "ids are unique");
    for ticket in tickets {
        assert_eq!(ticket.durable.await, Ok(true));
    }
}

#[tokio::test]
async fn it_takes_only_so_many_commands() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    let half = PENDING_COMMANDS_MAX / 2;
    let mut tickets: Vec<_> = (0..half).map(|number| submit(&batcher, 0, number)).collect();
    assert!(batcher.submit(0, NOW_MS, b"1").is_err(), "one partition leaves room for the others");
    tickets.extend((0..half).map(|number| submit(&batcher, 1, number)));
    for partition in 0..PARTITIONS {
        assert!(batcher.submit(partition, NOW_MS, b"1").is_err());
    }
    batcher.flush().await;
    let after = submit(&batcher, 0, half);
    batcher.flush().await;
    assert_eq!(after.durable.await, Ok(true));
    let taken = taken(&site).await;
    assert_eq!(of(&taken, 0), (0..=half).collect::<Vec<_>>(), "what was refused is not there");
    assert_eq!(taken.len(), tickets.len() + 1);
}

#[tokio::test]
async fn it_takes_only_so_many_bytes() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    let long = format!("\"{}\"", "x".repeat(PENDING_BYTES_MAX / 64 - 2));
    let mut tickets: Vec<_> = (0..32).map(|_| batcher.submit(0, NOW_MS, long.as_bytes()).unwrap()).collect();
    assert!(batcher.submit(0, NOW_MS, b"1").is_err(), "one partition leaves room for the others");
    tickets.extend((0..32).map(|_| batcher.submit(1, NOW_MS, long.as_bytes()).unwrap()));
    assert!(batcher.submit(2, NOW_MS, b"1").is_err(), "not one byte more");
    // These are too long for the inbox; each caller gets an error at once.
    assert_eq!(batcher.flush().await, Flushed::Sent);
    for ticket in tickets {
        assert_eq!(ticket.durable.await, Ok(false));
    }
    let ticket = submit(&batcher, 0, 1);
    batcher.flush().await;
    assert_eq!(ticket.durable.await, Ok(true));
    assert_eq!(of(&taken(&site).await, 0), [1]);
}

#[tokio::test]
async fn a_full_inbox_is_told_at_once() {
    let site = Site::with(Options { file_bytes_max: 1 << 20, ..Options::default() }).await;
    let batcher = batcher(&site, 65_536);
    site.fill().await;
    let tickets = [submit(&batcher, 0, 1), submit(&batcher, 1, 2)];
    assert_eq!(batcher.flush().await, Flushed::Sent, "there is no point in trying again");
    for ticket in tickets {
        assert_eq!(ticket.durable.await, Ok(false));
    }
    assert_eq!(batcher.flush().await, Flushed::Nothing);
    assert!(site.drain().await.iter().all(|(_, message)| message.id.starts_with("filler")));
    let ticket = submit(&batcher, 0, 3);
    batcher.flush().await;
    assert_eq!(ticket.durable.await, Ok(true));
    assert_eq!(of(&taken(&site).await, 0), [3], "what was refused never comes");
}

#[tokio::test]
async fn a_busy_inbox_gets_the_same_messages_again_first() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    let mut first = submit(&batcher, 0, 1);
    let lock = site.lock_inbox().await;
    assert_eq!(batcher.flush().await, Flushed::Retry);
    assert_eq!(first.durable.try_recv(), Err(TryRecvError::Empty), "its fate is open");
    let second = submit(&batcher, 0, 2);
    unlock(lock).await;
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(first.durable.await, Ok(true));
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(second.durable.await, Ok(true));
    let taken = taken(&site).await;
    assert_eq!(of(&taken, 0), [1, 2]);
    assert_eq!((&taken[0].id, &taken[1].id), (&first.id, &second.id), "under the ids that were given");
}

#[tokio::test]
async fn after_a_minute_it_gives_up() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    let mut ticket = submit(&batcher, 0, 1);
    let lock = site.lock_inbox().await;
    assert_eq!(batcher.flush().await, Flushed::Retry);
    // Setting the clock back does not lengthen the minute.
    site.clock.set_by(-10 * RESEND_MS_MAX);
    site.clock.advance(RESEND_MS_MAX - 1);
    assert_eq!(batcher.flush().await, Flushed::Retry);
    assert_eq!(ticket.durable.try_recv(), Err(TryRecvError::Empty));
    site.clock.set_by(20 * RESEND_MS_MAX);
    assert_eq!(batcher.flush().await, Flushed::Retry);
    site.clock.advance(1);
    unlock(lock).await;
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(ticket.durable.await, Ok(false), "it is judged before it is tried");
    assert_eq!((batcher.flush().await, site.left().await), (Flushed::Nothing, 0), "it is not sent any more");
}

/// SQLite waits up to 5 s, also for the writer that is ahead of the sender; retry pauses come on top.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_answered_in_time_also_in_the_middle_of_a_try() {
    let site = Site::new().await;
    let resend_ms_max = 500;
    let batcher = Arc::new(Batcher::new(site.queue.clone(), Clock::System, options(65_536, resend_ms_max)));
    let lock = site.lock_inbox().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&batcher).run(stop.clone()));
    let (watch, ticket) = (Stopwatch::start(), submit(&batcher, 0, 0));
    assert_eq!(in_time(ticket.durable).await, Ok(false));
    let waited = watch.seconds();
    assert!((0.5..3.0).contains(&waited), "{waited} s");
    unlock(lock).await;
    let after = submit(&batcher, 0, 1);
    assert_eq!(in_time(after.durable).await, Ok(true));
    stop.cancel();
    in_time(running).await.unwrap();
}

#[tokio::test]
async fn what_came_while_another_was_tried_has_waited_too() {
    let site = Site::new().await;
    let batcher = Batcher::new(site.queue.clone(), site.clock.clone(), options(65_536, 100));
    let lock = site.lock_inbox().await;
    let first = submit(&batcher, 0, 1);
    assert_eq!(batcher.flush().await, Flushed::Retry, "the try is cut off");
    site.clock.advance(40);
    let mut second = submit(&batcher, 0, 2);
    site.clock.advance(60);
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(first.durable.await, Ok(false));
    assert_eq!(batcher.flush().await, Flushed::Retry);
    assert_eq!(second.durable.try_recv(), Err(TryRecvError::Empty));
    site.clock.advance(40);
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(second.durable.await, Ok(false));
    unlock(lock).await;
}

#[tokio::test]
async fn an_envelope_with_little_time_left_does_not_cut_off_the_try_of_a_younger_one() {
    let site = Site::new().await;
    let least_ms = i64::try_from(TRY_TIME_MIN.as_millis()).unwrap();
    let batcher = Batcher::new(site.queue.clone(), site.clock.clone(), options(65_536, 10 * least_ms));
    let old = submit(&batcher, 0, 0);
    site.clock.advance(1);
    let just = submit(&batcher, 1, 1);
    site.clock.advance(9 * least_ms);
    let young = submit(&batcher, 2, 2);
    assert_eq!(batcher.flush().await, Flushed::Sent);
    let durable = [old, just, young].map(|ticket| ticket.durable);
    assert_eq!(futures_util::future::join_all(durable).await, [Ok(false), Ok(true), Ok(true)]);
    // No younger entry exists, so the rest is worth a retry.
    let alone = submit(&batcher, 0, 3);
    site.clock.advance(10 * least_ms - 500);
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(alone.durable.await, Ok(true));
}

#[tokio::test]
async fn the_order_of_a_partition_outlasts_flushes_and_splits() {
    let site = Site::new().await;
    let batcher = batcher(&site, 300);
    for number in 0..600 {
        submit(&batcher, u16::try_from(number % 3).unwrap(), number); // nobody waits for the ticket
        if number % 37 == 0 {
            batcher.flush().await;
        }
    }
    batcher.flush().await;
    let taken = taken(&site).await;
    for partition in 0..PARTITIONS {
        let expected: Vec<_> = (0..600).filter(|number| number % 3 == usize::from(partition)).collect();
        assert_eq!(of(&taken, partition), expected);
    }
    assert_eq!(taken.iter().map(|taken| &taken.id).collect::<HashSet<_>>().len(), 600);
}

#[tokio::test]
async fn nobody_listening_is_no_harm() {
    let site = Site::new().await;
    let batcher = batcher(&site, 65_536);
    drop(submit(&batcher, 0, 1));
    let ticket = submit(&batcher, 0, 2);
    assert_eq!(batcher.flush().await, Flushed::Sent);
    assert_eq!(ticket.durable.await, Ok(true));
    assert_eq!(of(&taken(&site).await, 0), [1, 2], "the phone hung up; the command counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_it_sends_all_and_stopping_it_leaves_nothing_behind() {
    let site = Site::new().await;
    let batcher = Arc::new(batcher(&site, 65_536));
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&batcher).run(stop.clone()));
    let senders = (0..8).map(|sender| {
        let batcher = Arc::clone(&batcher);
        tokio::spawn(async move {
            for number in 0..50 {
                let ticket = submit(&batcher, 0, sender * 50 + number);
                assert_eq!(ticket.durable.await, Ok(true));
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        in_time(sender).await.unwrap();
    }
    stop.cancel();
    in_time(running).await.unwrap();
    // Entries that arrive during the stop, or just before it, are flushed too.
    let late: Vec<_> = (400..500).map(|number| submit(&batcher, 1, number)).collect();
    in_time(Arc::clone(&batcher).run(stop)).await;
    for ticket in late {
        assert_eq!(ticket.durable.await, Ok(true));
    }
    let taken = taken(&site).await;
    let mut numbers = of(&taken, 0);
    for sender in 0..8 {
        let own = numbers.iter().filter(|number| **number / 50 == sender);
        assert!(own.is_sorted(), "each sender's commands are in order");
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..400).collect::<Vec<_>>());
    assert_eq!(of(&taken, 1), (400..500).collect::<Vec<_>>());
}
