//! Reads the body of a request, within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use wire::{BODY_BYTES_MAX, FieldError, Problem, ProblemKind};

use crate::bounds::{BODY_DISCARD_BYTES_MAX, BODY_TIME_MAX, DISCARD_TIME_MAX};

/// Reads a whole body within its bounds.
///
/// # Errors
/// The problem to respond with: 413, 408, or 400 if the connection broke.
pub async fn body(body: Body) -> Result<Bytes, Problem> {
    read_with_timeout(BODY_TIME_MAX, body).await
}

/// Reads and discards a body within bounds: closing a connection with an unread body would lose the response.
pub async fn discard(body: Body) {
    let _ = read_with_timeout(DISCARD_TIME_MAX, body).await;
}

async fn read_with_timeout(time_max: Duration, body: Body) -> Result<Bytes, Problem> {
    let mut reading = std::pin::pin!(read(body));
    // A small body has usually come with the head, and needs no timer.
    if let Some(whole) = reading.as_mut().now_or_never() {
        return whole;
    }
    let whole = tokio::time::timeout(time_max, reading).await;
    whole.unwrap_or_else(|_| Err(Problem::new(ProblemKind::RequestTimeout)))
}

async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let expected = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    let expected = expected.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX);
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::from(field("body", "broke off")))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes > BODY_DISCARD_BYTES_MAX {
            break;
        }
        if bytes == data.len() {
            first = data; // the usual case: the body came in one piece and is not copied
        } else if bytes <= BODY_BYTES_MAX {
            if all.is_empty() {
                all.reserve_exact(expected);
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    if bytes <= BODY_BYTES_MAX {
        return Ok(if all.is_empty() { first } else { all.into() });
    }
    let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
    Err(Problem::new(ProblemKind::BodyTooLarge).with_detail(detail))
}

/// An invalid field.
pub fn field(field: &str, reason: &str) -> FieldError {
    FieldError { field: field.to_owned(), reason: reason.to_owned() }
}
