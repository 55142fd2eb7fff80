//! The function's responses equal the server's.

use reqwest::Method;
use serde_json::json;

use super::*;

/// All reads, with all parameters.
const TARGETS: [&str; 38] = [
    "/fetch/self?username=ada",
    "/fetch/self?username=bob",
    "/fetch/self?username=%61da",
    "/fetch/self?username=%F0%9F%92%A3",
    "/fetch/self?username=%C3%A4%20b+c%26d%3De",
    "/fetch/self?username=%25zz",
    "/fetch/self?username=100%25",
    "/fetch/self?other=1&username=ada&more",
    "/fetch/self?username=nobody",
    "/fetch/self?username=Ada",
    "/fetch/self?username=ada%20",
    "/fetch/self?username=ada+",
    "/fetch/self?username=a%2Bb",
    "/fetch/self?username=%zz",
    "/fetch/self?username=100%",
    "/fetch/self?username=%ff",
    "/fetch/self?username=a%00",
    "/fetch/self?username=ada&username=ada",
    "/fetch/self?username=ada&%75sername=bob",
    "/fetch/self?username=ada,bob",
    "/fetch/self?username=",
    "/fetch/self?username",
    "/fetch/self?",
    "/fetch/self",
    "/fetch/self?&&=&",
    "/fetch/lb",
    "/fetch/lb?limit=2",
    "/fetch/lb?limit=100",
    "/fetch/lb?limit=101",
    "/fetch/lb?limit=-1",
    "/fetch/lb?limit=5&limit=5",
    "/fetch/lb?limit=",
    "/fetch/lb/",
    "/rules",
    "/rules?limit=2",
    "/fetch",
    "//fetch/lb",
    "/fetch/self%3Fusername=ada",
];
/// Headers that both must have in common.
const HEADERS: [&str; 4] = ["content-type", "retry-after", "allow", "cache-control"];

/// Asserts that the function answers an event as the server answers the request.
async fn assert_same(function: &Function, server: &Game, method: &str, target: &str, event: &Value) {
    let outcome = function.invoke(event).await.unwrap();
    let (status, text) = answer(&outcome);
    let request = server.request(Method::from_bytes(method.as_bytes()).unwrap(), target);
    let theirs = request.send().await.unwrap();
    assert_eq!(status, u64::from(theirs.status().as_u16()), "{method} {target}: {text}");
    for name in HEADERS {
        let expected = theirs.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(outcome["headers"][name].as_str(), expected, "{method} {target}: {name}");
    }
    let expected = theirs.text().await.unwrap();
    assert_eq!(timeless(&text), timeless(&expected), "{method} {target}");
}

#[tokio::test]
async fn the_function_answers_byte_for_byte_as_the_server_does() {
    let played = Played::new().await;
    let (server, function) = (played.server().await, played.function().await);
    for target in TARGETS {
        assert_same(&function, &server, "GET", target, &http_event("GET", target)).await;
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for target in ["/fetch/self?username=ada", "/fetch/lb", "/nothing"] {
            assert_same(&function, &server, method, target, &http_event(method, target)).await;
        }
    }
    // Other parts of the request make no difference.
    for body in [
        json!({"isBase64Encoded": true, "body": "8J+Sow=="}),
        json!({"isBase64Encoded": false, "body": "💣"}),
    ] {
        for (method, target) in
            [("GET", "/fetch/self?username=ada"), ("GET", "/fetch/lb"), ("POST", "/fetch/lb")]
        {
            let mut event = http_event(method, target);
            event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            event["cookies"] = json!(["username=bob", "=; \u{7f}"]);
            event["pathParameters"] = json!({"proxy": "fetch/self"});
            assert_same(&function, &server, method, target, &event).await;
        }
    }
    // Only the server has these routes.
    for target in ["/live", "/healthz", "/metrics", "/"] {
        let (status, problem) = get_json(&function, target).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (404, Some("urn:buttonparty:problem:not-found")),
            "{target}"
        );
    }
    // Paths are used as written, without normalization.
    for target in ["/fetch/../fetch/lb", "/nothing/%2e%2e/fetch/lb", "/fetch\\lb"] {
        assert_eq!(get(&function, target).await.0, 404, "{target}");
    }
    // The players are there, with ranks and in order.
    let (_, ada) = get_json(&function, "/fetch/self?username=ada").await;
    assert_eq!((&ada["score"], &ada["rank"], &ada["streak"]), (&json!(1), &json!(1), &json!(1)), "{ada}");
    let (_, board) = get_json(&function, "/fetch/lb").await;
    assert_eq!(board.as_array().unwrap().len(), PLAYERS.len());
    assert_eq!((&board[2]["username"], &board[2]["rank"]), (&json!("💣"), &json!(3)), "{board}");
}

#[tokio::test]
async fn an_event_that_is_no_request_is_an_error_and_no_more() {
    let played = Played::new().await;
    let function = played.function().await;
    let mut broken_body = http_event("GET", "/fetch/lb");
    (broken_body["isBase64Encoded"], broken_body["body"]) = (json!(true), json!("no base64"));
    let mut no_host = http_event("GET", "/fetch/lb");
    no_host["headers"]["host"] = json!("no host");
    for event in [json!({}), json!(null), json!({"Records": []}), broken_body, no_host] {
        let error = function.invoke(&event).await.unwrap_err();
        assert!(error["errorType"].is_string(), "{error}");
    }
    assert_eq!(get(&function, "/fetch/lb").await.0, 200);
}
