//! Starts of the function: with all dependencies, and with one missing.

use std::time::Duration;

use servers::lambda::Mood;
use servers::postgres::Mode;

use super::*;
use crate::support::eventually;

/// Timeout of a start in an unoptimized build beside other tests.
const INIT_MAX: Duration = Duration::from_secs(5);
/// Minimum time between two reads of the secret, in seconds.
const SECRET_PAUSE_S: usize = 1;

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said_by_name_and_at_once() {
    let played = Played::new().await;
    let with = |changes: &[(&'static str, &str)]| {
        let mut environment = played.environment();
        environment.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        environment
    };
    /// Settings, and the expected log texts.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let tables: [Row<'_>; 6] = [
        (&[("BUTTONPARTY_STORE_SECRET", "")], &["BUTTONPARTY_STORE_SECRET: must be set"]),
        (
            &[("BUTTONPARTY_STORE_URL", ""), ("AWS_REGION", ""), ("BUTTONPARTY_LOG", "loud=very")],
            &["BUTTONPARTY_STORE_URL: must be set", "AWS_REGION: must be set", "BUTTONPARTY_LOG=loud=very: "],
        ),
        (&[("BUTTONPARTY_STORE_URL", "mysql://a@b/c")], &["BUTTONPARTY_STORE_URL=mysql://********@b/c: "]),
        (
            &[("BUTTONPARTY_STORE_URL", "postgres://a:hidden@b/c")],
            &[
                "STORE_URL=postgres://********@b/c: must not contain a password; it comes from BUTTONPARTY_STORE_SECRET",
            ],
        ),
        (
            &[("BUTTONPARTY_STORE_URL", "postgres://a@b/c?password=hidden")],
            &["BUTTONPARTY_STORE_URL=postgres://********@b/c?********: must not contain a password"],
        ),
        (&[("BUTTONPARTY_BOARD_URL", "http://a")], &["BUTTONPARTY_BOARD_URL=http://a: "]),
    ];
    for (changes, said) in tables {
        let ended = start(&with(changes)).await.expect_err("it does not start");
        assert_eq!(ended.status.code(), Some(1));
        for words in said {
            assert!(ended.log.contains(words), "{changes:?}: {}", ended.log);
        }
        assert!(!ended.log.contains("hidden"), "{}", ended.log);
    }
    assert_eq!(played.secrets.reads(), 0);
}

#[tokio::test]
async fn without_a_database_it_starts_and_says_so_until_there_is_one() {
    let played = Played::new().await;
    let database = played.place.store_server();
    database.stop(Mode::Fast).await;
    let function = played.function().await;
    assert!(function.init() < INIT_MAX, "{:?}", function.init());
    for target in ["/fetch/self?username=ada", "/fetch/lb"] {
        assert_unavailable(&function.invoke(&http_event("GET", target)).await.unwrap());
    }
    // No connection is open yet: reads work only once the database is up.
    database.resume().await;
    assert_eq!(get(&function, "/fetch/lb").await.0, 200);
    assert_eq!(get_json(&function, "/fetch/self?username=ada").await.1["score"], 1);
    assert_eq!(played.secrets.reads(), 1);
}

#[tokio::test]
async fn a_game_that_has_not_begun_is_waited_for() {
    let played = Played::new().await;
    let empty = played.place.store_server().database().await;
    let mut environment = played.environment();
    environment.push(("BUTTONPARTY_STORE_URL", empty.url_as(READER, "x").replacen(":x@", "@", 1)));
    let function = start(&environment).await.unwrap();
    assert_unavailable(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap());
    assert!(function.log().contains("run the migrations first"), "{}", function.log());
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named_and_tried_again() {
    let played = Played::new().await;
    for mood in [Mood::Denied, Mood::Failing] {
        played.secrets.behave(mood);
        let function = played.function().await;
        assert!(function.init() < INIT_MAX, "{:?}", function.init());
        assert_unavailable(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap());
        assert!(function.log().contains(&format!("cannot read the secret {SECRET}")), "{}", function.log());
        played.secrets.behave(Mood::Well);
        eventually("the secret is read", async || (get(&function, "/fetch/lb").await.0 == 200).then_some(()))
            .await;
    }
    // The start waits for a slow secret. After that, a failing secret does no harm.
    played.secrets.behave(Mood::Slow(Duration::from_millis(300)));
    let function = played.function().await;
    assert!(function.init() > Duration::from_millis(300));
    played.secrets.behave(Mood::Failing);
    assert_eq!(get(&function, "/fetch/lb").await.0, 200);
    for wrong in ["", "no json", "[]", r#"{"username":"x"}"#] {
        played.secrets.behave(Mood::Well);
        played.secrets.put(wrong);
        let function = played.function().await;
        assert_unavailable(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap());
        assert!(function.log().contains("is not a JSON object with a password"), "{}", function.log());
    }
    let mut environment = played.environment();
    environment.push(("BUTTONPARTY_STORE_SECRET", "arn:of-another".to_owned()));
    let function = start(&environment).await.unwrap();
    assert!(function.log().contains("cannot read the secret arn:of-another"), "{}", function.log());
    assert!(function.log().contains("ResourceNotFound"), "{}", function.log());
}

#[tokio::test]
async fn a_secret_that_is_wrong_is_read_again_but_not_for_every_request() {
    let played = Played::new().await;
    played.secrets.put(&login("wrong before"));
    played.secrets.put(&login("wrong"));
    let function = played.function().await;
    let begun_ms = crate::support::now_ms();
    for _ in 0..200 {
        assert_unavailable(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap());
    }
    let passed_s = usize::try_from(crate::support::now_ms() - begun_ms).unwrap() / 1_000;
    let reads = played.secrets.reads();
    // The current version and the previous one.
    assert!(reads <= 2 * (2 + passed_s / SECRET_PAUSE_S), "{reads} in {passed_s} s");
    assert!(
        function.log().contains(&format!("refuses the login of the secret {SECRET}")),
        "{}",
        function.log()
    );
    assert!(!function.log().contains("wrong"), "{}", function.log());
    played.secrets.put(&login(PASSWORD));
    eventually("the right one is read", async || (get(&function, "/fetch/lb").await.0 == 200).then_some(()))
        .await;
}
