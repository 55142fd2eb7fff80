//! The API description: it matches the code, its examples work, and responses match it.

mod schema;
mod schemathesis;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use rstest::rstest;
use serde_json::{Map, Value};
use server::bounds::{LEAD_MS_MAX, LEAD_MS_MIN};

use self::schema::Spec;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{Game, beside_others, encoded, eventually};

fn described() -> Spec {
    let text = server::openapi::text().unwrap();
    Spec(serde_json::from_str(&text).unwrap())
}

/// An operation with one of its examples, as a request.
struct Example<'a> {
    method: Method,
    path: String,
    operation: &'a Value,
    headers: Vec<(String, String)>,
    /// Media type and body.
    body: Option<(String, String)>,
}

impl Example<'_> {
    fn what(&self) -> String {
        format!("{} {} {:?}", self.method, self.path, self.body)
    }

    async fn send(&self, game: &Game) -> reqwest::Response {
        let mut request = game.request(self.method.clone(), &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((media, body)) = &self.body {
            request = request.header(CONTENT_TYPE, media).body(body.clone());
        }
        request.send().await.unwrap()
    }
}

/// Query and headers from the examples of the parameters. A required parameter must have an example.
fn parameters(operation: &Value) -> (String, Vec<(String, String)>) {
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let example = match &parameter["example"] {
            Value::String(text) => text.clone(),
            Value::Null => panic!("{} has no example for {name}", operation["operationId"]),
            other => other.to_string(),
        };
        match parameter["in"].as_str().unwrap() {
            "query" => query.push(format!("{name}={}", encoded(&example))),
            "header" => headers.push((name.to_owned(), example)),
            other => panic!("{name} is in {other}: this test cannot send that"),
        }
    }
    if operation["security"].to_string().contains("operator") {
        headers.push(("authorization".to_owned(), "Bearer secret-of-operators".to_owned()));
    }
    (if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }, headers)
}

/// The examples of a body, by media type.
fn bodies(operation: &Value) -> Vec<(String, Value)> {
    let empty = Map::new();
    let content = operation["requestBody"]["content"].as_object().unwrap_or(&empty);
    let one = |content: &Value| match (&content["examples"], &content["example"]) {
        (Value::Object(examples), _) => examples.values().map(|example| example["value"].clone()).collect(),
        (_, Value::Null) => panic!("{} has no example of its body", operation["operationId"]),
        (_, example) => vec![example.clone()],
    };
    content
        .iter()
        .flat_map(|(media, content)| one(content).into_iter().map(|value| (media.clone(), value)))
        .collect()
}

/// Every example of every operation: commands first, so that reads have data.
fn examples(spec: &Spec) -> Vec<Example<'_>> {
    let mut all = Vec::new();
    for (path, operations) in spec.0["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let (query, headers) = parameters(operation);
            let example = |body| Example {
                method: method.to_uppercase().parse().unwrap(),
                path: format!("{path}{query}"),
                operation,
                headers: headers.clone(),
                body,
            };
            let bodies = bodies(operation).into_iter().map(|(media, value)| Some((media, value.to_string())));
            let bodies: Vec<_> = if method == "get" { vec![None] } else { bodies.collect() };
            all.extend(bodies.into_iter().map(example));
        }
    }
    all.sort_by_key(|example| example.method != Method::POST);
    all
}

/// Checks that a response is a documented one; returns its status and body. A `text/event-stream` is not read, because
/// it does not end; another test checks it.
async fn documented(spec: &Spec, example: &Example<'_>, response: reqwest::Response) -> (u16, String) {
    let what = example.what();
    let status = response.status().as_u16();
    let told = &example.operation["responses"][status.to_string()];
    assert!(told.is_object(), "{what}: {status} is not documented");
    let media = response.headers().get(CONTENT_TYPE).map(|media| media.to_str().unwrap().to_owned());
    let empty = Map::new();
    let content = told["content"].as_object().unwrap_or(&empty);
    if content.contains_key("text/event-stream") {
        assert_eq!(media.as_deref(), Some("text/event-stream"), "{what}");
        return (status, String::new());
    }
    let body = response.text().await.unwrap();
    for (documented, content) in content {
        let media = media.as_deref().unwrap_or_default();
        assert!(media.starts_with(documented.as_str()), "{what}: {media} is documented as {documented}");
        if documented.ends_with("json") {
            let value = serde_json::from_str(&body).unwrap();
            let mistakes = spec.mistakes(&content["schema"], &value, true);
            assert!(mistakes.is_empty(), "{what}: {value}: {mistakes:?}");
        }
    }
    (status, body)
}

#[test]
fn the_file_is_what_the_code_says() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mobile-api-spec/openapi.json");
    let stored = std::fs::read_to_string(file).unwrap();
    let write = "write it anew: cargo run -q -p server -- openapi > mobile-api-spec/openapi.json";
    assert!(
        stored == server::openapi::text().unwrap(),
        "mobile-api-spec/openapi.json is out of date; {write}"
    );
}

#[test]
fn bounds_that_the_server_sets_are_described() {
    let Spec(described) = described();
    let lead = &described["components"]["schemas"]["OpenRoundBody"]["properties"]["lead_ms"];
    assert_eq!((&lead["minimum"], &lead["maximum"]), (&LEAD_MS_MIN.into(), &LEAD_MS_MAX.into()));
    assert_eq!(
        described["paths"]["/admin/rounds"]["post"]["requestBody"]["required"],
        Value::Null,
        "it may be left out"
    );
}

#[test]
fn examples_fit_their_own_schemas() {
    let spec = described();
    let mut checked = 0;
    for (name, schema) in spec.0["components"]["schemas"].as_object().unwrap() {
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            let several = schema["examples"].as_array().into_iter().flatten();
            for example in several.chain(schema.get("example")) {
                let mistakes = spec.mistakes(schema, example, true);
                assert!(mistakes.is_empty(), "{name}.{property}: {mistakes:?}");
                checked += 1;
            }
        }
    }
    for example in examples(&spec).iter().filter(|example| example.body.is_some()) {
        let (media, body) = example.body.clone().unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        // The first client wraps its fields, and sends fields that are not read.
        let fields = body.get("RequestBody").unwrap_or(&body);
        let schema = &example.operation["requestBody"]["content"][media]["schema"];
        let mistakes = spec.mistakes(schema, fields, false);
        assert!(mistakes.is_empty(), "{}: {mistakes:?}", example.what());
        checked += 1;
    }
    assert!(checked > 20, "only {checked} examples");
}

#[rstest]
#[tokio::test]
async fn every_example_works_and_every_answer_looks_as_described(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let spec = described();
    let examples = examples(&spec);
    assert!(examples.len() >= 13, "only {} examples", examples.len());
    for example in &examples {
        if example.method == Method::POST {
            let (status, _) = documented(&spec, example, example.send(&game).await).await;
            assert_eq!(status, 202, "{}", example.what());
        } else {
            // A command shows as soon as it is applied.
            eventually(&example.what(), || async {
                let (status, _) = documented(&spec, example, example.send(&game).await).await;
                (status == 200).then_some(())
            })
            .await;
        }
    }
    // Checks all fields that can be null, after a round with a press.
    let opens_at = game.announce_round(100).await["opens_at"].as_i64().unwrap();
    game.wait_until(opens_at).await;
    game.press_and_see("ada").await;
    let full = examples.iter().find(|example| example.path.starts_with("/fetch/self?")).unwrap();
    let (_, body) = documented(&spec, full, full.send(&game).await).await;
    let ada: Value = serde_json::from_str(&body).unwrap();
    for field in ["name", "last_press", "last_purchase", "rank"] {
        assert!(!ada[field].is_null(), "{field}: {ada}");
    }
    assert_eq!(ada["last_purchase"]["id"], "6f9619ff-8b86-d011-b42d-00c04fc964ff", "{ada}");
}

#[rstest]
#[tokio::test]
async fn refusals_are_documented_and_look_as_described(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let spec = described();
    let mut seen = std::collections::BTreeSet::new();
    for mut example in examples(&spec) {
        if let Some((media, _)) = example.body.clone() {
            for wrong in ["nope".to_owned(), " ".repeat(20_000)] {
                example.body = Some((media.clone(), wrong));
                seen.insert(documented(&spec, &example, example.send(&game).await).await.0);
            }
            example.headers.clear();
            seen.insert(documented(&spec, &example, example.send(&game).await).await.0);
        } else if let Some((path, _)) = example.path.clone().split_once('?') {
            for query in ["username=&limit=0", "username=nobody"] {
                example.path = format!("{path}?{query}");
                seen.insert(documented(&spec, &example, example.send(&game).await).await.0);
            }
        }
    }
    let twice = examples(&spec).into_iter().find(|example| example.path == "/admin/rounds").unwrap();
    for _ in 0..2 {
        seen.insert(documented(&spec, &twice, twice.send(&game).await).await.0);
    }
    for status in [202, 400, 401, 404, 409, 413] {
        assert!(seen.contains(&status), "{status}: {seen:?}");
    }
}
