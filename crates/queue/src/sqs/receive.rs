//! Receiving.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_sqs::types::{self, MessageSystemAttributeName as Attribute};

use super::connect::timeouts;
use super::lease::{Change, Receipts};
use super::{NOTHING, Sqs};
use crate::bounds::{ANSWER_TIMEOUT, ENTRIES_PER_REQUEST_MAX, RECEIVE_WAIT_S_MAX};
use crate::error::Error;
use crate::{Delivery, Lease, LeaseKey, Limit, Message, Sequence};

struct Received {
    message: Message,
    receipt: String,
}

impl Sqs {
    pub(crate) async fn receive(&self, limit: Limit, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let mut left_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        loop {
            let wait_s = left_s.min(RECEIVE_WAIT_S_MAX);
            let found = self.take(&self.0.url, limit.messages_max, wait_s, self.visibility_s()).await?;
            let batches = self.batches(found, limit).await;
            left_s -= wait_s;
            if !batches.is_empty() || left_s == 0 {
                return Ok(batches);
            }
        }
    }

    /// One receive request.
    pub(super) async fn take(
        &self,
        url: &str,
        messages_max: usize,
        wait_s: u64,
        visibility_s: i32,
    ) -> Result<Vec<types::Message>, Error> {
        let patience = timeouts(Duration::from_secs(wait_s) + ANSWER_TIMEOUT);
        let request = || {
            let request = self.0.client.receive_message().queue_url(url);
            request
                .max_number_of_messages(small(messages_max.clamp(1, ENTRIES_PER_REQUEST_MAX)))
                .wait_time_seconds(small(wait_s))
                .visibility_timeout(visibility_s)
                .message_system_attribute_names(Attribute::All)
                .message_attribute_names("All")
                .customize()
                .config_override(aws_sdk_sqs::Config::builder().timeout_config(patience.clone()))
                .send()
        };
        Ok(self.0.call(request).await?.messages.unwrap_or_default())
    }

    /// Groups messages by partition, and makes those beyond the limit visible again.
    async fn batches(&self, found: Vec<types::Message>, limit: Limit) -> Vec<Delivery> {
        let until_ms = self.now_ms() + i64::from(self.visibility_s()) * 1000;
        let mut groups: Vec<(u16, Vec<Received>)> = Vec::new();
        for message in found {
            let Some((partition, received)) = read(message) else {
                // It stays in flight until the redrive policy moves it.
                tracing::error!("the queue has a message that no sender of this inbox wrote");
                continue;
            };
            match groups.iter_mut().find(|(of, _)| *of == partition) {
                Some((_, group)) => group.push(received),
                None => groups.push((partition, vec![received])),
            }
        }
        let all = groups.iter().flat_map(|(_, group)| group).map(|received| &received.message);
        let sent = all.filter(|message| !message.is_quiet()).map(|message| message.stored_at_ms);
        self.0.oldest_sent_at_ms.store(sent.min().unwrap_or(NOTHING), Ordering::Relaxed);

        let (mut batches, mut too_much) = (Vec::new(), Vec::new());
        let (mut room_bytes, mut is_first) = (limit.bytes_max, true);
        for (partition, mut group) in groups {
            group.sort_by_key(|received| received.message.sequence);
            let fits = |received: &&Received| {
                let bytes = received.message.body.len();
                // The first one is returned however long it is.
                let fits = std::mem::take(&mut is_first) || bytes <= room_bytes;
                if fits {
                    room_bytes = room_bytes.saturating_sub(bytes);
                }
                fits
            };
            let kept = group.iter().take_while(fits).count();
            too_much.extend(group.drain(kept..).map(|received| received.receipt));
            if kept > 0 {
                let receipts = group.iter().map(|of| (of.message.sequence, of.receipt.clone())).collect();
                let key = LeaseKey::Receipts(Receipts::new(until_ms, receipts));
                let messages = group.into_iter().map(|received| received.message).collect();
                batches.push(Delivery { lease: Lease { partition, key }, messages });
            }
        }
        self.make_visible(&self.0.url, &too_much).await;
        batches
    }

    /// Makes messages visible at once. If that fails, they are when their visibility timeout has run out.
    pub(super) async fn make_visible(&self, url: &str, receipts: &[String]) {
        let results = self.change(url, receipts, Change::SHOW).await;
        if let Some(error) = results.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "messages not made visible; their visibility timeout will run out");
        }
    }

    /// The visibility timeout of the options, in seconds.
    pub(super) fn visibility_s(&self) -> i32 {
        // The range of SQS.
        small((self.0.options.visibility_ms.max(0).unsigned_abs().div_ceil(1000)).clamp(1, 43_200))
    }
}

/// Converts a number for the SDK; all of ours are small.
fn small(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// A system attribute of a message.
pub(super) fn attribute<'a>(message: &'a types::Message, name: &Attribute) -> Option<&'a str> {
    message.attributes()?.get(name).map(String::as_str)
}

/// An attribute that the sender set.
pub(super) fn sent_attribute<'a>(message: &'a types::Message, name: &str) -> Option<&'a str> {
    message.message_attributes()?.get(name)?.string_value()
}

pub(super) fn sequence(message: &types::Message) -> Option<Sequence> {
    attribute(message, &Attribute::SequenceNumber)?.parse().ok().map(Sequence)
}

pub(super) fn id(message: &types::Message) -> Option<&str> {
    sent_attribute(message, "id").or_else(|| attribute(message, &Attribute::MessageDeduplicationId))
}

/// `None` for a message that this crate did not send.
fn read(found: types::Message) -> Option<(u16, Received)> {
    let partition = attribute(&found, &Attribute::MessageGroupId)?.parse().ok()?;
    let message = Message {
        sequence: sequence(&found)?,
        id: id(&found)?.to_owned(),
        stored_at_ms: attribute(&found, &Attribute::SentTimestamp)?.parse().ok()?,
        receive_count: attribute(&found, &Attribute::ApproximateReceiveCount)?.parse().ok()?,
        body: found.body?,
    };
    Some((partition, Received { message, receipt: found.receipt_handle? }))
}
