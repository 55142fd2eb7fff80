//! One message in the handler: its commands, and which of them are buried.

use std::collections::BTreeMap;

use ledger::{Identity, JournalRow};
use queue::{DeadLetter, Message};

use super::buried::{Buried, LetterKind};
use super::{Arrived, Crowd, Refusal, StepError, entry};
use crate::bounds::REASON_CHARS_MAX;
use crate::envelope::{Envelope, entry_id, with_id};

/// A decoded message.
#[derive(Debug)]
pub(super) struct Work<T> {
    partition: u16,
    pub(super) message: Message,
    /// The commands that could be decoded, in order.
    pub(super) commands: Vec<Arrived<T>>,
    /// Entries that cannot be decoded, by index.
    unreadable: BTreeMap<u32, Refusal>,
    /// Commands that the rules call impossible, by index; found anew at each attempt.
    impossible: BTreeMap<u32, Refusal>,
    /// Commands that the store refuses, by index.
    refused: BTreeMap<u32, Refusal>,
    /// During the search for refused commands, the number of commands to apply.
    only_first: Option<usize>,
    /// Why the message must be buried whole.
    whole: Option<Refusal>,
}

/// Decodes messages of one partition, each entry on its own.
///
/// # Errors
/// [`StepError::Foreign`] if a message was written for another inbox or number of partitions.
pub(super) fn read_all<C: Crowd>(
    crowd: &C,
    identity: &Identity,
    partition: u16,
    messages: Vec<Message>,
) -> Result<Vec<Work<C::Command>>, StepError> {
    let read = |message| read(crowd, identity, partition, message).map_err(StepError::Foreign);
    messages.into_iter().map(read).collect()
}

/// The journal rows of messages, given what is buried of each.
pub(super) fn journal<'a, T>(works: &'a [Work<T>], buried: &'a [Vec<u32>]) -> Vec<JournalRow<'a>> {
    let row = |(work, buried): (&'a Work<T>, &'a Vec<u32>)| JournalRow {
        sequence: work.message.sequence.0,
        stored_at_ms: work.message.stored_at_ms,
        body: &work.message.body,
        buried,
    };
    works.iter().zip(buried).map(row).collect()
}

fn read<C: Crowd>(
    crowd: &C,
    identity: &Identity,
    partition: u16,
    message: Message,
) -> Result<Work<C::Command>, String> {
    let mut commands = Vec::new();
    let mut unreadable = BTreeMap::new();
    let mut whole = None;
    match Envelope::decode(&message.body) {
        Ok(envelope) if envelope.inbox != identity.inbox_id || envelope.partitions != identity.partitions => {
            return Err(format!(
                "message {} is for inbox {} with {} partitions, this handler serves inbox {} with {}",
                message.sequence, envelope.inbox, envelope.partitions, identity.inbox_id, identity.partitions
            ));
        }
        Ok(envelope) => {
            for (index, text) in (0..).zip(envelope.raw_entries()) {
                let place = (partition, identity.partitions);
                match entry::decode(crowd, place, Some(message.stored_at_ms), &envelope.id, index, text) {
                    Ok(command) => commands.push(command),
                    Err(reason) => _ = unreadable.insert(index, reason),
                }
            }
        }
        Err(error) => whole = Some(Refusal::new(error)),
    }
    let (impossible, refused) = (BTreeMap::new(), BTreeMap::new());
    Ok(Work { partition, message, commands, unreadable, impossible, refused, only_first: None, whole })
}

impl<T> Work<T> {
    /// The commands to apply, in order.
    pub(super) fn to_apply(&self) -> impl Iterator<Item = &Arrived<T>> {
        let first = match self.whole {
            Some(_) => 0,
            None => self.only_first.unwrap_or(usize::MAX),
        };
        self.commands.iter().take(first).filter(|command| !self.refused.contains_key(&command.index))
    }

    /// Applies the commands in order, and returns the number of those that could be.
    pub(super) fn apply<C: Crowd<Command = T>>(&mut self, crowd: &C, batch: &mut C::Batch) -> usize {
        let mut applied = 0;
        let mut impossible = BTreeMap::new();
        for command in self.to_apply() {
            match crowd.apply(batch, command) {
                Ok(()) => applied += 1,
                Err(reason) => _ = impossible.insert(command.index, reason),
            }
        }
        self.impossible = impossible;
        applied
    }

    /// Limits the commands that are applied to the first so many; `None` lifts the limit.
    pub(super) fn only_first(&mut self, commands: Option<usize>) {
        self.only_first = commands;
    }

    /// Marks the command at this index of `commands` as refused; without such a command, the whole message.
    pub(super) fn refuse(&mut self, place: Option<usize>, reason: Refusal) {
        match place.and_then(|place| self.commands.get(place)) {
            Some(command) => _ = self.refused.insert(command.index, reason),
            None => self.whole = Some(reason),
        }
    }

    pub(super) fn buried(&self) -> Buried {
        match self.whole {
            Some(_) => Buried::Whole,
            None => Buried::Entries(self.refusals().into_keys().collect()),
        }
    }

    /// The reasons of the buried entries, by index.
    fn refusals(&self) -> BTreeMap<u32, &Refusal> {
        let all = self.unreadable.iter().chain(&self.impossible).chain(&self.refused);
        all.map(|(index, reason)| (*index, reason)).collect()
    }

    /// The dead letters of this message.
    pub(super) fn letters(&self, inbox_id: &str, now_ms: i64) -> Vec<DeadLetter> {
        let Message { sequence, ref body, .. } = self.message;
        let letter = |kind: LetterKind, body: String, reason: &Refusal| DeadLetter {
            id: kind.letter_id(inbox_id, self.partition, sequence),
            partition: self.partition,
            body,
            reason: reason.to_string().chars().take(REASON_CHARS_MAX).collect(),
            buried_at_ms: now_ms,
        };
        if let Some(reason) = &self.whole {
            return vec![letter(LetterKind::Whole, body.clone(), reason)];
        }
        let buried = self.refusals();
        if buried.is_empty() {
            return Vec::new();
        }
        let Ok(envelope) = Envelope::decode(body) else { return Vec::new() };
        let entries: Vec<_> = envelope.raw_entries().collect();
        let text = |index: u32| {
            let text = entries.get(index as usize).copied().unwrap_or_default();
            with_id(text, &entry_id(&envelope.id, index as usize))
        };
        buried
            .into_iter()
            .map(|(index, reason)| letter(LetterKind::Entry(index), text(index), reason))
            .collect()
    }
}
