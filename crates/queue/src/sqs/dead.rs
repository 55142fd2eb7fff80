//! Dead letters. Each is a group of its own in the dead-letter queue, so that none hides another.
//!
//! To list them is to receive them all: they are hidden from other listings meanwhile, and given back at the end.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::types::{self, MessageSystemAttributeName as Attribute};

use super::{
    Sqs,
    lease::Change,
    receive::{attribute, id, sent_attribute, sequence},
    send::{Parcel, digest, is_allowed, is_sendable},
};
use crate::{
    DeadLetter, Sequence,
    bounds::{
        ENTRIES_PER_REQUEST_MAX, ID_BYTES_MAX, LETTERS_HIDDEN_S, LETTERS_SEEN_MAX, LETTERS_WAIT_S,
        REASON_BYTES_MAX,
    },
    error::Error,
};

/// The mark of letters that were buried by this crate, and when that was.
const BURIED_AT_MS: &str = "buried_at_ms";

fn pack(letter: &DeadLetter) -> Result<Parcel<'_>, Error> {
    if !is_sendable(&letter.body) || !is_sendable(&letter.id) || letter.id.len() > ID_BYTES_MAX {
        return Err(Error::Unsendable);
    }
    let mut attributes = vec![
        ("id", letter.id.clone()),
        ("partition", letter.partition.to_string()),
        (BURIED_AT_MS, letter.buried_at_ms.to_string()),
    ];
    // For people: rather changed a little than not buried.
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
    Ok(Parcel { group: name.clone(), dedup_id: name, body: &letter.body, attributes })
}

/// Reads a letter that was buried by this crate.
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
        let parcels = letters.iter().map(pack).collect::<Result<Vec<_>, _>>()?;
        self.deliver(&self.0.dead_url, &parcels).await.into_iter().collect()
    }

    pub(crate) async fn dead_letters(
        &self,
        after_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut page = BTreeMap::<String, (Sequence, DeadLetter)>::new();
        self.look_through(|sequence, letter| {
            if after_id.is_none_or(|after_id| letter.id.as_str() > after_id) {
                // Of copies that are older than what SQS remembers, the first counts.
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

    /// Shows every letter, and removes those of which `forget` says so.
    async fn look_through(&self, mut forget: impl FnMut(Sequence, DeadLetter) -> bool) -> Result<(), Error> {
        let mut kept = Vec::new();
        let result = loop {
            match self.look_at_some(&mut kept, &mut forget).await {
                Ok(true) if kept.len() >= LETTERS_SEEN_MAX => {
                    tracing::warn!(seen = kept.len(), "there are more dead letters than are looked at");
                    break Ok(());
                }
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.give_back(&self.0.dead_url, &kept).await;
        result
    }

    /// One receive; false when nothing is left to look at.
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
        // What the redrive policy moved here is of its partition's group, and hides all behind it. As a letter
        // of ours it hides nothing, and is found by the next receive.
        self.bury(&moved).await?;
        self.change(url, &gone, Change::Delete).await.into_iter().collect::<Result<(), _>>()?;
        Ok(is_some)
    }

    /// The letter that a message is which SQS itself moved here.
    fn adopt(&self, message: &types::Message) -> DeadLetter {
        let number = |name| attribute(message, &name).and_then(|number| number.parse().ok());
        let sequence = sequence(message).map(|sequence| sequence.to_string()).unwrap_or_default();
        let partition = attribute(message, &Attribute::MessageGroupId).and_then(|group| group.parse().ok());
        DeadLetter {
            id: format!("{}#{sequence}", id(message).unwrap_or_default()),
            // Of a message that nobody sent to this inbox there is none.
            partition: partition.unwrap_or_default(),
            body: message.body().unwrap_or_default().to_owned(),
            reason: format!("received {} times", self.0.receive_max),
            buried_at_ms: number(Attribute::SentTimestamp).unwrap_or_else(|| self.now_ms()),
        }
    }
}
