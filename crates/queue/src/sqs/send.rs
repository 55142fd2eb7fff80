//! Sending: a message of a partition leaves when the one before it is stored.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    ops::Range,
};

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{BuildError, SdkError},
    operation::send_message_batch::SendMessageBatchError,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};

use super::{Sqs, retry::Fates};
use crate::{
    Outgoing,
    bounds::{ENTRIES_PER_REQUEST_MAX, ID_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_AT_ONCE_MAX},
    error::Error,
};

/// The longest deduplication id that SQS takes.
const DEDUP_ID_BYTES_MAX: usize = 128;

/// A message as SQS has it.
pub(super) struct Parcel<'a> {
    pub(super) group: String,
    pub(super) dedup_id: String,
    pub(super) body: &'a str,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Parcel<'_> {
    /// What SQS counts. The names of types are longer than they need be by a few bytes.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 8);
        self.body.len() + attributes.sum::<usize>()
    }

    fn entry(&self, id: usize) -> Result<SendMessageBatchRequestEntry, BuildError> {
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

/// Whether SQS takes this text as a body or the value of an attribute.
pub(super) fn is_sendable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Whether SQS takes this character.
pub(super) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Something that SQS takes as group and deduplication id, whatever the text is.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Sqs {
    pub(crate) async fn send(&self, envelopes: &[Outgoing]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(envelopes.len());
        // What is still to be sent of each partition, in order.
        let mut lanes = BTreeMap::<u16, VecDeque<(usize, Parcel<'_>)>>::new();
        for (index, envelope) in envelopes.iter().enumerate() {
            results.push(match self.pack(envelope) {
                Ok(parcel) => {
                    lanes.entry(envelope.partition).or_default().push_back((index, parcel));
                    Ok(())
                }
                Err(error) => Err(error),
            });
        }
        while !lanes.is_empty() {
            let (indices, parcels): (Vec<_>, Vec<_>) =
                lanes.values_mut().filter_map(VecDeque::pop_front).unzip();
            for (index, result) in indices.into_iter().zip(self.deliver(&self.0.url, &parcels).await) {
                if let Err(error) = &result
                    && let Some(later) = lanes.remove(&envelopes[index].partition)
                {
                    // They must not overtake it.
                    later.into_iter().for_each(|(later, _)| results[later] = Err(error.clone()));
                }
                results[index] = result;
            }
            lanes.retain(|_, lane| !lane.is_empty());
        }
        results
    }

    fn pack<'a>(&self, envelope: &'a Outgoing) -> Result<Parcel<'a>, Error> {
        let Outgoing { partition, id, body } = envelope;
        let (found_bytes, max_bytes) = (body.len(), self.0.options.body_bytes_max);
        if found_bytes > max_bytes {
            return Err(Error::TooLarge { found_bytes, max_bytes });
        }
        if !is_sendable(body) || !is_sendable(id) || id.len() > ID_BYTES_MAX {
            return Err(Error::Unsendable);
        }
        let is_plain = id.len() <= DEDUP_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
        let (dedup_id, attributes) =
            if is_plain { (id.clone(), Vec::new()) } else { (digest(id), vec![("id", id.clone())]) };
        Ok(Parcel { group: partition.to_string(), dedup_id, body, attributes })
    }

    /// Sends parcels of different groups, and answers for each.
    pub(super) async fn deliver(&self, url: &str, parcels: &[Parcel<'_>]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(parcels.len());
        for requests in requests(parcels).chunks(REQUESTS_AT_ONCE_MAX) {
            let answers = requests.iter().map(|range| self.request(url, &parcels[range.clone()]));
            results.extend(join_all(answers).await.into_iter().flatten());
        }
        results
    }

    async fn request(&self, url: &str, parcels: &[Parcel<'_>]) -> Vec<Result<(), Error>> {
        let request = |indices: Vec<usize>| async move {
            let entries: Result<Vec<_>, _> =
                indices.into_iter().map(|index| parcels[index].entry(index)).collect();
            let entries = entries.map_err(SdkError::construction_failure)?;
            let request = self.0.client.send_message_batch().queue_url(url).set_entries(Some(entries));
            let answer = request.send().await?;
            let done = answer.successful.into_iter().map(|entry| entry.id).collect();
            Ok::<_, SdkError<SendMessageBatchError, HttpResponse>>(Fates { done, failed: answer.failed })
        };
        self.0.call_batch(parcels.len(), request).await
    }
}

/// Divides parcels, in order, into requests that SQS takes.
fn requests(parcels: &[Parcel<'_>]) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut room_bytes = 0;
    for (index, parcel) in parcels.iter().enumerate() {
        let bytes = parcel.bytes();
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
