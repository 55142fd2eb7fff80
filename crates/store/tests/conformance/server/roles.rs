//! The rights of each role, tried on every table.

use std::collections::BTreeSet;

use game::Action;
use ledger::{Committed, JournalRow};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use store::{Error, Identity, Options, Position, RolePasswords, Scheduled, Stage, Store};

use crate::harness::{
    Backend, Commit, Fresh, INBOX, NOW_MS, Prefetched, Writer, add_device, buy, prefetch, press, pushed,
    round,
};

/// These characters need quoting in any SQL text.
const ODD: &str = "it's a $$ \"pass\\word\" %L @:/ ü";

fn passwords() -> RolePasswords {
    RolePasswords {
        writer: Some(ODD.into()),
        reader: Some("reader".into()),
        push: Some("push".into()),
        scheduler: Some("scheduler".into()),
    }
}

/// A game with its roles.
async fn game_with_roles() -> Fresh {
    let fresh = Fresh::new(Backend::Postgres).await;
    fresh.game(2).await;
    fresh.store.grant_roles(&passwords()).await.unwrap();
    fresh
}

fn url_as(fresh: &Fresh, role: &str) -> String {
    let passwords = passwords();
    let password = match role {
        "buttonparty_writer" => passwords.writer,
        "buttonparty_reader" => passwords.reader,
        "buttonparty_push" => passwords.push,
        _ => passwords.scheduler,
    };
    fresh.database().url_as(role, &password.unwrap())
}

fn store_as(fresh: &Fresh, role: &str) -> Store {
    Store::postgres(&url_as(fresh, role), Options::default()).unwrap()
}

async fn connect_as(fresh: &Fresh, role: &str) -> PgConnection {
    let options: PgConnectOptions = url_as(fresh, role).parse().unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

/// The SQLSTATE with which a statement is rejected; `None` if it succeeds.
async fn refusal(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
    done.err().map(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
}

const DENIED: &str = "42501";
const READ_ONLY: &str = "25006";

/// Each table with its first writable column.
async fn tables(fresh: &Fresh) -> Vec<(String, String)> {
    let select = "SELECT DISTINCT ON (table_name) table_name::text, column_name::text
        FROM information_schema.columns WHERE table_schema = 'public' AND is_generated = 'NEVER' AND is_identity = 'NO'
        ORDER BY table_name, ordinal_position";
    let rows = sqlx::query(select).fetch_all(&mut fresh.database().connect().await).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The rights of a role, out of all that were tried on every table.
async fn allowed(fresh: &Fresh, role: &str, refusals: &[&str]) -> BTreeSet<String> {
    let tables = tables(fresh).await;
    assert_eq!(tables.len(), 12, "{tables:?}");
    let mut connection = connect_as(fresh, role).await;
    let mut allowed = BTreeSet::new();
    for (table, column) in tables {
        let tries = [
            ("select", format!("SELECT FROM {table} LIMIT 0")),
            ("insert", format!("INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE false")),
            ("update", format!("UPDATE {table} SET {column} = {column} WHERE false")),
            ("delete", format!("DELETE FROM {table} WHERE false")),
            ("truncate", format!("TRUNCATE {table}")),
            ("references", format!("CREATE TABLE mine (a INTEGER REFERENCES {table})")),
            (
                "trigger",
                format!(
                    "CREATE TRIGGER t AFTER INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()"
                ),
            ),
            ("alter", format!("ALTER TABLE {table} ADD COLUMN mine INTEGER")),
            ("index", format!("CREATE INDEX ON {table} ({column})")),
            ("drop", format!("DROP TABLE {table}")),
        ];
        for (what, statement) in tries {
            match refusal(&mut connection, &statement).await {
                None => _ = allowed.insert(format!("{what} {table}")),
                Some(code) => {
                    assert!(refusals.contains(&&*code), "{role}: {statement}: {code}");
                    refusal(&mut connection, "ROLLBACK").await;
                }
            }
        }
    }
    let beyond = [
        "CREATE TABLE mine (a INTEGER)",
        "CREATE TEMPORARY TABLE mine (a INTEGER)",
        "CREATE SCHEMA mine",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SET ROLE buttonparty_writer",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lowrite(0, 'x')",
    ];
    // A writer of the previous version takes this lock at its start.
    let writers = ["SET ROLE buttonparty_writer", "SELECT pg_advisory_xact_lock(1)"];
    for statement in beyond.iter().filter(|one| role != "buttonparty_writer" || !writers.contains(*one)) {
        let code = refusal(&mut connection, statement).await.unwrap_or_default();
        assert!(refusals.contains(&&*code), "{role}: {statement}: {code:?}");
    }
    allowed
}

fn rights(rights: &[(&str, &[&str])]) -> BTreeSet<String> {
    let each =
        rights.iter().flat_map(|(what, tables)| tables.iter().map(move |table| format!("{what} {table}")));
    each.collect()
}

const GAME: [&str; 10] = [
    "meta",
    "inboxes",
    "partitions",
    "players",
    "purchases",
    "devices",
    "rounds",
    "board",
    "journal",
    "outbox",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_may_do_its_work_and_nothing_else() {
    let fresh = game_with_roles().await;
    const VERSION: &str = "_sqlx_migrations";
    let writer = [
        ("select", &GAME[..]),
        ("select", &[VERSION]),
        ("insert", &GAME),
        ("update", &["partitions", "players", "devices", "board"]),
    ];
    assert_eq!(allowed(&fresh, "buttonparty_writer", &[DENIED]).await, rights(&writer));
    let reader = allowed(&fresh, "buttonparty_reader", &[DENIED, READ_ONLY]).await;
    assert_eq!(reader, rights(&[("select", &GAME), ("select", &[VERSION, "schedule"])]));
    let push = rights(&[("select", &[VERSION, "devices", "outbox"]), ("update", &["outbox"])]);
    assert_eq!(allowed(&fresh, "buttonparty_push", &[DENIED]).await, push);
    let scheduler = [
        ("select", &[VERSION, "meta", "inboxes", "schedule"][..]),
        ("insert", &["schedule"]),
        ("update", &["schedule"]),
    ];
    assert_eq!(allowed(&fresh, "buttonparty_scheduler", &[DENIED]).await, rights(&scheduler));

    // A reader cannot write even after it switches off its read-only default.
    let mut reader = connect_as(&fresh, "buttonparty_reader").await;
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut reader).await.unwrap();
    for (table, column) in tables(&fresh).await {
        for statement in [
            format!("INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE false"),
            format!("UPDATE {table} SET {column} = {column} WHERE false"),
            format!("DELETE FROM {table} WHERE false"),
            format!("TRUNCATE {table}"),
            format!("DROP TABLE {table}"),
            "CREATE TABLE mine (a INTEGER)".to_owned(),
            "CREATE TEMPORARY TABLE mine (a INTEGER)".to_owned(),
        ] {
            assert_eq!(refusal(&mut reader, &statement).await.as_deref(), Some(DENIED), "{statement}");
        }
    }
}

/// Every role does all of its work, with the program's own calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_does_its_work() {
    let fresh = game_with_roles().await;
    let writer = Writer::open(&store_as(&fresh, "buttonparty_writer")).await.unwrap();
    let identity = Identity { generation: 1, inbox_id: INBOX.into(), partitions: 2 };
    assert_eq!(writer.settle_identity(INBOX, 2, NOW_MS).await.unwrap(), identity);
    let opens_at_ms = round(1).opens_at_ms;
    let commands = [
        (NOW_MS, Action::Announce(round(1))),
        (NOW_MS, add_device("ada", "device")),
        (opens_at_ms, press("ada")),
        (opens_at_ms, buy("ada", "id", game::PowerupKind::Freeze, game::Level::One)),
        (opens_at_ms, Action::Tick { through_ms: opens_at_ms }),
    ];
    for n in 1..=2 {
        // The second time everything exists already.
        let Prefetched { from, mut world } = prefetch(&writer, 0, &commands).await;
        for (at_ms, action) in &commands {
            world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
        }
        let to = Position { sequence: n, ..from };
        let journal = [JournalRow { sequence: n, stored_at_ms: NOW_MS, body: "body", buried: &[] }];
        let outbox = [pushed("topic")];
        let commit = Commit { partition: 0, from, to, world: &world, journal: &journal, outbox: &outbox };
        assert_eq!(writer.rehearse(commit).await.unwrap(), Committed::Done);
        assert_eq!(writer.commit(commit).await.unwrap(), Committed::Done);
    }
    assert_eq!(writer.highest_position().await.unwrap(), 2);

    let outbox = store_as(&fresh, "buttonparty_push").outbox().await.unwrap();
    let job = outbox.take("pusher", NOW_MS, 1000).await.unwrap().unwrap();
    let devices = outbox.devices(0, None, 10).await.unwrap();
    assert!(outbox.advance(&job, &devices[0].token, NOW_MS, 1000).await.unwrap());
    assert_eq!(outbox.pending().await.unwrap(), 1);
    assert!(outbox.done(&job, NOW_MS).await.unwrap());

    let scheduler = store_as(&fresh, "buttonparty_scheduler");
    assert_eq!(scheduler.reader().await.unwrap().identity().await.unwrap(), Some(identity.clone()));
    let schedule = scheduler.schedule().await.unwrap();
    let drawn = Scheduled { round: round(1), by_operator: false, stage: Stage::Drawn, ticks_sent: 0 };
    assert!(schedule.insert_if_absent(&drawn).await.unwrap());
    assert!(schedule.replace_drawn(&round(1), &Scheduled { by_operator: true, ..drawn }).await.unwrap());
    let fixed = Scheduled { stage: Stage::Announcing, ..drawn };
    assert!(schedule.replace_drawn(&round(1), &fixed).await.unwrap());
    assert!(schedule.announced(1).await.unwrap());
    schedule.ticked(1, 5).await.unwrap();
    assert_eq!(schedule.unfinished().await.unwrap(), []);
    assert_eq!(schedule.get(1).await.unwrap(), schedule.latest().await.unwrap());

    let reader = store_as(&fresh, "buttonparty_reader").reader().await.unwrap();
    assert_eq!(reader.identity().await.unwrap(), Some(identity));
    let ada = commands[1].1.username().unwrap();
    let view = reader.player(ada, 0, opens_at_ms).await.unwrap().unwrap();
    assert_eq!((view.player.score, view.lit, view.positions.len()), (1, Some(round(1)), 2));
    assert_eq!(reader.top(10).await.unwrap().len(), 1);
    assert_eq!(reader.live_rounds(opens_at_ms).await.unwrap(), [round(1)]);
    assert_eq!(reader.standings(0).await.unwrap().1.len(), 1);
    assert_eq!(reader.positions().await.unwrap().len(), 2);
    assert_eq!(reader.counts().await.unwrap().players, 1);
    reader.check().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    assert_eq!((audit.state().await.unwrap().players.len(), audit.positions().await.unwrap().len()), (1, 2));
    assert_eq!(audit.journal(0, Position::default(), 10).await.unwrap().len(), 2);
    drop(audit);

    // Each role is denied the others' work, with a reason, at the latest at the first use.
    let denied = [
        store_as(&fresh, "buttonparty_push").migrate().await.err(),
        store_as(&fresh, "buttonparty_writer").grant_roles(&passwords()).await.err(),
        Writer::open(&store_as(&fresh, "buttonparty_push")).await.unwrap().positions().await.err(),
        store_as(&fresh, "buttonparty_scheduler").outbox().await.unwrap().pending().await.err(),
        store_as(&fresh, "buttonparty_writer").schedule().await.unwrap().latest().await.err(),
    ];
    for (n, error) in denied.into_iter().enumerate() {
        let error = error.unwrap();
        let text = format!("{error:?}");
        assert!(text.contains(DENIED) && matches!(error, Error::Denied { .. }), "{n}: {text}");
    }
}

/// A managed service has no superuser: a privilege that the owner cannot revoke is no reason to fail. After a superuser
/// has revoked it, the owner of the tables still migrates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_is_no_superuser_grants_and_goes_on() {
    let server = servers::postgres::Server::start().await;
    let database = server.database().await;
    let name = database.name();
    let owner = format!(
        "CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner'; ALTER DATABASE {name} OWNER TO owner;
        ALTER SCHEMA public OWNER TO owner"
    );
    database.execute(&owner).await;
    let store = Store::postgres(&database.url_as("owner", "owner"), Options::default()).unwrap();
    store.migrate().await.unwrap();
    store.grant_roles(&passwords()).await.unwrap();
    let writer: PgConnectOptions =
        database.url_as("buttonparty_writer", &passwords().writer.unwrap()).parse().unwrap();
    let mut writer = writer.disable_statement_logging().connect().await.unwrap();
    assert_eq!(refusal(&mut writer, "SELECT pg_advisory_lock(1), lo_create(0)").await, None);

    let superuser = Store::postgres(&database.url(), Options::default()).unwrap();
    superuser.grant_roles(&passwords()).await.unwrap();
    for statement in ["SELECT pg_advisory_lock(1)", "SELECT lo_create(0)"] {
        assert_eq!(refusal(&mut writer, statement).await.as_deref(), Some(DENIED), "{statement}");
    }
    let of_the_version_before = "SELECT pg_advisory_xact_lock(1)";
    assert_eq!(refusal(&mut writer, of_the_version_before).await, None);
    store.migrate().await.unwrap();
    store.grant_roles(&passwords()).await.unwrap();
    store.ledger().await.unwrap().settle_identity(INBOX, 2, NOW_MS).await.unwrap();
}

/// Roles belong to the whole server: they may exist already, and be created from many databases at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn granting_is_repeated_and_shared() {
    let several = (0..4).map(|_| {
        tokio::spawn(async {
            let fresh = Fresh::new(Backend::Postgres).await;
            fresh.store.migrate().await.unwrap();
            let (one, two) = (fresh.store.clone(), fresh.store.clone());
            let passwords = passwords();
            let (a, b) = tokio::join!(one.grant_roles(&passwords), two.grant_roles(&passwords));
            a.and(b).unwrap();
            // Extra grants are revoked; a password that is not given stays.
            fresh.execute("GRANT ALL ON players TO buttonparty_push").await;
            fresh.store.grant_roles(&RolePasswords::default()).await.unwrap();
            let mut push = connect_as(&fresh, "buttonparty_push").await;
            let code = refusal(&mut push, "DELETE FROM players").await;
            assert_eq!(code.as_deref(), Some(DENIED));
        })
    });
    for one in Vec::from_iter(several) {
        one.await.unwrap();
    }
}

/// No log or error text contains a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_in_no_log() {
    const SECRET: &str = "a-secret-of-this-test";
    let server = servers::postgres::Server::start().await;
    let database = server.database().await;
    let sql = format!("ALTER DATABASE {} SET log_statement = 'all'", database.name());
    database.execute(&sql).await;
    let store = Store::postgres(&database.url(), Options::default()).unwrap();
    store.migrate().await.unwrap();
    // A role without a password cannot log in.
    let secret = RolePasswords { writer: Some(SECRET.into()), ..RolePasswords::default() };
    store.grant_roles(&secret).await.unwrap();
    let writer = Store::postgres(&database.url_as("buttonparty_writer", SECRET), Options::default()).unwrap();
    writer.ledger().await.unwrap();
    let push = Store::postgres(&database.url_as("buttonparty_push", ""), Options::default()).unwrap();
    assert!(matches!(push.outbox().await.unwrap_err(), Error::Denied { .. }));
    // Nor on failure: this role may not change that one.
    database.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'; GRANT ALL ON SCHEMA public TO weak").await;
    let weak = Store::postgres(&database.url_as("weak", "weak"), Options::default()).unwrap();
    let error = weak.grant_roles(&secret).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    let log = server.log();
    assert!(log.contains("CREATE ROLE weak") && log.contains("permission denied"), "{log}");
    assert!(!log.contains(SECRET) && !format!("{error:?} {secret:?} {store:?}").contains(SECRET), "{log}");
}
