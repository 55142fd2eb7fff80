//! One message on its way through the writer: what it carries, and what of it must be buried.

use std::collections::BTreeMap;

use queue::{DeadLetter, Message};
use store::JournalRow;
use wire::{Entry, Envelope};

use super::{Crowd, Identity, StepError};
use crate::bounds::REASON_CHARS_MAX;

/// Stands in the journal for "the whole message was buried".
pub const WHOLE: u32 = u32::MAX;

/// Stands in the id of a dead letter for the same.
const WHOLE_PLACE: &str = "all";

/// Whether the dead letter with this id is a whole message, not one entry of it: the writer buried it as one, or the
/// inbox gave it up by itself (then its id is not one of the writer's).
pub(crate) fn is_whole(id: &str) -> bool {
    id.rsplit_once('/').is_none_or(|(_, place)| place == WHOLE_PLACE)
}

/// A command, and when it arrived.
#[derive(Debug)]
pub struct Arrived<T> {
    /// Its place in its message.
    pub index: u32,
    /// When it arrived, Unix milliseconds.
    pub at_ms: i64,
    /// What it is.
    pub command: T,
}

/// A message that was read.
#[derive(Debug)]
pub struct Work<T> {
    partition: u16,
    /// The message.
    pub message: Message,
    /// The commands that could be read, in order.
    pub commands: Vec<Arrived<T>>,
    /// The entries that must be buried, with the reasons.
    unreadable: BTreeMap<u32, String>,
    /// The commands that must be buried because the rules call them impossible; found anew at each attempt.
    impossible: BTreeMap<u32, String>,
    /// The commands that must be buried because the store refuses them.
    refused: BTreeMap<u32, String>,
    /// While it is found out which: only so many of the commands are applied.
    only_first: Option<usize>,
    /// Why the message must be buried whole.
    whole: Option<String>,
}

/// Reads messages of one partition: each one's envelope, and each entry on its own.
///
/// # Errors
/// Why this process must not go on: a message was written for another inbox or another number of partitions.
pub(super) fn read_all<C: Crowd>(
    crowd: &C,
    identity: &Identity,
    partition: u16,
    messages: Vec<Message>,
) -> Result<Vec<Work<C::Command>>, StepError> {
    let read = |message| read(crowd, identity, partition, message).map_err(StepError::Foreign);
    messages.into_iter().map(read).collect()
}

/// What the journal keeps of messages, given what is buried of each.
pub(super) fn journal<'a, T>(works: &'a [Work<T>], buried: &'a [Vec<u32>]) -> Vec<JournalRow<'a>> {
    let row = |(work, buried): (&'a Work<T>, &'a Vec<u32>)| JournalRow {
        sequence: work.message.sequence.0,
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
    match wire::decode(&message.body) {
        Ok(envelope) if envelope.inbox != identity.inbox_id || envelope.partitions != identity.partitions => {
            return Err(format!(
                "message {} is for inbox {} with {} partitions, this handler serves inbox {} with {}",
                message.sequence, envelope.inbox, envelope.partitions, identity.inbox_id, identity.partitions
            ));
        }
        Ok(envelope) => {
            for (index, text) in (0..).zip(envelope.raw_entries()) {
                match decode(crowd, partition, &envelope, index, text) {
                    Ok(command) => commands.push(command),
                    Err(reason) => {
                        unreadable.insert(index, reason);
                    }
                }
            }
        }
        Err(error) => whole = Some(error.to_string()),
    }
    let (impossible, refused) = (BTreeMap::new(), BTreeMap::new());
    Ok(Work { partition, message, commands, unreadable, impossible, refused, only_first: None, whole })
}

/// Reads one entry; the error is the reason to bury it.
fn decode<C: Crowd>(
    crowd: &C,
    partition: u16,
    envelope: &Envelope<'_>,
    index: u32,
    text: &str,
) -> Result<Arrived<C::Command>, String> {
    let entry = Entry::decode(text).map_err(|error| error.to_string())?;
    let id = || entry.id(&envelope.id, index as usize);
    let command = crowd.decode(partition, entry.payload, &id)?;
    Ok(Arrived { index, at_ms: entry.arrived_at_ms, command })
}

impl<T> Work<T> {
    /// Applies the commands in order, and returns how many could be.
    pub(super) fn apply<C: Crowd<Command = T>>(&mut self, crowd: &C, batch: &mut C::Batch) -> usize {
        self.impossible.clear();
        if self.whole.is_some() {
            return 0;
        }
        let mut applied = 0;
        for command in self.commands.iter().take(self.only_first.unwrap_or(usize::MAX)) {
            if self.refused.contains_key(&command.index) {
                continue;
            }
            match crowd.apply(batch, command) {
                Ok(()) => applied += 1,
                Err(reason) => _ = self.impossible.insert(command.index, reason),
            }
        }
        applied
    }

    /// Until further notice only the first so many commands are applied.
    pub(super) fn only_first(&mut self, commands: Option<usize>) {
        self.only_first = commands;
    }

    /// Gives up the command at this place among `commands`, or the message as a whole.
    pub(super) fn refuse(&mut self, place: Option<usize>, reason: String) {
        match place.and_then(|place| self.commands.get(place)) {
            Some(command) => _ = self.refused.insert(command.index, reason),
            None => self.whole = Some(reason),
        }
    }

    /// What is buried of it, as the journal says it.
    pub(super) fn buried_indices(&self) -> Vec<u32> {
        match self.whole {
            Some(_) => vec![WHOLE],
            None => self.buried().into_keys().collect(),
        }
    }

    fn buried(&self) -> BTreeMap<u32, &String> {
        let all = self.unreadable.iter().chain(&self.impossible).chain(&self.refused);
        all.map(|(index, reason)| (*index, reason)).collect()
    }

    /// The dead letters of this message. Their ids name the place that they came from.
    pub(super) fn letters(&self, inbox_id: &str, now_ms: i64) -> Vec<DeadLetter> {
        let Message { sequence, ref body, .. } = self.message;
        let letter = |place: String, body: String, reason: &String| DeadLetter {
            id: format!("{inbox_id}/{}/{sequence}/{place}", self.partition),
            partition: self.partition,
            body,
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            buried_at_ms: now_ms,
        };
        if let Some(reason) = &self.whole {
            return vec![letter(WHOLE_PLACE.to_owned(), body.clone(), reason)];
        }
        let buried = self.buried();
        if buried.is_empty() {
            return Vec::new();
        }
        let Ok(envelope) = wire::decode(body) else { return Vec::new() };
        let entries: Vec<_> = envelope.raw_entries().collect();
        let text = |index: u32| {
            let text = entries.get(index as usize).copied().unwrap_or_default();
            wire::with_id(text, &wire::entry_id(&envelope.id, index as usize))
        };
        buried.into_iter().map(|(index, reason)| letter(index.to_string(), text(index), reason)).collect()
    }
}
