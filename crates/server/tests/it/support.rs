//! A fresh store for the inbox of `testbed`, and shorthands.

use game::{Action, Add, Token, Username, World};
use ledger::{Ledger, Position, Span};
use store::{Memory, OutboxRow, Store};
pub(crate) use testbed::{NOW, NOW_MS, Site, VISIBILITY_MS, in_time, unlock};

/// The store of a site, with a game of this many partitions on its inbox.
pub(crate) async fn game(site: &Site, partitions: u16) -> (Store, Ledger) {
    let store = Store::sqlite(&site.path("game.sqlite"), store::Options::default());
    store.migrate().await.unwrap();
    let ledger = store.ledger().await.unwrap();
    ledger.settle_identity(site.queue.inbox_id(), partitions, NOW_MS).await.unwrap();
    (store, ledger)
}

/// Writes a batch that does not come from the inbox.
pub(crate) async fn play(
    ledger: &Ledger,
    partition: u16,
    change: impl FnOnce(&mut World),
    outbox: &[OutboxRow],
) {
    let mut connection = ledger.acquire().await.unwrap();
    let mut read = connection.read(partition).await.unwrap();
    let from = read.position();
    let mut batch = Memory::default().load(&mut read, &[], &[]).await.unwrap();
    read.end().await.unwrap();
    change(&mut batch.world);
    let span = Span { partition, from, to: Position { sequence: from.sequence + 1, ..from } };
    let mut write = connection.write(span, batch.world.applied_through_ms).await.unwrap().unwrap();
    store::save(&mut write, &mut batch, outbox).await.unwrap();
    write.commit(&[]).await.unwrap();
}

pub(crate) fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

pub(crate) fn add(name: &str, token: Option<&str>) -> Action {
    let token = token.map(|token| Token::new(token).unwrap());
    Action::Add(Add { username: user(name), name: None, platform: None, token })
}
