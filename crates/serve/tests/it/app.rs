//! Common properties of every response, from the router, from a starting process, and from a handler that panics.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, Version};
use axum::routing::get;
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use serve::{App, Routes};
use utoipa_axum::routes;

const ORIGIN: &str = "https://a.example";

/// An app that is still starting; pages at [`ORIGIN`] may call it.
fn starting() -> App {
    App::starting(7, &[ORIGIN.to_owned()], || Duration::ZERO)
}

/// An app that has started, with a route that works and one that panics.
fn begun() -> App {
    let app = starting();
    let works = get(|| async { "works" });
    let panics = get(|| async {
        if Vec::<u8>::new().is_empty() {
            panic!("a fault of ours")
        }
    });
    app.begin(Routes::new().undocumented("/works", works).undocumented("/panics", panics));
    app
}

async fn ask(
    app: &App,
    method: Method,
    path: &str,
    headers: &[(&str, &[u8])],
) -> (StatusCode, HeaderMap, Value) {
    ask_as(app, Version::HTTP_11, method, path, headers).await
}

async fn ask_as(
    app: &App,
    version: Version,
    method: Method,
    path: &str,
    headers: &[(&str, &[u8])],
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::builder().version(version).method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) = app.answer(request.body(Body::empty()).unwrap()).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, serde_json::from_slice(&body).unwrap_or_default())
}

/// An operator route.
#[utoipa::path(post, path = "/hidden/{id}", params(("id" = String, Path)))]
async fn hidden() -> &'static str {
    "done"
}

#[tokio::test]
async fn metrics_call_a_route_by_its_pattern_and_never_tell_of_a_secret_one() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let app = starting();
    metrics::with_local_recorder(&recorder, || {
        let rooms = get(|| async { "a room" }).post(|| async { "made" });
        app.begin(
            Routes::new()
                .undocumented("/rooms/{id}", rooms)
                .undocumented("/", get(|| async { "x" }))
                .secret(routes!(hidden)),
        );
    });
    let asked = [
        (Method::GET, "/rooms/1", 200),
        (Method::POST, "/rooms/2?id=3", 200),
        (Method::DELETE, "/rooms/4", 405),
        (Method::GET, "/", 200),
        (Method::GET, "/rooms/1/2", 404),
        (Method::GET, "/rooms/", 404),
        (Method::POST, "/hidden/7", 200),
        (Method::GET, "/hidden/7", 405),
    ];
    for (method, path, status) in asked {
        let (answered, ..) = ask(&app, method, path, &[("host", b"x")]).await;
        assert_eq!(answered, status, "{path}");
    }
    let text = recorder.handle().render();
    for (route, number) in [("/rooms/{id}", 3), ("/", 1), ("none", 2)] {
        let series = format!("buttonparty_http_request_seconds_count{{route=\"{route}\"}} {number}\n");
        assert!(text.contains(&series), "{series}{text}");
    }
    assert!(!text.contains("hidden") && !text.contains("/rooms/1"), "{text}");
}

#[tokio::test]
async fn pages_of_a_configured_origin_see_every_answer_and_others_none() {
    let (starting, begun) = (starting(), begun());
    let cases = [
        (&starting, "/press", "x", 503),
        (&starting, "/healthz", "x", 200),
        (&starting, "/readyz", "x", 503),
        (&starting, "/press", "not a host", 400),
        (&begun, "/works", "x", 200),
        (&begun, "/works", "not a host", 400),
        (&begun, "/nothing", "x", 404),
        (&begun, "/panics", "x", 500),
    ];
    for (app, path, host, status) in cases {
        for origin in [ORIGIN, "https://b.example"] {
            let asked = [("host", host.as_bytes()), ("origin", origin.as_bytes())];
            let (answered, headers, _) = ask(app, Method::GET, path, &asked).await;
            assert_eq!(answered, status, "{path} {host}");
            let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(allowed, (origin == ORIGIN).then_some(ORIGIN), "{path} {host}");
            let shown = headers["access-control-expose-headers"].to_str().unwrap();
            assert!(
                shown.contains("retry-after") && shown.contains("x-request-id"),
                "{path} {host}: {shown}"
            );
            assert!(headers.contains_key("x-request-id") && headers.contains_key("vary"), "{path} {host}");

            let method = ("access-control-request-method", &b"POST"[..]);
            let (answered, headers, _) = ask(app, Method::OPTIONS, path, &[asked[0], asked[1], method]).await;
            assert_eq!(answered, if status == 400 { 400 } else { 200 }, "{path} {host}");
            let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(allowed, (origin == ORIGIN).then_some(ORIGIN), "{path} {host}");
            if status != 400 {
                assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("POST"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn without_origins_no_page_elsewhere_may_call() {
    let app = App::starting(7, &[], || Duration::ZERO);
    let asked = [("host", &b"x"[..]), ("origin", ORIGIN.as_bytes())];
    let (status, headers, _) = ask(&app, Method::OPTIONS, "/press", &asked).await;
    assert_eq!(status, 503);
    let mut names = headers.keys().map(|name| name.as_str());
    assert!(!names.any(|name| name.starts_with("access-control-")), "{headers:?}");
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let wrong: [&[(&str, &[u8])]; 8] = [
        &[],
        &[("host", b"a.example"), ("host", b"a.example")],
        &[("host", b"a.example"), ("host", b"b.example")],
        &[("host", b"two words")],
        &[("host", b"a.example, b.example")],
        &[("host", b"a.example/path")],
        &[("host", b"a.example:port")],
        &[("host", b"\xff")],
    ];
    for app in [starting(), begun()] {
        for path in ["/healthz", "/works", "/nothing", "http://a.example/works"] {
            for headers in wrong {
                let (status, answered, problem) = ask(&app, Method::GET, path, headers).await;
                assert_eq!(status, 400, "{path} {headers:?}");
                assert_eq!(answered["content-type"], "application/problem+json");
                assert_eq!(problem["type"], "urn:buttonparty:problem:invalid-request", "{problem}");
                assert_eq!(problem["errors"][0]["field"], "Host", "{problem}");
                assert!(
                    problem["errors"][0]["reason"].as_str().unwrap().starts_with("must be "),
                    "{problem}"
                );
            }
            let (status, ..) = ask(&app, Method::GET, path, &[("host", b"[::1]:8080")]).await;
            assert_ne!(status, 400, "{path}");
            for headers in &wrong[1..] {
                let (status, ..) = ask_as(&app, Version::HTTP_10, Method::GET, path, headers).await;
                assert_eq!(status, 400, "{path} {headers:?}");
            }
            let (status, ..) = ask_as(&app, Version::HTTP_10, Method::GET, path, &[]).await;
            assert_ne!(status, 400, "HTTP/1.0 knows no Host: {path}");
        }
    }
}

#[tokio::test]
async fn hosts_are_told_from_other_values() {
    let good = [
        "",
        "x",
        "game.example",
        "game.example:8080",
        "game.example:",
        "127.0.0.1:1",
        "[::1]",
        "[2001:db8::7]:443",
    ];
    let good = good.into_iter().chain(["xn--mnchen-3ya.example", "a_b-c~d", "a%20b", ":80"]);
    let bad = [
        "two words",
        "tab\there",
        "a/b",
        "a?b",
        "a#b",
        "a@b",
        "http://a",
        "a:b",
        "a:8o",
        "a:80:80",
        "[::1",
        "[::1]80",
    ];
    let bad = bad
        .into_iter()
        .chain(["[::1]:x", "[]", "[x]", "[", "::1", "]", "a%2", "a%zz", "a\\b", "a\"b", "a<b", "\u{e4}"]);
    let app = begun();
    for (host, status) in good.map(|host| (host, 200)).chain(bad.map(|host| (host, 400))) {
        let (answered, ..) = ask(&app, Method::GET, "/works", &[("host", host.as_bytes())]).await;
        assert_eq!(answered, status, "{host}");
    }
}
