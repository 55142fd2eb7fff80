//! Classifies failed requests, and retries them.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;

use super::Inner;
use crate::bounds::{RETRIES_MAX, RETRY_PAUSE};
use crate::error::Error;

/// What the service or the connection reported, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reported(String);

/// Why a request failed.
pub(super) struct Failure {
    error: Error,
    /// Whether a retry within the same call may help.
    retry: bool,
}

impl Failure {
    fn refused(report: String) -> Self {
        Self { error: Error::Refused { source: Arc::new(Reported(report)) }, retry: false }
    }

    /// The outcome is unknown. A request that timed out is not retried within the call: the caller has waited long
    /// enough.
    fn unanswered(report: String, retry: bool) -> Self {
        Self { error: Error::Unanswered { source: Arc::new(Reported(report)) }, retry }
    }

    /// An error that the service returned, for a request or for one of its entries.
    fn answered(code: &str, message: &str, ours: bool) -> Self {
        let report = format!("{code}: {message}");
        if ["Throttl", "OverLimit", "TooManyRequests"].iter().any(|part| code.contains(part)) {
            Self { error: Error::Throttled { source: Arc::new(Reported(report)) }, retry: true }
        } else if !ours {
            Self::unanswered(report, true)
        } else if code.contains("ReceiptHandle")
            || code.contains("NotInflight")
            || code.contains("InvalidParameterValue") && message.contains("eceipt")
        {
            Self { error: Error::LeaseLost, retry: false }
        } else {
            Self::refused(report)
        }
    }

    fn entry(entry: &BatchResultErrorEntry) -> Self {
        Self::answered(&entry.code, entry.message().unwrap_or_default(), entry.sender_fault)
    }

    fn request<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => Self::answered(
                answer.err().code().unwrap_or("unknown"),
                answer.err().message().unwrap_or_default(),
                answer.raw().status().is_client_error(),
            ),
            SdkError::ConstructionFailure(_) => Self::refused(chain(error)),
            SdkError::DispatchFailure(failure) if failure.is_user() => Self::refused(chain(error)),
            SdkError::DispatchFailure(failure) => Self::unanswered(chain(error), !failure.is_timeout()),
            SdkError::TimeoutError(_) => Self::unanswered(chain(error), false),
            _ => Self::unanswered(chain(error), true),
        }
    }
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error of a request that was cut off: whether it arrived is unknown.
pub(super) fn cut_off_error() -> Error {
    Failure::unanswered("no answer to a request of several partitions".to_owned(), true).error
}

/// The results of the entries of a batch request, by their ids.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) done: Vec<String>,
    pub(super) failed: Vec<BatchResultErrorEntry>,
}

impl Outcomes {
    /// The failure of the entry with this index, if it failed.
    fn failure(&self, index: usize) -> Option<Failure> {
        let id = index.to_string();
        if self.done.contains(&id) {
            return None;
        }
        let failed = self.failed.iter().find(|entry| entry.id == id);
        Some(
            failed.map_or_else(
                || Failure::unanswered("missing in the response".to_owned(), true),
                Failure::entry,
            ),
        )
    }
}

impl Inner {
    /// One request with retries, cut off when the inbox is closed. Boxed, because the futures of the SDK are large.
    pub(super) async fn call<T, E, F>(&self, request: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut pauses = self.pauses();
        loop {
            let answer = self.closed.run_until_cancelled(Box::pin(request())).await.ok_or(Error::Closed)?;
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::request(&error),
            };
            match pauses.next().filter(|_| failure.retry) {
                Some(pause) => self.pause(pause).await,
                None => return Err(failure.error),
            }
        }
    }

    /// A batch request of `count` entries whose ids are their indices; failed entries are retried.
    pub(super) async fn call_batch<E, F>(
        &self,
        count: usize,
        request: impl Fn(Vec<usize>) -> F,
    ) -> Vec<Result<(), Error>>
    where
        F: Future<Output = Result<Outcomes, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut results = vec![Err(Error::Closed); count];
        let mut open: Vec<usize> = (0..count).collect();
        let mut pauses = self.pauses();
        // A request in progress is finished after a close: it may have been stored already.
        while !self.closed.is_cancelled() {
            let answer = Box::pin(request(open.clone())).await;
            for index in mem::take(&mut open) {
                let failure = match &answer {
                    Ok(outcomes) => outcomes.failure(index),
                    Err(error) => Some(Failure::request(error)),
                };
                let Some(failure) = failure else {
                    results[index] = Ok(());
                    continue;
                };
                if failure.retry {
                    open.push(index);
                }
                // An entry that may have been stored stays unknown, whatever a retry says.
                let is_open = matches!(results[index], Err(Error::Unanswered { .. }));
                if !is_open || matches!(failure.error, Error::LeaseLost) {
                    results[index] = Err(failure.error);
                }
            }
            match pauses.next().filter(|_| !open.is_empty()) {
                Some(pause) => self.pause(pause).await,
                None => return results,
            }
        }
        results
    }

    /// The pauses between the retries of one call, with another jitter for each.
    fn pauses(&self) -> ExponentialBackoff {
        // The builder adds jitter of up to the whole delay on top of it.
        let builder = ExponentialBuilder::new().with_min_delay(RETRY_PAUSE / 2).with_max_times(RETRIES_MAX);
        let seed = self.calls.fetch_add(1, Ordering::Relaxed);
        builder.with_jitter().with_jitter_seed(seed).build()
    }

    async fn pause(&self, pause: Duration) {
        let _ = self.closed.run_until_cancelled(sleep(pause)).await;
    }
}
