//! API Gateway events of an HTTP API in payload format 2.0, and the responses to them.

use serde_json::{Map, Value, json};

/// The event of a request for this target, such as `/path?query`, exactly as in the request line.
pub fn http_event(method: &str, target: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut event = json!({
        "version": "2.0",
        "routeKey": format!("{method} {path}"),
        "rawPath": path,
        "rawQueryString": query,
        "cookies": ["a=1", "b=2"],
        "headers": {
            "accept": "*/*",
            "content-length": "0",
            "host": "id.execute-api.us-east-1.amazonaws.com",
            "user-agent": "a phone",
            "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "a phone",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": format!("{method} {path}"),
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_i64,
        },
        "isBase64Encoded": false,
    });
    if !query.is_empty() {
        let mut parameters = Map::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Repeated parameters are joined with commas.
            let joined = match parameters.get(name).and_then(Value::as_str) {
                Some(before) => format!("{before},{value}"),
                None => value.to_owned(),
            };
            parameters.insert(name.to_owned(), joined.into());
        }
        event["queryStringParameters"] = parameters.into();
    }
    event
}

/// Status and text of a function's response.
///
/// # Panics
/// If this is not a response in format 2.0.
pub fn answer(answered: &Value) -> (u64, String) {
    assert_ne!(answered["isBase64Encoded"], json!(true), "a text: {answered}");
    let status = answered["statusCode"].as_u64().expect("a status");
    (status, answered["body"].as_str().unwrap_or_default().to_owned())
}
