//! Dead letters.

use queue::{DeadLetter, Options};

use crate::harness::{ALL, Backend, Harness, Need, bodies, up_to};

fn letter(id: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        partition: 4,
        body: format!("body of {id} é✓"),
        reason: reason.to_owned(),
        buried_at_ms: 17,
    }
}

pub(crate) async fn a_message_received_too_often_is_buried_and_its_neighbours_go_on(backend: Backend) {
    let harness = Harness::with(backend, Options { receive_max: 3, ..Options::default() }).await;
    harness.send(2, ["poison", "good"]).await;
    for count in 1..=3 {
        let batch = harness.receive(up_to(1)).await;
        assert_eq!(bodies(&batch.messages), ["poison"]);
        assert_eq!(batch.messages[0].receive_count, count);
        harness.pass_visibility();
    }
    let batch = harness.receive(ALL).await;
    assert_eq!(bodies(&batch.messages), ["good"]);
    assert_eq!(batch.messages[0].receive_count, 1);
    let dead = harness.queue.dead_letters(None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].partition, dead[0].body.as_str()), (2, "poison"));
    assert_eq!(dead[0].reason, "received 3 times");
    if harness.has(Need::Clock) {
        assert_eq!(dead[0].buried_at_ms, batch.messages[0].stored_at_ms + 90_000);
    }
    assert_eq!(harness.queue.dead_letter(&dead[0].id).await.unwrap().as_ref(), Some(&dead[0]));
    // An empty partition delivers nothing.
    harness.send(3, ["poison"]).await;
    for _ in 0..3 {
        let batch = harness.receive(up_to(1)).await;
        harness.queue.release(&batch.lease).await.unwrap();
    }
    harness.nothing().await;
    assert_eq!(harness.queue.backlog().await.unwrap().dead, 2);
}

pub(crate) async fn reading_on_buries_too(backend: Backend) {
    let harness = Harness::with(backend, Options { receive_max: 1, ..Options::default() }).await;
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(up_to(2)).await;
    harness.queue.ack(&batch.lease, batch.messages[0].sequence).await.unwrap();
    harness.queue.release(&batch.lease).await.unwrap();
    let batch = harness.receive(up_to(1)).await;
    assert_eq!(bodies(&batch.messages), ["c"]);
    let more = harness.queue.read_ahead(&batch.lease, ALL).await.unwrap();
    assert_eq!(more, []);
    assert_eq!(harness.queue.dead_letters(None, 10).await.unwrap()[0].body, "b");
}

pub(crate) async fn burying_twice_keeps_the_first(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    queue.bury(&[letter("a", "first"), letter("b", "first")]).await.unwrap();
    queue.bury(&[letter("a", "second"), letter("c", "second")]).await.unwrap();
    queue.bury(&[]).await.unwrap();
    let dead = queue.dead_letters(None, 10).await.unwrap();
    assert_eq!(dead, [letter("a", "first"), letter("b", "first"), letter("c", "second")]);
    assert_eq!(queue.dead_letter("b").await.unwrap(), Some(letter("b", "first")));
    assert_eq!(queue.dead_letter("d").await.unwrap(), None);
}

pub(crate) async fn the_list_can_be_paged_while_it_is_emptied(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    let letters: Vec<_> = (0..5).map(|number| letter(&format!("id {number}"), "why")).collect();
    queue.bury(&letters).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let after_id = seen.last().map(|letter: &DeadLetter| letter.id.clone());
        let page = queue.dead_letters(after_id.as_deref(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        let ids: Vec<_> = page.iter().map(|letter| letter.id.clone()).collect();
        assert_eq!(queue.forget_dead(&ids).await.unwrap(), ids.len() as u64);
        seen.extend(page);
    }
    assert_eq!(seen, letters);
    assert_eq!(queue.forget_dead(&["id 0".to_owned()]).await.unwrap(), 0);
    assert_eq!(queue.backlog().await.unwrap().dead, 0);
}

pub(crate) async fn every_character_of_a_letter_is_kept(backend: Backend) {
    let harness = Harness::new(backend).await;
    let letter =
        DeadLetter { body: "🦀 \t\n".into(), ..letter("arn:aws:sqs:a:b:c@1/2/3 é🦀", "why 🦀") };
    harness.queue.bury(std::slice::from_ref(&letter)).await.unwrap();
    assert_eq!(harness.queue.dead_letters(None, 10).await.unwrap(), [letter]);
}
