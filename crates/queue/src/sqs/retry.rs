//! What a failed request means, and trying again.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::BatchResultErrorEntry,
};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;

use super::Inner;
use crate::{
    bounds::{RETRIES_MAX, RETRY_PAUSE},
    error::Error,
};

/// What the service or the connection to it reported, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reported(String);

/// Why a request failed.
pub(super) struct Failure {
    error: Error,
    /// Whether it is worth a try within the same call.
    again: bool,
}

impl Failure {
    fn refused(report: String) -> Self {
        Self { error: Error::Refused { source: Arc::new(Reported(report)) }, again: false }
    }

    /// Nobody knows what became of it. One that took its time is not tried again here: the caller has waited.
    fn unanswered(report: String, again: bool) -> Self {
        Self { error: Error::Unanswered { source: Arc::new(Reported(report)) }, again }
    }

    /// What the service answered, for a request or for an entry of one.
    fn answered(code: &str, message: &str, ours: bool) -> Self {
        let report = format!("{code}: {message}");
        if ["Throttl", "OverLimit", "TooManyRequests"].iter().any(|part| code.contains(part)) {
            Self { error: Error::Throttled { source: Arc::new(Reported(report)) }, again: true }
        } else if !ours {
            Self::unanswered(report, true)
        } else if code.contains("ReceiptHandle")
            || code.contains("NotInflight")
            || code.contains("InvalidParameterValue") && message.contains("eceipt")
        {
            Self { error: Error::LeaseLost, again: false }
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

/// An error and what it came from.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// How the entries of a batch request fared, by their ids.
#[derive(Default)]
pub(super) struct Fates {
    pub(super) done: Vec<String>,
    pub(super) failed: Vec<BatchResultErrorEntry>,
}

impl Fates {
    /// Why the entry with this index failed, if it did.
    fn failure(&self, index: usize) -> Option<Failure> {
        let id = index.to_string();
        if self.done.contains(&id) {
            return None;
        }
        let failed = self.failed.iter().find(|entry| entry.id == id);
        Some(
            failed.map_or_else(
                || Failure::unanswered("the answer leaves it out".to_owned(), true),
                Failure::entry,
            ),
        )
    }
}

impl Inner {
    /// One request, tried again while it helps, and cut off when the inbox is closed. Those of the SDK are large, and
    /// do not belong in every future of our callers.
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
            match pauses.next().filter(|_| failure.again) {
                Some(pause) => self.pause(pause).await,
                None => return Err(failure.error),
            }
        }
    }

    /// A request of `count` entries whose ids are their indices, sent again with those that failed while it helps.
    pub(super) async fn call_batch<E, F>(
        &self,
        count: usize,
        request: impl Fn(Vec<usize>) -> F,
    ) -> Vec<Result<(), Error>>
    where
        F: Future<Output = Result<Fates, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut results = vec![Err(Error::Closed); count];
        let mut open: Vec<usize> = (0..count).collect();
        let mut pauses = self.pauses();
        // What is under way when the inbox is closed is finished: it may have been stored already.
        while !self.closed.is_cancelled() {
            let answer = Box::pin(request(open.clone())).await;
            for index in mem::take(&mut open) {
                let failure = match &answer {
                    Ok(fates) => fates.failure(index),
                    Err(error) => Some(Failure::request(error)),
                };
                let Some(failure) = failure else {
                    results[index] = Ok(());
                    continue;
                };
                if failure.again {
                    open.push(index);
                }
                // Once it may have been stored, nobody can say any more that it was not.
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

    /// The pauses before the retries of one call. Callers do not come back in step.
    fn pauses(&self) -> ExponentialBackoff {
        // What the builder calls jitter comes on top of a delay, up to as much again.
        let builder = ExponentialBuilder::new().with_min_delay(RETRY_PAUSE / 2).with_max_times(RETRIES_MAX);
        let seed = self.calls.fetch_add(1, Ordering::Relaxed);
        builder.with_jitter().with_jitter_seed(seed).build()
    }

    async fn pause(&self, pause: Duration) {
        let _ = self.closed.run_until_cancelled(sleep(pause)).await;
    }
}
