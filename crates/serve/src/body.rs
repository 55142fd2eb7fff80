//! The body of a request, within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use wire::{BODY_BYTES_MAX, FieldError, Problem, ProblemKind};

use crate::bounds::{BODY_DISCARD_BYTES_MAX, BODY_MS_MAX, DISCARD_MS_MAX};

/// Reads a body whole, within its bounds of size and time.
///
/// # Errors
/// The problem to answer with: 413, 408, or 400 when the connection broke off.
pub async fn body(body: Body) -> Result<Bytes, Problem> {
    read_within(BODY_MS_MAX, body).await
}

/// Reads a body that nobody needs, within bounds, and throws it away: a connection that is closed before its body was
/// read takes the answer back.
pub async fn discard(body: Body) {
    let _ = read_within(DISCARD_MS_MAX, body).await;
}

async fn read_within(ms: u64, body: Body) -> Result<Bytes, Problem> {
    let mut reading = std::pin::pin!(read(body));
    // A small body has mostly come with the head: then no timer is needed.
    if let Some(whole) = reading.as_mut().now_or_never() {
        return whole;
    }
    let whole = tokio::time::timeout(Duration::from_millis(ms), reading).await;
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

/// A field that is wrong.
pub fn field(field: &str, reason: &str) -> FieldError {
    FieldError { field: field.to_owned(), reason: reason.to_owned() }
}
