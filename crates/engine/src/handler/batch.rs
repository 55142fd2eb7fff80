//! One message on its way through the handler: what it carries, and what of it must be buried.

use std::collections::BTreeMap;

use ledger::{Identity, JournalRow};
use queue::{DeadLetter, Message};

use super::{Arrived, Crowd, Refusal, StepError, entry};
use crate::bounds::REASON_CHARS_MAX;
use crate::envelope::{Envelope, entry_id, with_id};

/// Stands in the journal for "the whole message was buried".
pub const WHOLE: u32 = u32::MAX;

/// Stands in the id of a dead letter for the same.
const WHOLE_PLACE: &str = "all";

/// Whether the dead letter with this id is a whole message, not one entry of it: the handler buried it as one, or the
/// inbox gave it up by itself (then its id is not one of the handler's).
pub(crate) fn is_whole(id: &str) -> bool {
    id.rsplit_once('/').is_none_or(|(_, place)| place == WHOLE_PLACE)
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Work<T> {
    partition: u16,
    /// The message.
    pub(super) message: Message,
    /// The commands that could be read, in order.
    pub(super) commands: Vec<Arrived<T>>,
    /// The entries that must be buried, with the reasons.
    unreadable: BTreeMap<u32, Refusal>,
    /// The commands that must be buried because the rules call them impossible; found anew at each attempt.
    impossible: BTreeMap<u32, Refusal>,
    /// The commands that must be buried because the store refuses them.
    refused: BTreeMap<u32, Refusal>,
    /// While it is found out which: only so many of the commands are applied.
    only_first: Option<usize>,
    /// Why the message must be buried whole.
    whole: Option<Refusal>,
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
    /// The commands that are applied, in order.
    pub(super) fn to_apply(&self) -> impl Iterator<Item = &Arrived<T>> {
        let first = match self.whole {
            Some(_) => 0,
            None => self.only_first.unwrap_or(usize::MAX),
        };
        self.commands.iter().take(first).filter(|command| !self.refused.contains_key(&command.index))
    }

    /// Applies the commands in order, and returns how many could be.
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

    /// Until further notice only the first so many commands are applied.
    pub(super) fn only_first(&mut self, commands: Option<usize>) {
        self.only_first = commands;
    }

    /// Gives up the command at this place among `commands`, or the message as a whole.
    pub(super) fn refuse(&mut self, place: Option<usize>, reason: Refusal) {
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

    fn buried(&self) -> BTreeMap<u32, &Refusal> {
        let all = self.unreadable.iter().chain(&self.impossible).chain(&self.refused);
        all.map(|(index, reason)| (*index, reason)).collect()
    }

    /// The dead letters of this message. Their ids name the place that they came from.
    pub(super) fn letters(&self, inbox_id: &str, now_ms: i64) -> Vec<DeadLetter> {
        let Message { sequence, ref body, .. } = self.message;
        let letter = |place: String, body: String, reason: &Refusal| DeadLetter {
            id: format!("{inbox_id}/{}/{sequence}/{place}", self.partition),
            partition: self.partition,
            body,
            reason: reason.to_string().chars().take(REASON_CHARS_MAX).collect(),
            buried_at_ms: now_ms,
        };
        if let Some(reason) = &self.whole {
            return vec![letter(WHOLE_PLACE.to_owned(), body.clone(), reason)];
        }
        let buried = self.buried();
        if buried.is_empty() {
            return Vec::new();
        }
        let Ok(envelope) = Envelope::decode(body) else { return Vec::new() };
        let entries: Vec<_> = envelope.raw_entries().collect();
        let text = |index: u32| {
            let text = entries.get(index as usize).copied().unwrap_or_default();
            with_id(text, &entry_id(&envelope.id, index as usize))
        };
        buried.into_iter().map(|(index, reason)| letter(index.to_string(), text(index), reason)).collect()
    }
}
