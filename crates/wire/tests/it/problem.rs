//! Problems as a phone receives them.

use serde_json::{Value, json};
use wire::{FieldError, Problem, ProblemKind, parse_powerup};

/// No wildcard: a new kind must list here what phones will see.
fn expected(kind: ProblemKind) -> (u16, &'static str, &'static str) {
    match kind {
        ProblemKind::Invalid => (400, "invalid-request", "The request is malformed or invalid."),
        ProblemKind::Unauthorized => (401, "unauthorized", "The operator token is missing or wrong."),
        ProblemKind::Forbidden => (403, "forbidden", "This is not allowed."),
        ProblemKind::NotFound => (404, "not-found", "Nothing is served here."),
        ProblemKind::UnknownPlayer => (404, "unknown-player", "Nobody has this username."),
        ProblemKind::MethodNotAllowed => (405, "method-not-allowed", "This method is not served here."),
        ProblemKind::RequestTimeout => (408, "request-timeout", "The body did not arrive in time."),
        ProblemKind::RoundOverlaps => (409, "round-overlaps", "The round would overlap another."),
        ProblemKind::BodyTooLarge => (413, "body-too-large", "The body is too large."),
        ProblemKind::TooManyRequests => (429, "too-many-requests", "Too many requests. Try again later."),
        ProblemKind::Internal => (500, "internal", "Something went wrong on our side."),
        ProblemKind::Unavailable => (503, "unavailable", "The service cannot take this now. Try again."),
    }
}

fn json(problem: &Problem) -> Value {
    serde_json::to_value(problem).expect("a problem is JSON")
}

#[test]
fn each_kind_has_its_status_and_its_type() {
    for kind in ProblemKind::ALL {
        let (status, slug, title) = expected(kind);
        let uri = format!("urn:buttonparty:problem:{slug}");
        let problem = Problem::new(kind);
        assert_eq!(json(&problem), json!({ "type": uri, "title": title, "status": status }));
        assert_eq!((problem.kind(), kind.status(), kind.slug()), (kind, status, slug));
        assert_eq!(problem.retry_after_s(), None);
        assert_eq!(Problem::from(kind), problem);
    }
}

#[test]
fn too_many_requests_say_when_the_next_may_come() {
    let problem = Problem::too_many_requests(1_500);
    assert_eq!((problem.kind(), problem.retry_after_s()), (ProblemKind::TooManyRequests, Some(2)));
    assert_eq!(json(&problem)["retry_after_ms"], json!(1_500));
}

/// Clients rely on these bytes.
#[test]
fn every_body_is_as_it_was() {
    let plain = ProblemKind::ALL.map(Problem::new);
    let invalid = parse_powerup(br#"{"username":"","powerUpType":"FREEZE","quantity":"6"}"#).unwrap_err();
    let particular = [
        Problem::invalid(invalid),
        Problem::new(ProblemKind::Unavailable).with_detail("The inbox is full.").with_retry_after_ms(1_000),
        Problem::new(ProblemKind::RoundOverlaps).with_retry_after_ms(50_001),
        Problem::too_many_requests(1_500),
    ];
    let bodies: Vec<String> = plain
        .iter()
        .chain(&particular)
        .map(|problem| serde_json::to_string(problem).expect("a problem is JSON"))
        .collect();
    insta::assert_snapshot!(bodies.join("\n"));
}

#[test]
fn types_are_distinct() {
    let mut slugs = ProblemKind::ALL.map(ProblemKind::slug).to_vec();
    slugs.sort_unstable();
    slugs.dedup();
    assert_eq!(slugs.len(), ProblemKind::ALL.len());
}

#[test]
fn an_invalid_request_names_every_field() {
    let errors = parse_powerup(br#"{"username":"","powerUpType":"FREEZE","quantity":"6"}"#).unwrap_err();
    let expected = json!({
        "type": "urn:buttonparty:problem:invalid-request",
        "title": "The request is malformed or invalid.",
        "status": 400,
        "detail": "username: must not be empty; quantity: must be a number",
        "errors": [
            { "field": "username", "reason": "must not be empty" },
            { "field": "quantity", "reason": "must be a number" },
        ],
    });
    assert_eq!(json(&Problem::invalid(errors)), expected);
}

#[test]
fn one_invalid_value_becomes_a_problem() {
    let invalid = game::PurchaseId::new("two words").unwrap_err();
    let field = FieldError {
        field: "Idempotency-Key".to_owned(),
        reason: "must consist of visible ASCII characters".to_owned(),
    };
    assert_eq!(FieldError::from(invalid.clone()), field);
    assert_eq!(Problem::from(invalid), Problem::invalid(vec![field.clone()]));
    assert_eq!(Problem::from(field.clone()), Problem::invalid(vec![field.clone()]));
    assert_eq!(Problem::from(vec![field.clone()]), Problem::invalid(vec![field]));
}

#[test]
fn a_retry_is_told_in_milliseconds_and_in_seconds_rounded_up() {
    for (ms, seconds) in
        [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (50_001, 51), (i64::MAX, i64::MAX / 1000)]
    {
        let problem = Problem::new(ProblemKind::Unavailable).with_detail("busy").with_retry_after_ms(ms);
        assert_eq!(problem.retry_after_s(), Some(seconds), "{ms}");
        assert_eq!(json(&problem)["retry_after_ms"], json!(ms));
        assert_eq!(json(&problem)["detail"], json!("busy"));
    }
    let past = Problem::new(ProblemKind::RoundOverlaps).with_retry_after_ms(-5);
    assert_eq!(past.retry_after_s(), Some(0));
}
