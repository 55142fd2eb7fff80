//! Invalid queries, unknown players, and a store that does not answer.

use serde_json::json;

use super::*;

#[tokio::test]
async fn an_unknown_player_is_not_found() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    for name in ["bob", "Ada", "ada%20", "a%64"] {
        let answer = bench.get(&format!("/fetch/self?username={name}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], json!("urn:buttonparty:problem:unknown-player"));
        assert_eq!(problem["status"], json!(404));
    }
}

#[tokio::test]
async fn a_username_is_percent_decoded_and_a_plus_stays_a_plus() {
    let bench = Bench::new().await;
    bench.join("ä b+c&d=e", 3).await;
    let view = bench.me("%C3%A4%20b+c%26d%3De&other=1").await;
    assert_eq!((&view["username"], &view["score"]), (&json!("ä b+c&d=e"), &json!(3)));
    bench.join("ada", 0).await;
    assert_eq!(bench.me("%61da").await["username"], json!("ada"));
}

#[tokio::test]
async fn what_is_no_query_is_refused_with_the_field_and_the_reason() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    let long = format!("/fetch/self?username={}", "x".repeat(129));
    let table = [
        ("/fetch/self", "username", "is required"),
        ("/fetch/self?", "username", "is required"),
        ("/fetch/self?user=ada", "username", "is required"),
        ("/fetch/self?username=", "username", "must not be empty"),
        ("/fetch/self?username", "username", "must not be empty"),
        ("/fetch/self?username=ada&username=ada", "username", "must be given exactly once"),
        ("/fetch/self?username=ada&%75sername=bob", "username", "must be given exactly once"),
        ("/fetch/self?username=%ff", "username", "must be UTF-8"),
        ("/fetch/self?username=a%00", "username", "must not contain control characters"),
        (&long, "username", "has 129 bytes of UTF-8, at most 128 are allowed"),
        ("/fetch/lb?limit=0", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=101", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=-1", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=ten", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=1.5", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=", "limit", "must be a whole number from 1 to 100"),
        ("/fetch/lb?limit=5&limit=5", "limit", "must be given exactly once"),
    ];
    for (path, field, reason) in table {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], json!("urn:buttonparty:problem:invalid-request"));
        assert_eq!(problem["errors"], json!([{"field": field, "reason": reason}]), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_tells_nothing_of_why() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    bench.reader.close().await;
    for path in ["/fetch/self?username=ada", "/fetch/lb"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(!answer.text.contains("pool") && !answer.text.contains("database"), "{}", answer.text);
    }
}
