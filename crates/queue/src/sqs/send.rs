//! Sending: a message of a partition is sent when the one before it is stored.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::ops::Range;
use std::pin::pin;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{BuildError, SdkError};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Sqs;
use super::retry::{Outcomes, cut_off_error};
use crate::Outgoing;
use crate::bounds::{
    ENTRIES_PER_REQUEST_MAX, ID_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_AT_ONCE_MAX,
    SINGLE_REQUESTS_AT_ONCE_MAX,
};
use crate::error::Error;

/// The longest deduplication id that SQS accepts.
const DEDUP_ID_BYTES_MAX: usize = 128;

/// A message in the form that SQS stores.
pub(super) struct SqsEntry<'a> {
    pub(super) group: String,
    pub(super) dedup_id: String,
    pub(super) body: &'a str,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl SqsEntry<'_> {
    /// The size that SQS counts; the type names are assumed a few bytes longer than they are.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 8);
        self.body.len() + attributes.sum::<usize>()
    }

    fn build(&self, id: usize) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_group_id(&self.group)
            .message_deduplication_id(&self.dedup_id)
            .message_body(self.body);
        for (name, value) in &self.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
            entry = entry.message_attributes(*name, value);
        }
        entry.build()
    }
}

/// Whether SQS accepts this text as a body or the value of an attribute.
pub(super) fn is_sendable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_allowed)
}

pub(super) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// A text that SQS accepts as group and deduplication id, whatever the input is.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The messages of one partition that are not sent yet, in order, each with its index.
struct Lane<'a> {
    messages: VecDeque<(usize, SqsEntry<'a>)>,
    /// The first message was in a request that was cut off, so it may have been stored.
    cut_off: bool,
}

/// A finished request: its lanes, and the results of their first messages; `None` if it was cut off.
struct Ended<'a> {
    lanes: Vec<Lane<'a>>,
    results: Option<Vec<Result<(), Error>>>,
}

/// How many requests of one send may be in progress.
struct Permits {
    shared: Semaphore,
    single: Semaphore,
}

impl Sqs {
    /// Partitions share requests. The next requests begin when all shared ones have been answered, so that there are
    /// as few as possible. A shared request that is slow is cut off, and each of its partitions continues alone.
    pub(crate) async fn send_each(
        &self,
        envelopes: &[Outgoing],
        mut answered: impl FnMut(usize, Result<(), Error>),
    ) {
        let mut lanes = BTreeMap::<u16, Lane<'_>>::new();
        for (index, envelope) in envelopes.iter().enumerate() {
            match self.pack(envelope) {
                Ok(entry) => {
                    let empty = || Lane { messages: VecDeque::new(), cut_off: false };
                    let lane = lanes.entry(envelope.partition).or_insert_with(empty);
                    lane.messages.push_back((index, entry));
                }
                Err(error) => answered(index, Err(error)),
            }
        }
        let mut ready: Vec<_> = lanes.into_values().collect();
        let permits = Permits {
            shared: Semaphore::new(REQUESTS_AT_ONCE_MAX),
            single: Semaphore::new(SINGLE_REQUESTS_AT_ONCE_MAX),
        };
        let (mut in_flight, mut shared) = (FuturesUnordered::new(), 0);
        loop {
            if shared == 0 {
                let bytes: Vec<_> = ready.iter().map(Lane::next_bytes).collect();
                let mut rest = std::mem::take(&mut ready).into_iter();
                for request in requests(bytes) {
                    shared += usize::from(request.len() > 1);
                    let lanes = rest.by_ref().take(request.len()).collect();
                    in_flight.push(self.send_next(lanes, &permits));
                }
            }
            let Some(Ended { lanes, results }) = in_flight.next().await else { return };
            let was_shared = lanes.len() > 1;
            shared -= usize::from(was_shared);
            let Some(results) = results else {
                for lane in lanes {
                    let lane = Lane { cut_off: true, ..lane };
                    in_flight.push(self.send_next(vec![lane], &permits));
                }
                continue;
            };
            for (mut lane, result) in lanes.into_iter().zip(results) {
                lane.settle(result, &mut answered);
                match lane.messages.is_empty() {
                    true => {}
                    false if was_shared => ready.push(lane),
                    false => in_flight.push(self.send_next(vec![lane], &permits)),
                }
            }
        }
    }

    /// Sends the first message of each lane in one request.
    async fn send_next<'a>(&self, lanes: Vec<Lane<'a>>, permits: &Permits) -> Ended<'a> {
        let is_shared = lanes.len() > 1;
        let of_its_kind = if is_shared { &permits.shared } else { &permits.single };
        let _permit = of_its_kind.acquire().await; // never closed
        let entries: Vec<_> = lanes.iter().filter_map(Lane::next).collect();
        let request = self.request(&self.0.url, &entries);
        let results = if is_shared { self.in_time(request).await } else { Some(request.await) };
        Ended { lanes, results }
    }

    /// Waits for a shared request; `None`: it is cut off. After a close nothing more is sent, so it is waited for.
    async fn in_time<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        let mut request = pin!(request);
        let patience = &self.0.patience;
        if let Ok(done) = timeout(patience.timeout(), &mut request).await {
            patience.answered();
            return Some(done);
        }
        if self.0.closed.is_cancelled() {
            return Some(request.await);
        }
        patience.ran_out();
        None
    }

    fn pack<'a>(&self, envelope: &'a Outgoing) -> Result<SqsEntry<'a>, Error> {
        let Outgoing { partition, body, .. } = envelope;
        let id = envelope.stored_id();
        let (found_bytes, max_bytes) = (body.len(), self.0.options.body_bytes_max);
        if found_bytes > max_bytes {
            return Err(Error::TooLarge { found_bytes, max_bytes });
        }
        if !is_sendable(body) || !is_sendable(&id) || id.len() > ID_BYTES_MAX {
            return Err(Error::Unsendable);
        }
        let is_plain = id.len() <= DEDUP_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
        let (dedup_id, attributes) = if is_plain {
            (id.into_owned(), Vec::new())
        } else {
            (digest(&id), vec![("id", id.into_owned())])
        };
        Ok(SqsEntry { group: partition.to_string(), dedup_id, body, attributes })
    }

    /// Sends messages of different groups, and returns the result of each.
    pub(super) async fn deliver(&self, url: &str, entries: &[SqsEntry<'_>]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(entries.len());
        let entries: Vec<_> = entries.iter().collect();
        for requests in requests(entries.iter().map(|entry| entry.bytes())).chunks(REQUESTS_AT_ONCE_MAX) {
            let answers = requests.iter().map(|range| self.request(url, &entries[range.clone()]));
            results.extend(join_all(answers).await.into_iter().flatten());
        }
        results
    }

    /// One request, whose messages must be of different groups.
    async fn request(&self, url: &str, entries: &[&SqsEntry<'_>]) -> Vec<Result<(), Error>> {
        let request = |indices: Vec<usize>| async move {
            let entries: Result<Vec<_>, _> =
                indices.into_iter().map(|index| entries[index].build(index)).collect();
            let entries = entries.map_err(SdkError::construction_failure)?;
            let request = self.0.client.send_message_batch().queue_url(url).set_entries(Some(entries));
            let answer = request.send().await?;
            let done = answer.successful.into_iter().map(|entry| entry.id).collect();
            Ok::<_, SdkError<SendMessageBatchError, HttpResponse>>(Outcomes { done, failed: answer.failed })
        };
        self.0.call_batch(entries.len(), request).await
    }
}

impl<'a> Lane<'a> {
    fn next(&self) -> Option<&SqsEntry<'a>> {
        self.messages.front().map(|(_, entry)| entry)
    }

    fn next_bytes(&self) -> usize {
        self.next().map_or(0, SqsEntry::bytes)
    }

    /// Reports the result of the first message. If it failed, those behind it get the same error, because they must
    /// not overtake it.
    fn settle(&mut self, result: Result<(), Error>, answered: &mut impl FnMut(usize, Result<(), Error>)) {
        let Some((index, _)) = self.messages.pop_front() else { return };
        let cut_off = std::mem::take(&mut self.cut_off);
        let Err(error) = result else { return answered(index, Ok(())) };
        let error = if cut_off && error.is_definite() { cut_off_error() } else { error };
        answered(index, Err(error.clone()));
        for (later, _) in self.messages.drain(..) {
            answered(later, Err(error.clone()));
        }
    }
}

/// Splits messages of these lengths, in order, into requests that SQS accepts.
fn requests(bytes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut room_bytes = 0;
    for (index, bytes) in bytes.into_iter().enumerate() {
        match requests.last_mut() {
            Some(request) if request.len() < ENTRIES_PER_REQUEST_MAX && bytes <= room_bytes => {
                request.end = index + 1;
                room_bytes -= bytes;
            }
            _ => {
                requests.push(index..index + 1);
                room_bytes = REQUEST_BYTES_MAX.saturating_sub(bytes);
            }
        }
    }
    requests
}
