//! Redriving dead letters of this game.

use engine::dlq::redrive;
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder};
use game::{Action, Round};
use queue::DeadLetter;
use server::button::Button;

use crate::support::{NOW_MS, Site, user};

fn entry(action: &Action) -> String {
    let mut payload = Vec::new();
    wire::encode_action(action, &mut payload).unwrap();
    format!(r#"{{"at":{NOW_MS},"c":{}}}"#, String::from_utf8(payload).unwrap())
}

#[tokio::test]
async fn announcements_that_are_sent_again_are_as_quiet_as_they_were() {
    let site = Site::new().await;
    let announcement = entry(&Action::Announce(Round::new(1, NOW_MS + 60_000, 100_000, 10_000).unwrap()));
    let press = entry(&Action::Press { username: user("ada") });
    let whole = |entries: &[&str], partitions| {
        let mut builder =
            EnvelopeBuilder::new(site.queue.inbox_id(), partitions, "~round-1-0", ENVELOPE_BYTES_MAX);
        for entry in entries {
            builder.push_text(entry).unwrap();
        }
        builder.finish()
    };
    let letter = |place: &str, body: String| DeadLetter {
        id: format!("{}/0/{place}", site.queue.inbox_id()),
        partition: 0,
        body,
        reason: "for a test".to_owned(),
        buried_at_ms: NOW_MS,
    };
    let letters = [
        letter("1/0", announcement.clone()),
        letter("2/all", whole(&[&announcement], 1)),
        letter("3/all", whole(&[&announcement], 2)), // from before a repartition
        letter("4/0", press.clone()),
        letter("5/all", whole(&[&announcement, &press], 1)),
        letter("6/all", "unreadable".to_owned()),
    ];
    site.queue.bury(&letters).await.unwrap();
    assert_eq!(redrive(&site.queue, &Button::offline(), 1, &[]).await.unwrap(), letters.len());
    assert_eq!(site.left().await, 3, "what a player did, and what nobody can read");
    assert_eq!(site.drain().await.len(), letters.len());
}
