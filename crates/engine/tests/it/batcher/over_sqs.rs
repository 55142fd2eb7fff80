//! The batcher over SQS, where an answer can get lost.

use std::sync::Arc;

use engine::batcher::{Batcher, Flushed};
use engine::bounds::{PENDING_COMMANDS_MAX, RESEND_MS_MAX};
use engine::clock::{Clock, Stopwatch};
use tokio::sync::oneshot::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use super::{batcher, of, options, submit, taken};
use crate::support::way::{Blocked, Way};
use crate::support::{NOW_MS, Site, VISIBILITY_MS, in_time};

async fn site() -> (Way, Site) {
    let way = Way::to(servers::sqs::server().address()).await;
    let site = Site::sqs(Some(&way.address), VISIBILITY_MS).await;
    (way, site)
}

#[tokio::test]
async fn nothing_of_a_partition_passes_what_may_not_have_arrived() {
    in_time(async {
        let (way, site) = site().await;
        // Each command in a message of its own.
        let batcher = batcher(&site, 1);
        let mut tickets: Vec<_> = [0, 1, 2].map(|number| submit(&batcher, 0, number)).into();
        tickets.push(submit(&batcher, 1, 100));
        for later in [3, 4] {
            way.lose(true);
            assert_eq!(batcher.flush().await, Flushed::Retry);
            way.lose(false);
            // The first message of each partition arrived once, but the answer was lost.
            assert_eq!(site.left().await, 2);
            tickets.push(submit(&batcher, 0, later));
            for ticket in &mut tickets {
                assert_eq!(ticket.durable.try_recv(), Err(TryRecvError::Empty), "its fate is open");
            }
        }
        assert_eq!(batcher.flush().await, Flushed::Sent);
        assert_eq!(site.left().await, 4, "nothing new is sent together with what is sent again");
        assert_eq!(batcher.flush().await, Flushed::Sent);
        let ids: Vec<_> = tickets.iter().map(|ticket| ticket.id.clone()).collect();
        for ticket in tickets {
            assert_eq!(ticket.durable.await, Ok(true));
        }
        let taken = taken(&site).await;
        assert_eq!((of(&taken, 0), of(&taken, 1)), (vec![0, 1, 2, 3, 4], vec![100]));
        assert!(taken.iter().all(|taken| ids.contains(&taken.id)), "under the ids that were given");
    })
    .await;
}

#[tokio::test]
async fn what_fails_for_good_is_told_to_those_who_sent_it() {
    in_time(async {
        let (_way, site) = site().await;
        let batcher = batcher(&site, 1);
        let first = submit(&batcher, 0, 0);
        // SQS accepts such a character; this server does not.
        let refused = batcher.submit(0, NOW_MS, "\"🦀\"".as_bytes()).unwrap();
        let behind = submit(&batcher, 0, 2);
        let beside = submit(&batcher, 1, 100);
        assert_eq!(batcher.flush().await, Flushed::Sent, "there is no point in trying again");
        let durable = [first, refused, behind, beside].map(|ticket| ticket.durable);
        let told: Vec<_> = futures_util::future::join_all(durable).await;
        assert_eq!(told, [Ok(true), Ok(false), Ok(false), Ok(true)], "what stands behind it goes with it");
        let later = submit(&batcher, 0, 3);
        assert_eq!(batcher.flush().await, Flushed::Sent);
        assert_eq!(later.durable.await, Ok(true));
        let taken = taken(&site).await;
        assert_eq!((of(&taken, 0), of(&taken, 1)), (vec![0, 3], vec![100]));
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_leaves_no_room_for_more() {
    in_time(async {
        let (way, site) = site().await;
        let batcher = batcher(&site, 65_536);
        let numbers = 0..PENDING_COMMANDS_MAX;
        let tickets: Vec<_> =
            numbers.map(|number| submit(&batcher, u16::from(number % 2 == 0), number)).collect();
        way.lose(true);
        assert_eq!(batcher.flush().await, Flushed::Retry);
        assert!(batcher.submit(2, NOW_MS, b"1").is_err(), "all are kept still");
        way.lose(false);
        assert_eq!(batcher.flush().await, Flushed::Sent);
        assert!(batcher.submit(2, NOW_MS, b"1").is_ok());
        for ticket in tickets {
            assert_eq!(ticket.durable.await, Ok(true));
        }
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_fails_is_sent_again_for_itself_and_holds_up_nobody() {
    in_time(async {
        let (way, site) = site().await;
        let batcher = batcher(&site, 65_536);
        way.block(Some(Blocked::Break(r#""MessageGroupId":"1""#)));
        let mut first = [0, 1, 2].map(|partition| submit(&batcher, partition, partition.into()));
        assert_eq!(batcher.flush().await, Flushed::Retry, "one request, which breaks");
        let mut second = [0, 1, 2].map(|partition| submit(&batcher, partition, 10 + usize::from(partition)));
        for tickets in [&mut first, &mut second] {
            assert_eq!(batcher.flush().await, Flushed::Retry);
            for partition in [0, 2] {
                assert_eq!(tickets[partition].durable.try_recv(), Ok(true), "{partition}");
            }
            assert_eq!(tickets[1].durable.try_recv(), Err(TryRecvError::Empty), "its fate is open");
        }
        way.block(None);
        for tickets in [first, second] {
            assert_eq!(batcher.flush().await, Flushed::Sent);
            let [_, ticket, _] = tickets;
            assert_eq!(ticket.durable.await, Ok(true));
        }
        let taken = taken(&site).await;
        assert_eq!([0, 1, 2].map(|partition| of(&taken, partition)), [[0, 10], [1, 11], [2, 12]]);
    })
    .await;
}

/// A batcher over a proxy on which every request with an entry of partition 0 hangs.
async fn hanging(resend_ms_max: i64) -> (Way, Site, Arc<Batcher>) {
    let way = Way::to(servers::sqs::server().address()).await;
    let site = Site::sqs_by(Clock::System, Some(&way.address), VISIBILITY_MS).await;
    let batcher = Arc::new(Batcher::new(site.queue.clone(), Clock::System, options(65_536, resend_ms_max)));
    way.block(Some(Blocked::Hang(r#""MessageGroupId":"0""#)));
    (way, site, batcher)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_hangs_delays_those_in_its_first_send_by_a_second_and_no_others() {
    in_time(async {
        let (way, site, batcher) = hanging(RESEND_MS_MAX).await;
        // These entries are in its first send.
        let mut first = [0, 1, 2].map(|partition| submit(&batcher, partition, 0));
        let stop = CancellationToken::new();
        let (watch, running) = (Stopwatch::start(), tokio::spawn(Arc::clone(&batcher).run(stop.clone())));
        for partition in [1, 2] {
            assert_eq!((&mut first[partition].durable).await, Ok(true));
        }
        // A request to SQS times out after 5 s.
        assert!((1.0..4.0).contains(&watch.seconds()), "{} s", watch.seconds());
        let watch = Stopwatch::start();
        for number in 1..=20 {
            for ticket in [1, 2].map(|partition| submit(&batcher, partition, number)) {
                assert_eq!(ticket.durable.await, Ok(true));
            }
        }
        assert!(watch.seconds() < 4.0, "nothing delays them: {} s", watch.seconds());
        let [mut stuck, ..] = first;
        assert_eq!(stuck.durable.try_recv(), Err(TryRecvError::Empty), "its fate is open");
        let behind = submit(&batcher, 0, 1);
        way.block(None);
        assert_eq!((stuck.durable.await, behind.durable.await), (Ok(true), Ok(true)));
        stop.cancel();
        running.await.unwrap();
        let taken = taken(&site).await;
        assert_eq!(of(&taken, 0), [0, 1]);
        for partition in [1, 2] {
            assert_eq!(of(&taken, partition), (0..=20).collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_a_partition_hangs_ends_in_time_and_loses_nothing_that_was_acked() {
    in_time(async {
        let resend_ms_max = 3_000;
        let (way, site, batcher) = hanging(resend_ms_max).await;
        let tickets = [0, 1, 2].map(|partition| submit(&batcher, partition, 0));
        let stop = CancellationToken::new();
        let (watch, running) = (Stopwatch::start(), tokio::spawn(Arc::clone(&batcher).run(stop.clone())));
        stop.cancel();
        running.await.unwrap();
        assert!((2.0..4.5).contains(&watch.seconds()), "{} s", watch.seconds());
        let durable = tickets.map(|ticket| ticket.durable);
        assert_eq!(futures_util::future::join_all(durable).await, [Ok(false), Ok(true), Ok(true)]);
        way.block(None);
        let taken = taken(&site).await;
        assert_eq!([1, 2].map(|partition| of(&taken, partition)), [[0], [0]]);
    })
    .await;
}
