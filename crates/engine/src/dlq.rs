//! Dead letters: listing and redriving them.

use futures_util::{Stream, TryStreamExt as _, stream};
use queue::{DeadLetter, Outgoing, Queue};

use crate::bounds::{DEAD_PAGE, ENVELOPE_BYTES_MAX};
use crate::envelope::{Envelope, EnvelopeBuilder, entry_id, with_id};
use crate::handler::{Crowd, LetterKind, decode_entry, partition_of};

/// Why a redrive failed.
#[derive(Debug, thiserror::Error)]
pub enum DlqError {
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    #[error("there is no dead letter {0}")]
    Unknown(String),
}

/// All dead letters, in the order of the inbox. At most one page of them is in memory.
pub fn list(queue: &Queue) -> impl Stream<Item = Result<DeadLetter, queue::Error>> {
    let pages = stream::try_unfold(None, move |after: Option<String>| async move {
        let page = queue.dead_letters(after.as_deref(), DEAD_PAGE).await?;
        let last = page.last().map(|last| last.id.clone());
        Ok::<_, queue::Error>(last.map(|last| (page, Some(last))))
    });
    pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
}

/// Redrives dead letters, those with these ids or all of them: sends them to the inbox and removes them from the dead
/// letters. A command keeps its id and its time of arrival. It goes to the partition where it belongs now, and the
/// rules judge it at its new place. Returns the number of letters.
///
/// # Errors
/// [`DlqError`]; letters that were sent before stay sent.
pub async fn redrive<C: Crowd>(
    queue: &Queue,
    crowd: &C,
    partitions: u16,
    ids: &[String],
) -> Result<usize, DlqError> {
    let letters: Vec<DeadLetter> = if ids.is_empty() {
        // A letter that is buried again meanwhile has a new id; only those of the start are redriven.
        list(queue).try_collect().await?
    } else {
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            named.push(queue.dead_letter(id).await?.ok_or_else(|| DlqError::Unknown(id.clone()))?);
        }
        named
    };
    let redrive = Redrive { crowd, inbox_id: queue.inbox_id(), partitions };
    for page in letters.chunks(DEAD_PAGE) {
        let mut sent = Vec::with_capacity(page.len());
        let mut result = Ok(());
        for letter in page {
            result = send_all(queue, &redrive.messages(letter)).await;
            if result.is_err() {
                break;
            }
            sent.push(letter.id.clone());
        }
        // One call per page, because SQS receives all letters to find any.
        queue.forget_dead(&sent).await?;
        result?;
    }
    Ok(letters.len())
}

/// The target of a redrive.
struct Redrive<'a, C> {
    crowd: &'a C,
    inbox_id: &'a str,
    partitions: u16,
}

impl<C: Crowd> Redrive<'_, C> {
    /// The messages that a letter is sent as.
    fn messages(&self, letter: &DeadLetter) -> Vec<Outgoing> {
        // The id is the same each time, so a redrive that is repeated after a crash is deduplicated.
        let id = format!("redrive-{}", letter.id.replace('/', "-"));
        match LetterKind::of_letter(&letter.id) {
            LetterKind::Whole => self.whole(letter, id),
            LetterKind::Entry(_) => vec![self.single(letter.partition, id, &letter.body)],
        }
    }

    /// The message as it was. If it was written for another inbox or number of partitions, each command becomes a
    /// message of its own.
    fn whole(&self, letter: &DeadLetter, id: String) -> Vec<Outgoing> {
        let envelope = Envelope::decode(&letter.body).ok();
        match &envelope {
            Some(envelope) if envelope.inbox != self.inbox_id || envelope.partitions != self.partitions => {
                let single = |(index, entry)| {
                    let entry = with_id(entry, &entry_id(&envelope.id, index));
                    self.single(letter.partition, format!("{id}-{index}"), &entry)
                };
                envelope.raw_entries().enumerate().map(single).collect()
            }
            _ => {
                let entries = envelope.iter().flat_map(|envelope| envelope.raw_entries());
                let commands: Option<Vec<_>> = entries.map(|entry| decode_entry(self.crowd, entry)).collect();
                let is_secret = |command: &C::Command| self.crowd.is_secret(command);
                let quiet = commands.is_some_and(|all| !all.is_empty() && all.iter().all(is_secret));
                let partition = self.wrap(letter.partition);
                vec![Outgoing { partition, id, body: letter.body.clone(), quiet }]
            }
        }
    }

    /// A message with one entry, for the partition where it belongs now, or else where it was.
    fn single(&self, partition: u16, id: String, entry: &str) -> Outgoing {
        let command = decode_entry(self.crowd, entry);
        let route = command.as_ref().and_then(|command| self.crowd.route(command));
        let partition = route.map_or(self.wrap(partition), |route| partition_of(route, self.partitions));
        // A secret command was quiet when it was first sent, and stays so.
        let quiet = command.as_ref().is_some_and(|command| self.crowd.is_secret(command));
        let message = Outgoing { partition, id, body: String::new(), quiet };
        let mut builder =
            EnvelopeBuilder::new(self.inbox_id, self.partitions, &message.stored_id(), ENVELOPE_BYTES_MAX);
        builder.push_text(entry);
        Outgoing { body: builder.finish(), ..message }
    }

    /// This partition, or another one if the crowd has fewer partitions now.
    fn wrap(&self, partition: u16) -> u16 {
        partition.checked_rem(self.partitions).unwrap_or_default()
    }
}

async fn send_all(queue: &Queue, messages: &[Outgoing]) -> Result<(), queue::Error> {
    queue.send(messages).await.into_iter().collect()
}
