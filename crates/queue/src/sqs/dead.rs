//! Dead letters. Each one is a group of its own in the dead-letter queue, so that none hides another.
//!
//! A listing receives all of them, which hides them from other listings, and makes them visible again at the end.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::types::{self, MessageSystemAttributeName as Attribute};

use super::Sqs;
use super::lease::Change;
use super::receive::{attribute, id, sent_attribute, sequence};
use super::send::{SqsEntry, digest, is_allowed, is_sendable};
use crate::bounds::{
    ENTRIES_PER_REQUEST_MAX, ID_BYTES_MAX, LETTERS_HIDDEN_S, LETTERS_SEEN_MAX, LETTERS_WAIT_S,
    REASON_BYTES_MAX,
};
use crate::error::Error;
use crate::{DeadLetter, Sequence};

/// The attribute of letters that this crate buried, with the time.
const BURIED_AT_MS: &str = "buried_at_ms";

fn pack(letter: &DeadLetter) -> Result<SqsEntry<'_>, Error> {
    if !is_sendable(&letter.body) || !is_sendable(&letter.id) || letter.id.len() > ID_BYTES_MAX {
        return Err(Error::Unsendable);
    }
    let mut attributes = vec![
        ("id", letter.id.clone()),
        ("partition", letter.partition.to_string()),
        (BURIED_AT_MS, letter.buried_at_ms.to_string()),
    ];
    // The reason is for people: better altered than not buried.
    let mut reason: String = letter
        .reason
        .chars()
        .map(|of| if is_allowed(of) { of } else { char::REPLACEMENT_CHARACTER })
        .collect();
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    if !reason.is_empty() {
        attributes.push(("reason", reason));
    }
    let name = digest(&letter.id);
    Ok(SqsEntry { group: name.clone(), dedup_id: name, body: &letter.body, attributes })
}

/// Parses a letter that this crate buried.
fn read(message: &types::Message) -> Option<(Sequence, DeadLetter)> {
    let letter = DeadLetter {
        id: id(message)?.to_owned(),
        partition: sent_attribute(message, "partition")?.parse().ok()?,
        body: message.body()?.to_owned(),
        reason: sent_attribute(message, "reason").unwrap_or_default().to_owned(),
        buried_at_ms: sent_attribute(message, BURIED_AT_MS)?.parse().ok()?,
    };
    Some((sequence(message)?, letter))
}

impl Sqs {
    pub(crate) async fn bury(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        let entries = letters.iter().map(pack).collect::<Result<Vec<_>, _>>()?;
        self.deliver(&self.0.dead_url, &entries).await.into_iter().collect()
    }

    pub(crate) async fn dead_letters(
        &self,
        after_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut page = BTreeMap::<String, (Sequence, DeadLetter)>::new();
        self.look_through(|sequence, letter| {
            if after_id.is_none_or(|after_id| letter.id.as_str() > after_id) {
                // Of copies that were not deduplicated, the first counts.
                match page.get(&letter.id) {
                    Some((first, _)) if *first < sequence => {}
                    _ => drop(page.insert(letter.id.clone(), (sequence, letter))),
                }
                if page.len() > limit {
                    page.pop_last();
                }
            }
            false
        })
        .await?;
        Ok(page.into_values().map(|(_, letter)| letter).collect())
    }

    pub(crate) async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        let mut found: Option<(Sequence, DeadLetter)> = None;
        self.look_through(|sequence, letter| {
            if letter.id == id && found.as_ref().is_none_or(|(first, _)| sequence < *first) {
                found = Some((sequence, letter));
            }
            false
        })
        .await?;
        Ok(found.map(|(_, letter)| letter))
    }

    pub(crate) async fn forget_dead(&self, ids: &[String]) -> Result<u64, Error> {
        let mut forgotten = BTreeSet::new();
        self.look_through(|_, letter| {
            let forget = ids.contains(&letter.id);
            if forget {
                forgotten.insert(letter.id);
            }
            forget
        })
        .await?;
        Ok(forgotten.len() as u64)
    }

    /// Visits every letter, and removes those for which `forget` returns `true`.
    async fn look_through(&self, mut forget: impl FnMut(Sequence, DeadLetter) -> bool) -> Result<(), Error> {
        let mut kept = Vec::new();
        let result = loop {
            match self.look_at_some(&mut kept, &mut forget).await {
                Ok(true) if kept.len() >= LETTERS_SEEN_MAX => {
                    tracing::warn!(seen = kept.len(), "too many dead letters: the list is incomplete");
                    break Ok(());
                }
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.make_visible(&self.0.dead_url, &kept).await;
        result
    }

    /// One receive; `false` if nothing is left.
    async fn look_at_some(
        &self,
        kept: &mut Vec<String>,
        forget: &mut impl FnMut(Sequence, DeadLetter) -> bool,
    ) -> Result<bool, Error> {
        let url = &self.0.dead_url;
        let found = self.take(url, ENTRIES_PER_REQUEST_MAX, LETTERS_WAIT_S, LETTERS_HIDDEN_S).await?;
        let is_some = !found.is_empty();
        let (mut gone, mut moved) = (Vec::new(), Vec::new());
        for mut message in found {
            let receipt = message.receipt_handle.take().unwrap_or_default();
            match read(&message) {
                Some((sequence, letter)) => {
                    if forget(sequence, letter) { &mut gone } else { &mut *kept }.push(receipt);
                }
                None => {
                    moved.push(self.adopt(&message));
                    gone.push(receipt);
                }
            }
        }
        // A message that the redrive policy moved here is in the group of its partition, and hides all behind it. As
        // a letter of ours it hides nothing, and the next receive finds it.
        self.bury(&moved).await?;
        self.change(url, &gone, Change::Delete).await.into_iter().collect::<Result<(), _>>()?;
        Ok(is_some)
    }

    /// Converts a message that SQS itself moved here into a letter.
    fn adopt(&self, message: &types::Message) -> DeadLetter {
        let number = |name| attribute(message, &name).and_then(|number| number.parse().ok());
        let sequence = sequence(message).map(|sequence| sequence.to_string()).unwrap_or_default();
        let partition = attribute(message, &Attribute::MessageGroupId).and_then(|group| group.parse().ok());
        DeadLetter {
            id: format!("{}#{sequence}", id(message).unwrap_or_default()),
            // A message that no sender of this inbox wrote has none.
            partition: partition.unwrap_or_default(),
            body: message.body().unwrap_or_default().to_owned(),
            reason: format!("received {} times", self.0.receive_max),
            buried_at_ms: number(Attribute::SentTimestamp).unwrap_or_else(|| self.now_ms()),
        }
    }
}
