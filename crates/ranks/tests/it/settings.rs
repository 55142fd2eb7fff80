//! Rejected URLs, and the parts of a URL that are never printed.

use std::iter::successors;

use ranks::{Error, Ranks};

const BEGIN: &str = "must begin with redis:// or rediss://";
const LIKE: &str = "must be like redis[s]://[user:password@]host[:port][/database]";

#[test]
fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
    for (url, reason) in [
        ("", BEGIN),
        ("http://user:secret@host", BEGIN),
        ("unix:///secret/socket", BEGIN),
        ("rediss:user:secret@host", BEGIN),
        ("redis://", LIKE),
        ("rediss://", LIKE),
        ("redis://user:secret@host/minus", LIKE),
        ("redis://user:secret@host/-1", LIKE),
        ("redis://user:secret@host:port", LIKE),
        ("rediss://user:secret@host:port", LIKE),
        ("rediss://user:secret@host/#insecure", LIKE),
    ] {
        let error = Ranks::redis(url, 1).unwrap_err();
        assert!(matches!(&error, Error::Url { .. }) && !error.is_transient(), "{url}");
        assert_eq!(error.to_string(), format!("the URL of the ranks {reason}"), "{url}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_is_opened_before_it_is_used_and_no_password_is_shown() {
    let ranks = Ranks::redis("redis://user:secret@127.0.0.1:1/3", 1).unwrap().rebuilding_as(1);
    assert!(!format!("{ranks:?}").contains("secret"), "{ranks:?}");
    let world = super::World::new(super::Kind::Local, 1);
    let error = ranks.rebuild_stale(&world, super::NOW_MS).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let causes = successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let text = format!("{error:?} {:?}", causes.map(ToString::to_string).collect::<Vec<_>>());
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(error.to_string(), "the ranks cannot be read or written");
}
