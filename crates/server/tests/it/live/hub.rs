//! The hub: a client gets the latest event of each topic, then all new ones; a slow client skips to the latest.

use engine::bounds::LIVE_BEHIND_MAX;
use engine::clock::Clock;
use engine::live::Event;
use futures_util::FutureExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::NOW_MS;

/// Maximum number of clients of a hub.
const ROOM: usize = 20;

fn hub() -> (Arc<Hub>, CancellationToken) {
    let stop = CancellationToken::new();
    (Hub::new(Clock::manual(NOW_MS), ROOM, stop.clone()), stop)
}

fn event(topic: &'static str, data: usize) -> Event {
    Event { topic, data: data.to_string().into(), stamped: false }
}

#[tokio::test]
async fn whoever_comes_gets_the_latest_of_each_topic_and_then_what_happens() {
    let (hub, _stop) = hub();
    for data in 1..=3 {
        hub.publish(event("a", data));
    }
    hub.publish(event("b", 7));
    let mut page = Page::open(&hub).await;
    hub.publish(event("a", 4));
    hub.publish(event("a", 4)); // same content
    hub.publish(event("b", 8));
    let mut other = Page::open(&hub).await;
    for (topic, data) in [("a", 3), ("b", 7), ("a", 4), ("b", 8)] {
        assert_eq!(page.next().await.unwrap(), (topic.to_owned(), json!(data)));
    }
    for (topic, data) in [("a", 4), ("b", 8)] {
        assert_eq!(other.next().await.unwrap(), (topic.to_owned(), json!(data)));
    }
}

#[tokio::test]
async fn the_time_is_put_in_when_it_leaves() {
    let stop = CancellationToken::new();
    let clock = Clock::manual(NOW_MS);
    let hub = Hub::new(clock.clone(), ROOM, stop);
    hub.publish(Event { topic: "round", data: "{\"round\":1}".into(), stamped: true });
    clock.advance(1_234);
    let mut page = Page::open(&hub).await;
    assert_eq!(page.next().await.unwrap().1, json!({"now": NOW_MS + 1_234, "round": 1}));
}

#[tokio::test]
async fn whoever_is_too_slow_is_brought_up_to_date_and_never_taken_back() {
    let (hub, _stop) = hub();
    hub.publish(event("a", 0));
    let mut page = Page::open(&hub).await;
    assert_eq!(page.next().await.unwrap().1, json!(0));
    let last = 5 * LIVE_BEHIND_MAX;
    hub.publish(event("b", 1));
    for data in 1..=last {
        hub.publish(event("a", data));
    }
    let mut topics = [Vec::new(), Vec::new()];
    while topics.iter().any(Vec::is_empty) {
        let (topic, data) = page.next().await.unwrap();
        topics[usize::from(topic == "b")].push(data);
    }
    assert_eq!(topics, [vec![json!(last)], vec![json!(1)]], "the latest of each");
    assert_eq!(page.next().now_or_never(), None, "and nothing of before");
    hub.publish(event("a", last + 1));
    assert_eq!(page.next().await.unwrap(), ("a".to_owned(), json!(last + 1)), "and then what happens");
}

#[tokio::test]
async fn a_stop_ends_every_page() {
    let (hub, stop) = hub();
    hub.publish(event("a", 1));
    let mut page = Page::open(&hub).await;
    assert!(page.next().await.is_some());
    stop.cancel();
    assert_eq!(page.next().await, None);
}

#[tokio::test]
async fn there_is_room_for_so_many_pages() {
    let (hub, _stop) = hub();
    let mut pages = Vec::new();
    for _ in 0..ROOM {
        pages.push(get(&hub).await);
    }
    assert!(pages.iter().all(|page| page.status() == StatusCode::OK));
    let refused = get(&hub).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    pages.pop();
    assert_eq!(get(&hub).await.status(), StatusCode::OK, "one left, so there is room again");
}

/// A proxy may hold back the head of a response until part of its body arrives.
#[tokio::test]
async fn something_leaves_at_once_also_where_there_is_no_event_yet() {
    let (hub, _stop) = hub();
    let mut page = Page::open(&hub).await;
    let first = page.stream.next().now_or_never().expect("it is there already").unwrap().unwrap();
    assert!(first.starts_with(b":") && first.ends_with(b"\n\n"), "a comment: {first:?}");
    hub.publish(event("a", 1));
    assert_eq!(page.next().await.unwrap(), ("a".to_owned(), json!(1)));
}
