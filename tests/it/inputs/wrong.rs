//! Invalid requests, and the expected form of a rejection.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Game, encoded};

/// A request that must be rejected.
pub(super) struct Wrong {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Wrong {
    pub(super) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: Method::POST, path: path.to_owned(), headers: Vec::new(), body: body.into() }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends the request and checks the problem: status, kind, and exactly these fields, each with a reason. Returns
    /// the problem and its `Retry-After`.
    pub(super) async fn refused(
        self,
        game: &Game,
        status: u16,
        kind: &str,
        fields: &[&str],
    ) -> (Value, Option<String>) {
        let shown: String = String::from_utf8_lossy(&self.body).chars().take(80).collect();
        let what = format!("{} {} {shown}", self.method, self.path);
        let mut request = game.request(self.method, &self.path).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{what}");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{what}");
        assert!(header("x-request-id").is_some(), "{what}");
        let retry_after = header("retry-after");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], format!("urn:buttonparty:problem:{kind}"), "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}: {problem}");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{what}: {problem}");
        assert!(
            errors.iter().all(|error| !error["reason"].as_str().unwrap().is_empty()),
            "{what}: {problem}"
        );
        (problem, retry_after)
    }

    pub(super) async fn invalid(self, game: &Game, fields: &[&str]) {
        self.refused(game, 400, "invalid-request", fields).await;
    }
}

/// Bodies that are not an object of fields, for every route with a body.
pub(super) fn no_objects() -> Vec<(Vec<u8>, &'static str)> {
    let texts = [
        "nope",
        "[]",
        "null",
        "true",
        "7",
        "\"text\"",
        "NaN",
        "Infinity",
        "{",
        "{\"username\"}",
        "{\"username\":NaN}",
        "{\"username\":-Infinity}",
        "{} {}",
        "{'username':'ada'}",
        "username=ada",
        "\u{feff}{}",
        "[{\"username\":\"ada\"}]",
    ];
    let mut all: Vec<_> = texts.into_iter().map(|text| (text.as_bytes().to_vec(), "body")).collect();
    all.push((b"{\"username\":\"\xff\xfe\"}".to_vec(), "body"));
    all.push(("[".repeat(16_000).into_bytes(), "body"));
    all.push((
        format!("{{\"RequestBody\":{}{}}}", "[".repeat(4_000), "]".repeat(4_000)).into_bytes(),
        "RequestBody",
    ));
    all.push((b"{\"RequestBody\":[\"ada\"]}".to_vec(), "RequestBody"));
    all.push((b"{\"RequestBody\":\"{}\"}".to_vec(), "RequestBody"));
    all.push((b"{\"RequestBody\":{},\"RequestBody\":{}}".to_vec(), "RequestBody"));
    all
}

/// Invalid usernames, as JSON.
pub(super) fn wrong_usernames() -> Vec<String> {
    let mut all: Vec<_> = [
        "1",
        "true",
        "[]",
        "[\"ada\"]",
        "{}",
        "null",
        "\"\"",
        "\"a\\u0000b\"",
        "\"a\\nb\"",
        "\"\\ud800\"",
        "1e999",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("\"{}\"", "x".repeat(129)));
    all.push(format!("\"{}\"", "é".repeat(65)));
    all.push(format!("{}1{}", "[".repeat(7_000), "]".repeat(7_000)));
    all
}

/// Requests, each with the fields that the problem must name.
type All = Vec<(Wrong, &'static [&'static str])>;

/// Fields that are missing, of a wrong type or of a wrong value; all errors are reported at once.
pub(super) fn wrong_fields() -> All {
    let long_token = format!(r#"{{"username":"ada","token":"{}"}}"#, "t".repeat(4_097));
    let long_name = format!(r#"{{"username":"ada","name":"{}"}}"#, "é".repeat(65));
    let all: [(&str, &str, &'static [&'static str]); 11] = [
        ("/add", &long_token, &["token"]),
        ("/add", &long_name, &["name"]),
        ("/add", r#"{"username":"ada","platform":"palm"}"#, &["platform"]),
        ("/add", r#"{"username":"","name":"","platform":"","token":""}"#, &["username", "name", "platform"]),
        (
            "/add",
            r#"{"username":1,"name":[],"platform":{},"token":7}"#,
            &["username", "name", "platform", "token"],
        ),
        ("/powerups", r#"{"username":"ada","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"FREEZE"}"#, &["quantity"]),
        ("/powerups", "{}", &["username", "powerUpType", "quantity"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"LASER","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"freeze","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":[],"quantity":"6"}"#, &["powerUpType", "quantity"]),
    ];
    all.into_iter().map(|(path, body, fields)| (Wrong::post(path, body), fields)).collect()
}

/// Quantities that are not a number, not a level, or not even JSON.
pub(super) fn wrong_quantities() -> All {
    let levels = "\"2\" null true [2] {} 0 -2 2.0000001 4 1.5 1e999 -0 1e-400 999999999999999999999";
    let not_json = "NaN Infinity -Infinity +2 02 2. .5 0x2";
    let ask = |quantity: &str| {
        let body = format!(r#"{{"username":"ada","powerUpType":"MULTIPLIER","quantity":{quantity}}}"#);
        Wrong::post("/powerups", body)
    };
    let levels = levels.split(' ').map(|quantity| (ask(quantity), &["quantity"][..]));
    levels.chain(not_json.split(' ').map(|quantity| (ask(quantity), &["body"][..]))).collect()
}

/// Queries of both reads.
pub(super) fn wrong_queries() -> All {
    let mut usernames: Vec<_> = ["", "?", "?user=ada", "?username", "?username=", "?username=a&username=a"]
        .into_iter()
        .chain([
            "?username=a&user%6Eame=b",
            "?username=%FF",
            "?username=%C3",
            "?username=a%00",
            "?username=a%0Ab",
        ])
        .map(str::to_owned)
        .collect();
    usernames.push(format!("?username={}", "x".repeat(129)));
    usernames.push(format!("?username={}", encoded(&"é".repeat(65))));
    let limits = [
        "",
        "0",
        "101",
        "-1",
        "+5",
        "%2B5",
        "abc",
        "1.5",
        "1e1",
        "%FF",
        "99999999999999999999",
        "10&limit=10",
        "NaN",
    ];
    let limits = limits.map(|limit| (Wrong::get(format!("/fetch/lb?limit={limit}")), &["limit"][..]));
    let one = |query: &String| (Wrong::get(format!("/fetch/self{query}")), &["username"][..]);
    usernames.iter().map(one).chain(limits).collect()
}
