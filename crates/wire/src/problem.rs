//! What a phone is told when something is refused: `application/problem+json` (RFC 9457). The one place where
//! status codes stand.

use serde::Serialize;
use utoipa::ToSchema;

/// The kinds of problem. Clients switch on the `type` that each one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400: malformed or invalid; `errors` says which field and why.
    Invalid,
    /// 401: no operator token, or a wrong one.
    Unauthorized,
    /// 403: whoever asks may not do this.
    Forbidden,
    /// 404: nothing is served there.
    NotFound,
    /// 404: nobody has this username.
    UnknownPlayer,
    /// 405: not with this method.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    RequestTimeout,
    /// 409: the round would overlap another for some player.
    RoundOverlaps,
    /// 413: the body is longer than 16 KiB.
    BodyTooLarge,
    /// 429: too many of one client; [`Problem::too_many_requests`] says when to try again.
    TooManyRequests,
    /// 500: a fault of ours; the details are in the log.
    Internal,
    /// 503: the inbox does not take the command now, or the database does not answer.
    Unavailable,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::UnknownPlayer,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::RoundOverlaps,
        Self::BodyTooLarge,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound | Self::UnknownPlayer => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::RoundOverlaps => 409,
            Self::BodyTooLarge => 413,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The stable name, the last part of `type`; also the label of the metrics.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Invalid => "invalid-request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::UnknownPlayer => "unknown-player",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::RoundOverlaps => "round-overlaps",
            Self::BodyTooLarge => "body-too-large",
            Self::TooManyRequests => "too-many-requests",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Invalid => "The request is malformed or invalid.",
            Self::Unauthorized => "The operator token is missing or wrong.",
            Self::Forbidden => "This is not allowed.",
            Self::NotFound => "Nothing is served here.",
            Self::UnknownPlayer => "Nobody has this username.",
            Self::MethodNotAllowed => "This method is not served here.",
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::RoundOverlaps => "The round would overlap another.",
            Self::BodyTooLarge => "The body is too large.",
            Self::TooManyRequests => "Too many requests. Try again later.",
            Self::Internal => "Something went wrong on our side.",
            Self::Unavailable => "The service cannot take this now. Try again.",
        }
    }
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field, as it is spelled in the request; `body` for the body as a whole.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<game::Invalid> for FieldError {
    fn from(invalid: game::Invalid) -> Self {
        Self { field: invalid.field.to_owned(), reason: invalid.reason.to_string() }
    }
}

/// A problem as a phone gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    kind: ProblemKind,
    /// A stable URI that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:buttonparty:problem:invalid-request")]
    uri: String,
    /// What the kind means, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The fields that are wrong, with 400.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// After how many milliseconds it makes sense to try again, with 409 and 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<i64>,
}

impl Problem {
    /// A problem without particulars.
    pub fn new(kind: ProblemKind) -> Self {
        Self {
            kind,
            uri: format!("urn:buttonparty:problem:{}", kind.slug()),
            title: kind.title(),
            status: kind.status(),
            detail: None,
            errors: Vec::new(),
            retry_after_ms: None,
        }
    }

    /// A request with invalid fields.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail =
            errors.iter().map(|error| format!("{}: {}", error.field, error.reason)).collect::<Vec<_>>();
        Self { errors, ..Self::new(ProblemKind::Invalid).with_detail(detail.join("; ")) }
    }

    /// Too many requests of one client, and when the next one may be taken.
    pub fn too_many_requests(retry_after_ms: i64) -> Self {
        Self::new(ProblemKind::TooManyRequests).with_retry_after_ms(retry_after_ms)
    }

    /// Says what happened this time.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after_ms(self, retry_after_ms: i64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..self }
    }

    /// Its kind.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The value of the header `Retry-After`: whole seconds, rounded up.
    pub fn retry_after_s(&self) -> Option<i64> {
        self.retry_after_ms.map(|ms| ms.max(0).saturating_add(999) / 1000)
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind)
    }
}

impl From<Vec<FieldError>> for Problem {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::invalid(errors)
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::invalid(vec![error])
    }
}

impl From<game::Invalid> for Problem {
    fn from(invalid: game::Invalid) -> Self {
        FieldError::from(invalid).into()
    }
}
