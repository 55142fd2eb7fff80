//! The calls with a lease.

use std::sync::Arc;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{BuildError, SdkError};
use aws_sdk_sqs::operation::change_message_visibility_batch::ChangeMessageVisibilityBatchError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry as HideEntry, DeleteMessageBatchRequestEntry as DeleteEntry,
};
use futures_util::future::join_all;
use parking_lot::Mutex;

use super::Sqs;
use super::retry::Outcomes;
use crate::bounds::{BELIEVED_LENGTHS_MAX, ENTRIES_PER_REQUEST_MAX, REQUESTS_AT_ONCE_MAX};
use crate::error::Error;
use crate::{Lease, LeaseKey, Message, Sequence};

/// The receipts of a lease, shared by its clones.
#[derive(Clone, Debug)]
pub(crate) struct Receipts(Arc<Mutex<Held>>);

/// The messages of a lease that are in flight.
#[derive(Debug)]
struct Held {
    until_ms: i64,
    /// In order; empty when the lease is over.
    receipts: Vec<(Sequence, String)>,
}

impl PartialEq for Receipts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Receipts {}

impl Receipts {
    pub(super) fn new(until_ms: i64, receipts: Vec<(Sequence, String)>) -> Self {
        Self(Arc::new(Mutex::new(Held { until_ms, receipts })))
    }
}

/// A change of received messages.
#[derive(Copy, Clone)]
pub(super) enum Change {
    /// Hides them for this long from now on.
    Hide {
        visibility_s: i32,
    },
    Delete,
}

impl Change {
    /// Makes them visible at once.
    pub(super) const SHOW: Self = Self::Hide { visibility_s: 0 };
}

impl Sqs {
    /// SQS returns nothing more of a group with messages in flight.
    pub(crate) fn read_ahead(&self, lease: &Lease) -> Result<Vec<Message>, Error> {
        self.held(lease, Sequence(u128::MAX)).map(|_| Vec::new())
    }

    pub(crate) async fn extend(&self, lease: &Lease) -> Result<(), Error> {
        let (held, receipts) = self.held(lease, Sequence(u128::MAX))?;
        let visibility_s = self.visibility_s();
        let until_ms = self.now_ms() + i64::from(visibility_s) * 1000;
        let results = self.change(&self.0.url, &receipts, Change::Hide { visibility_s }).await;
        let mut held = held.lock();
        for (receipt, result) in receipts.iter().zip(results) {
            // A message that was acked meanwhile cannot and need not be renewed.
            if held.receipts.iter().any(|(_, of)| of == receipt) {
                result?;
            }
        }
        held.until_ms = until_ms;
        Ok(())
    }

    pub(crate) async fn ack(&self, lease: &Lease, through: Sequence) -> Result<(), Error> {
        let (held, receipts) = self.held(lease, through)?;
        let results = self.change(&self.0.url, &receipts, Change::Delete).await;
        let mut held = held.lock();
        for (receipt, result) in receipts.iter().zip(&results) {
            if result.is_ok() {
                held.receipts.retain(|(_, of)| of != receipt);
            }
        }
        results.into_iter().collect()
    }

    pub(crate) async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let (held, receipts) = self.held(lease, Sequence(u128::MAX))?;
        self.change(&self.0.url, &receipts, Change::SHOW).await.into_iter().collect::<Result<(), _>>()?;
        held.lock().receipts.clear();
        Ok(())
    }

    /// The messages of a lease, and the receipts up to `through`.
    fn held<'a>(&self, lease: &'a Lease, through: Sequence) -> Result<(&'a Mutex<Held>, Vec<String>), Error> {
        if self.0.closed.is_cancelled() {
            return Err(Error::Closed);
        }
        let LeaseKey::Receipts(receipts) = &lease.key else { return Err(Error::LeaseLost) };
        let held = receipts.0.lock();
        let left_ms = held.until_ms.saturating_sub(self.now_ms());
        let left_ms_max = i64::from(self.visibility_s()) * 1000 * BELIEVED_LENGTHS_MAX;
        // With more time left, the clock has been set back since.
        if held.receipts.is_empty() || left_ms <= 0 || left_ms > left_ms_max {
            return Err(Error::LeaseLost);
        }
        let up_to = held.receipts.iter().take_while(|(sequence, _)| *sequence <= through);
        Ok((&receipts.0, up_to.map(|(_, receipt)| receipt.clone()).collect()))
    }

    /// Changes messages, and returns the result of each.
    pub(super) async fn change(
        &self,
        url: &str,
        receipts: &[String],
        change: Change,
    ) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(receipts.len());
        for several in receipts.chunks(ENTRIES_PER_REQUEST_MAX * REQUESTS_AT_ONCE_MAX) {
            let answers = several.chunks(ENTRIES_PER_REQUEST_MAX).map(|receipts| async move {
                match change {
                    Change::Hide { visibility_s } => self.hide(url, receipts, visibility_s).await,
                    Change::Delete => self.delete(url, receipts).await,
                }
            });
            results.extend(join_all(answers).await.into_iter().flatten());
        }
        results
    }

    async fn hide(&self, url: &str, receipts: &[String], visibility_s: i32) -> Vec<Result<(), Error>> {
        let request = |indices: Vec<usize>| async move {
            let entry = |index: usize| {
                let entry = HideEntry::builder().id(index.to_string()).visibility_timeout(visibility_s);
                entry.receipt_handle(&receipts[index]).build()
            };
            let entries: Result<Vec<_>, BuildError> = indices.into_iter().map(entry).collect();
            let entries = entries.map_err(SdkError::construction_failure)?;
            let request = self.0.client.change_message_visibility_batch().queue_url(url);
            let answer = request.set_entries(Some(entries)).send().await?;
            let done = answer.successful.into_iter().map(|entry| entry.id).collect();
            Ok::<_, SdkError<ChangeMessageVisibilityBatchError, HttpResponse>>(Outcomes {
                done,
                failed: answer.failed,
            })
        };
        self.0.call_batch(receipts.len(), request).await
    }

    async fn delete(&self, url: &str, receipts: &[String]) -> Vec<Result<(), Error>> {
        let request = |indices: Vec<usize>| async move {
            let entry = |index: usize| {
                DeleteEntry::builder().id(index.to_string()).receipt_handle(&receipts[index]).build()
            };
            let entries: Result<Vec<_>, BuildError> = indices.into_iter().map(entry).collect();
            let entries = entries.map_err(SdkError::construction_failure)?;
            let request = self.0.client.delete_message_batch().queue_url(url);
            let answer = request.set_entries(Some(entries)).send().await?;
            let done = answer.successful.into_iter().map(|entry| entry.id).collect();
            Ok::<_, SdkError<DeleteMessageBatchError, HttpResponse>>(Outcomes { done, failed: answer.failed })
        };
        self.0.call_batch(receipts.len(), request).await
    }
}
