//! Dead letters: listing them, and sending them again.

use futures_util::{Stream, TryStreamExt as _, stream};
use queue::{DeadLetter, Outgoing, Queue};

use crate::bounds::{DEAD_PAGE, ENVELOPE_BYTES_MAX};
use crate::envelope::{Envelope, EnvelopeBuilder, entry_id, with_id};
use crate::handler::{Crowd, is_whole, partition_of_entry};

/// Why dead letters cannot be sent again.
#[derive(Debug, thiserror::Error)]
pub enum DlqError {
    /// The inbox.
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// No dead letter has this id.
    #[error("there is no dead letter {0}")]
    Unknown(String),
}

/// Every dead letter, in the order of the inbox. No more than a page of them is held at a time.
pub fn list(queue: &Queue) -> impl Stream<Item = Result<DeadLetter, queue::Error>> {
    let pages = stream::try_unfold(None, move |after: Option<String>| async move {
        let page = queue.dead_letters(after.as_deref(), DEAD_PAGE).await?;
        let last = page.last().map(|last| last.id.clone());
        Ok::<_, queue::Error>(last.map(|last| (page, Some(last))))
    });
    pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
}

/// Sends dead letters again, those with these ids or all of them, and takes them off the list. A command keeps its id
/// and its time of arrival; it gets a new place in the inbox, in the partition where it belongs now, and is judged by
/// the rules as it comes. Returns how many.
///
/// # Errors
/// [`DlqError`]; what was sent again by then stays so.
pub async fn redrive<C: Crowd>(
    queue: &Queue,
    crowd: &C,
    partitions: u16,
    ids: &[String],
) -> Result<usize, DlqError> {
    let letters: Vec<DeadLetter> = if ids.is_empty() {
        // What is buried again meanwhile has a new id; only what was there at the start is sent again.
        list(queue).try_collect().await?
    } else {
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            named.push(queue.dead_letter(id).await?.ok_or_else(|| DlqError::Unknown(id.clone()))?);
        }
        named
    };
    for page in letters.chunks(DEAD_PAGE) {
        let mut sent = Vec::with_capacity(page.len());
        let mut result = Ok(());
        for letter in page {
            result = resend(queue, crowd, partitions, letter).await;
            if result.is_err() {
                break;
            }
            sent.push(letter.id.clone());
        }
        // A page at a time: SQS looks through all of them to find any.
        queue.forget_dead(&sent).await?;
        result?;
    }
    Ok(letters.len())
}

async fn resend<C: Crowd>(
    queue: &Queue,
    crowd: &C,
    partitions: u16,
    letter: &DeadLetter,
) -> Result<(), DlqError> {
    // The same id each time: a redrive that is repeated after a crash is one message while the inbox remembers it.
    let id = format!("redrive-{}", letter.id.replace('/', "-"));
    let messages = if is_whole(&letter.id) {
        whole(crowd, (queue.inbox_id(), partitions), letter, id)
    } else {
        vec![single(crowd, (queue.inbox_id(), partitions), letter.partition, id, &letter.body)]
    };
    Ok(queue.send(&messages).await.into_iter().collect::<Result<(), _>>()?)
}

/// A message as it was; or, when the crowd had another inbox or number of partitions then, each command of it on its
/// own.
fn whole<C: Crowd>(
    crowd: &C,
    (inbox_id, partitions): (&str, u16),
    letter: &DeadLetter,
    id: String,
) -> Vec<Outgoing> {
    match Envelope::decode(&letter.body) {
        Ok(envelope) if envelope.inbox != inbox_id || envelope.partitions != partitions => {
            let single = |(index, entry)| {
                let entry = with_id(entry, &entry_id(&envelope.id, index));
                single(crowd, (inbox_id, partitions), letter.partition, format!("{id}-{index}"), &entry)
            };
            envelope.raw_entries().enumerate().map(single).collect()
        }
        _ => {
            vec![Outgoing { partition: wrapped(letter.partition, partitions), id, body: letter.body.clone() }]
        }
    }
}

/// A message with one entry: in the partition where it belongs now, or else where it was.
fn single<C: Crowd>(
    crowd: &C,
    (inbox_id, partitions): (&str, u16),
    partition: u16,
    id: String,
    entry: &str,
) -> Outgoing {
    let partition = partition_of_entry(crowd, partitions, entry).unwrap_or(wrapped(partition, partitions));
    let mut builder = EnvelopeBuilder::new(inbox_id, partitions, &id, ENVELOPE_BYTES_MAX);
    builder.push_text(entry);
    Outgoing { partition, id, body: builder.finish() }
}

/// The partition with this number, or another one when the crowd has no such partition any more.
fn wrapped(partition: u16, partitions: u16) -> u16 {
    partition.checked_rem(partitions).unwrap_or_default()
}
