//! Errors of a database that cannot be opened.

use store::{Error, Options, Store};

use crate::harness::{Backend, Fresh, Writer};

const SECRET: &str = "verysecret";

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_its_password() {
    let wrong = [
        ("", "relative URL without a base"),
        ("not a url", "relative URL without a base"),
        ("mysql://ada:verysecret@host/game", "it must begin with postgres:, not mysql:"),
        ("postgres:///game", "it has no host"),
        ("postgres://host/game", "it has no user"),
        ("postgres://ada:verysecret@host", "it has no database"),
        ("postgres://ada:verysecret@host/", "it has no database"),
        ("postgres://ada:verysecret@host:99999/game", "invalid port number"),
        ("postgres://ada:verysecret@host/game?sslmode=maybe", "unknown value \"maybe\" for `ssl_mode`"),
    ];
    for (url, reason) in wrong {
        let error = Store::postgres(url, Options::default()).unwrap_err();
        assert!(matches!(&error, Error::Url { .. }) && !error.is_transient(), "{url}: {error:?}");
        let text = format!("{} {error:?}", chain(&error));
        assert!(text.contains(reason) && !text.contains(SECRET), "{url}: {text}");
    }
    let store = Store::postgres("postgres://ada:verysecret@host:99/game", Options::default()).unwrap();
    let text = format!("{store:?}");
    assert!(text.contains("host") && text.contains("ada") && !text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let fresh = Fresh::new(Backend::Postgres).await;
    fresh.store.migrate().await.unwrap();
    let database = fresh.database();
    // The role has no rights in this database; without rights it cannot even see whether there is a schema.
    let stranger = format!("stranger_of_{}", database.name());
    let sql = format!("CREATE ROLE {stranger} LOGIN PASSWORD '{SECRET}'");
    database.execute(&sql).await;
    let elsewhere = database.url().replace(database.name(), "there_is_none");
    let denied = [
        (database.url_as("postgres", SECRET), "password authentication failed for user \"postgres\""),
        (
            database.url_as("nobody_at_all", SECRET),
            "password authentication failed for user \"nobody_at_all\"",
        ),
        (elsewhere, "database \"there_is_none\" does not exist"),
        (database.url_as(&stranger, SECRET), "permission denied for table _sqlx_migrations"),
    ];
    for (url, reason) in denied {
        let store = Store::postgres(&url, Options::default()).unwrap();
        let error = Writer::open(&store).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }) && !error.is_transient(), "{error:?}");
        assert_eq!(error.is_login_refused(), reason.starts_with("password"), "{error:?}");
        let text = format!("{} {error:?}", chain(&error));
        assert!(text.contains(reason) && !text.contains(SECRET), "{text}");
    }
    database.execute(&format!("DROP ROLE {stranger}")).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come() {
    // A port that was bound and released: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ada:{SECRET}@127.0.0.1:{port}/game");
    let store = Store::postgres(&url, Options::default()).unwrap();
    for error in [store.migrate().await.unwrap_err(), store.reader().await.unwrap_err()] {
        assert!(error.is_transient() && chain(&error).contains("Connection refused"), "{error:?}");
    }
    // A server that accepts the connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ada:{SECRET}@{}/game", silent.local_addr().unwrap());
    let store = Store::postgres(&url, Options { connect_ms_max: 50, ..Options::default() }).unwrap();
    let error = Writer::open(&store).await.unwrap_err();
    assert!(error.is_transient() && chain(&error).contains("no answer within 50 ms"), "{error:?}");
}
