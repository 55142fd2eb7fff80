//! Schema and identity of a game.

use store::{Error, Identity, Migrated, Position};

use crate::harness::{Backend, Fresh, INBOX, NOW_MS, Writer, add, run};

pub(crate) async fn the_first_start_decides(fresh: &Fresh) {
    let writer = fresh.game(3).await;
    let settled = writer.settle_identity(INBOX, 3, NOW_MS + 1).await.unwrap();
    assert_eq!(settled.generation, 1);
    let other = writer.settle_identity("inbox-2", 3, NOW_MS).await.unwrap_err();
    assert!(
        matches!(&other, Error::OtherInbox { known, found } if known == INBOX && found == "inbox-2"),
        "{other:?}"
    );
    let other = writer.settle_identity(INBOX, 4, NOW_MS).await.unwrap_err();
    assert!(matches!(other, Error::OtherPartitions { known: 3, found: 4 }), "{other:?}");
    assert!(!other.is_transient());
    let start = Position { generation: 1, sequence: 0 };
    assert_eq!(writer.positions().await.unwrap(), [(0, start), (1, start), (2, start)]);
    assert_eq!(writer.highest_position().await.unwrap(), 0);
}

pub(crate) async fn one_of_many_starts_decides(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let several = (1..=8).map(|partitions| {
        let store = fresh.store.clone();
        tokio::spawn(async move {
            let ledger = store.ledger().await.unwrap();
            ledger.settle_identity(INBOX, partitions, NOW_MS).await
        })
    });
    let (mut settled, mut refused) = (Vec::new(), Vec::new());
    for one in Vec::from_iter(several) {
        match one.await.unwrap() {
            Ok(identity) => settled.push(identity.partitions),
            Err(Error::OtherPartitions { known, .. }) => refused.push(known),
            Err(error) => panic!("{error:?}"),
        }
    }
    let [partitions] = settled[..] else { panic!("{settled:?}") };
    assert_eq!(refused, [partitions; 7]);
    assert_eq!(fresh.store.reader().await.unwrap().positions().await.unwrap().len(), usize::from(partitions));
}

pub(crate) async fn another_inbox_is_adopted(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let writer = Writer::open(&fresh.store).await.unwrap();
    let unsettled = writer.adopt_inbox("inbox-2", NOW_MS).await.unwrap_err();
    assert!(matches!(unsettled, Error::UnknownPartition { .. }), "{unsettled:?}");
    let reader = fresh.store.reader().await.unwrap();
    assert_eq!(reader.identity().await.unwrap(), None);

    let writer = fresh.game(2).await;
    run(&writer, 1, &[(NOW_MS, add("ada"))]).await;
    run(&writer, 1, &[(NOW_MS, add("bea"))]).await;
    assert_eq!(writer.highest_position().await.unwrap(), 2);

    let adopted = Identity { generation: 2, inbox_id: "inbox-2".into(), partitions: 2 };
    assert_eq!(writer.adopt_inbox("inbox-2", NOW_MS).await.unwrap(), adopted);
    assert_eq!(writer.adopt_inbox("inbox-2", NOW_MS).await.unwrap(), adopted);
    assert_eq!(reader.identity().await.unwrap(), Some(adopted.clone()));
    assert_eq!(writer.highest_position().await.unwrap(), 0);
    assert_eq!(writer.settle_identity("inbox-2", 2, NOW_MS).await.unwrap(), adopted);
    assert!(matches!(writer.settle_identity(INBOX, 2, NOW_MS).await, Err(Error::OtherInbox { .. })));

    run(&writer, 1, &[(NOW_MS, add("cleo"))]).await;
    let second = Position { generation: 2, sequence: 1 };
    let start = Position { generation: 2, sequence: 0 };
    assert_eq!(reader.positions().await.unwrap(), [(0, start), (1, second)]);
    let journal = reader.audit().await.unwrap().journal(1, Position::default(), 10).await.unwrap();
    let order: Vec<(u32, u128)> =
        journal.iter().map(|entry| (entry.position.generation, entry.position.sequence)).collect();
    assert_eq!(order, [(1, 1), (1, 2), (2, 1)]);
    assert_eq!(fresh.state().await.players.len(), 3);
}

pub(crate) async fn migrating_twice_changes_nothing(fresh: &Fresh) {
    let first = fresh.store.migrate().await.unwrap();
    assert_eq!(first, Migrated { from: 0, to: first.to });
    assert!(first.to >= 1);
    let writer = fresh.game(2).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    let before = fresh.everything().await;
    assert_eq!(fresh.store.migrate().await.unwrap(), Migrated { from: first.to, to: first.to });
    assert_eq!(fresh.everything().await, before);
}

pub(crate) async fn many_may_migrate_at_once(fresh: &Fresh) {
    let several = (0..8).map(|_| {
        let store = fresh.store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    let mut from_nothing = 0;
    for one in Vec::from_iter(several) {
        let migrated = one.await.unwrap().unwrap();
        from_nothing += usize::from(migrated.from == 0);
    }
    assert_eq!(from_nothing, 1, "exactly one of them did the work");
    fresh.game(1).await;
}

pub(crate) async fn a_newer_schema_that_only_adds_is_served(fresh: &Fresh) {
    let known = fresh.store.migrate().await.unwrap().to;
    // As a newer version's `migrate` leaves it.
    fresh
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'more, and nothing breaking: only added', TRUE, '00', 0)",
        )
        .await;
    assert_eq!(
        fresh.store.migrate().await.unwrap(),
        Migrated { from: 999, to: 999 },
        "there is nothing to do"
    );
    assert!(known < 999);
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    fresh.store.reader().await.unwrap().check().await.unwrap();
    fresh.store.outbox().await.unwrap();
    fresh.store.schedule().await.unwrap();
}

pub(crate) async fn a_newer_schema_that_breaks_is_refused(fresh: &Fresh) {
    let known = fresh.store.migrate().await.unwrap().to;
    fresh
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (998, 'breaking: scores are gone', TRUE, '00', 0), (999, 'only adds', TRUE, '00', 0)",
        )
        .await;
    let refusals = [
        fresh.store.migrate().await.err(),
        Writer::open(&fresh.store).await.err(),
        fresh.store.reader().await.err(),
        fresh.store.outbox().await.err(),
        fresh.store.schedule().await.err(),
    ];
    for refusal in refusals {
        let refusal = refusal.unwrap();
        assert!(
            matches!(refusal, Error::NewerSchema { found: 999, known: latest } if latest == known),
            "{refusal:?}"
        );
    }
}

pub(crate) async fn an_older_schema_is_refused(fresh: &Fresh) {
    let absent = fresh.store.reader().await.unwrap_err();
    match fresh.backend {
        Backend::Sqlite => assert!(matches!(absent, Error::Unavailable { .. }), "no file: {absent:?}"),
        Backend::Postgres => {
            assert!(matches!(absent, Error::OlderSchema { found: 0, .. }), "empty: {absent:?}")
        }
    }
    fresh.store.migrate().await.unwrap();
    fresh.execute("DROP TABLE _sqlx_migrations").await;
    let older = Writer::open(&fresh.store).await.unwrap_err();
    assert!(matches!(older, Error::OlderSchema { found: 0, .. }), "{older:?}");
}
