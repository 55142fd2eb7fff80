//! The envelope: one message of the inbox, carrying many entries of one partition.
//!
//! It is JSON text, so that a person can read a dead letter:
//! `{"v":1,"inbox":"…","partitions":16,"id":"…","entries":[{"at":…,"c":{…}},…]}`.
//! It knows no crowd: what stands under `c` is the business of whoever applies it. An entry that cannot be
//! read spoils only itself; only an envelope that cannot be read at all is refused whole.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bounds::{DECODE_BYTES_MAX, TIME_MS_MAX};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Why a message or an entry cannot be read. Its text is the reason that a dead letter carries.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The text is no envelope.
    #[error("not an envelope: {0}")]
    Envelope(serde_json::Error),
    /// The envelope is of a version that this program does not know.
    #[error("envelope version {found} is unknown, this program reads version {VERSION}")]
    Version {
        /// The version that it says.
        found: u32,
    },
    /// The text is longer than any envelope.
    #[error("the message has {found} bytes, at most {DECODE_BYTES_MAX} are read")]
    TooLong {
        /// The bytes that it has.
        found: usize,
    },
    /// An entry is not `{"at":…,"c":…}`.
    #[error("not an entry: {0}")]
    Entry(serde_json::Error),
    /// An entry says that it arrived before 1970, or in a future that no clock shows.
    #[error("invalid command: at: must be from 0 to {TIME_MS_MAX}")]
    Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeJson<'a> {
    v: u32,
    #[serde(borrow)]
    inbox: Cow<'a, str>,
    partitions: u16,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryJson<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    at: i64,
    #[serde(borrow)]
    c: &'a RawValue,
}

/// An envelope that was read; its entries are still text.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The inbox that it was written for.
    pub inbox: Cow<'a, str>,
    /// The number of partitions that its writer counted with.
    pub partitions: u16,
    /// Its id, unique for ever.
    pub id: Cow<'a, str>,
    entries: Vec<&'a RawValue>,
}

/// One entry that was read; what it carries is still text.
#[derive(Debug)]
pub struct Entry<'a> {
    /// When the request arrived, Unix milliseconds.
    pub arrived_at_ms: i64,
    /// The JSON of the command.
    pub payload: &'a str,
    own_id: Option<Cow<'a, str>>,
    envelope_id: &'a str,
    index: usize,
}

/// The id of an entry that carries none of its own: the envelope's id and its place in it.
pub fn entry_id(envelope_id: &str, index: usize) -> String {
    format!("{envelope_id}.{index}")
}

/// serde alone would take an array for a struct, field by field.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        Err(serde::de::Error::custom("must be a JSON object"))
    }
}

impl<'a> Envelope<'a> {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] with the reason, for anything that is not exactly an envelope of the known version. Never panics.
    pub fn decode(text: &'a str) -> Result<Self, EnvelopeError> {
        if text.len() > DECODE_BYTES_MAX {
            return Err(EnvelopeError::TooLong { found: text.len() });
        }
        let json: EnvelopeJson<'a> = object(text).map_err(|error| {
            // A newer version may well have other fields: then its number is the better reason.
            #[derive(Deserialize)]
            struct Head {
                v: u32,
            }
            match object::<Head>(text) {
                Ok(head) if head.v != VERSION => EnvelopeError::Version { found: head.v },
                _ => EnvelopeError::Envelope(error),
            }
        })?;
        if json.v != VERSION {
            return Err(EnvelopeError::Version { found: json.v });
        }
        Ok(Self { inbox: json.inbox, partitions: json.partitions, id: json.id, entries: json.entries })
    }

    /// The entries as text, each of them to be read on its own.
    pub fn raw_entries(&self) -> impl ExactSizeIterator<Item = &'a str> + '_ {
        self.entries.iter().map(|raw| raw.get())
    }

    /// The entries, each of them read on its own.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Result<Entry<'_>, EnvelopeError>> + '_ {
        self.raw_entries().enumerate().map(|(index, text)| Entry::read(&self.id, index, text))
    }
}

impl<'a> Entry<'a> {
    /// Reads the text of the entry at this place of an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] with the reason.
    pub fn read(envelope_id: &'a str, index: usize, text: &'a str) -> Result<Self, EnvelopeError> {
        let json: EntryJson<'a> = object(text).map_err(EnvelopeError::Entry)?;
        if !(0..=TIME_MS_MAX).contains(&json.at) {
            return Err(EnvelopeError::Time);
        }
        Ok(Self { arrived_at_ms: json.at, payload: json.c.get(), own_id: json.id, envelope_id, index })
    }

    /// The id of the command: its own when it was sent again, else made of the envelope's id and its place in it.
    pub fn id(&self) -> String {
        match &self.own_id {
            Some(id) => id.clone().into_owned(),
            None => entry_id(self.envelope_id, self.index),
        }
    }
}

/// Writes an envelope, entry by entry.
#[derive(Debug)]
pub struct EnvelopeBuilder {
    text: Vec<u8>,
    entries: usize,
    bytes_max: usize,
}

/// What closes the list of entries and the envelope.
const TAIL: &[u8] = b"]}";

impl EnvelopeBuilder {
    /// Begins an envelope of at most `bytes_max` bytes. `inbox` and `id` are plain ASCII without quotes.
    pub fn new(inbox: &str, partitions: u16, id: &str, bytes_max: usize) -> Self {
        let head =
            EnvelopeJson { v: VERSION, inbox: inbox.into(), partitions, id: id.into(), entries: Vec::new() };
        // Unwrap safety: writing strings and numbers to memory cannot fail; an empty text would be refused on reading.
        let mut text = serde_json::to_vec(&head).unwrap_or_default();
        text.truncate(text.len().saturating_sub(TAIL.len()));
        Self { text, entries: 0, bytes_max }
    }

    /// Appends an entry and returns its index; `None` when it does not fit any more. The first entry always fits.
    ///
    /// `payload` is the JSON of the command; `id` is only given for a command that is sent again.
    pub fn push(&mut self, id: Option<&str>, arrived_at_ms: i64, payload: &[u8]) -> Option<usize> {
        self.append(|text| {
            text.push(b'{');
            if let Some(id) = id {
                text.extend_from_slice(b"\"id\":");
                text.extend_from_slice(serde_json::Value::from(id).to_string().as_bytes());
                text.push(b',');
            }
            text.extend_from_slice(b"\"at\":");
            text.extend_from_slice(arrived_at_ms.to_string().as_bytes());
            text.extend_from_slice(b",\"c\":");
            text.extend_from_slice(payload);
            text.push(b'}');
        })
    }

    /// Appends an entry as it was written before, also one that this program cannot read: a newer one may.
    pub fn push_text(&mut self, entry: &str) -> Option<usize> {
        self.append(|text| text.extend_from_slice(entry.as_bytes()))
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<usize> {
        let before = self.text.len();
        if self.entries > 0 {
            self.text.push(b',');
        }
        write(&mut self.text);
        escape_noncharacters(&mut self.text, before);
        if self.entries > 0 && self.bytes() > self.bytes_max {
            self.text.truncate(before);
            return None;
        }
        self.entries += 1;
        Some(self.entries - 1)
    }

    /// How many bytes the envelope has, closed now.
    pub fn bytes(&self) -> usize {
        self.text.len() + TAIL.len()
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The text of the envelope.
    pub fn finish(mut self) -> String {
        self.text.extend_from_slice(TAIL);
        // Unwrap safety: only JSON that serde_json wrote as UTF-8 went in; lossy reading keeps it as it is.
        String::from_utf8(self.text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

/// The text of an entry with its id in it, so that it keeps the id when it is sent again. What is no entry, or has an
/// id, stays as it is.
pub fn with_id(entry: &str, id: &str) -> String {
    match Entry::read("", 0, entry) {
        Ok(Entry { own_id: None, arrived_at_ms, payload, .. }) => {
            format!("{{\"id\":{},\"at\":{arrived_at_ms},\"c\":{payload}}}", serde_json::Value::from(id))
        }
        _ => entry.to_owned(),
    }
}

/// Writes U+FFFE and U+FFFF as JSON's escapes. They are no characters, and XML has no room for them; SQS takes only
/// what XML can hold, so that one name with them would keep a whole envelope out.
fn escape_noncharacters(out: &mut Vec<u8>, begins_at: usize) {
    let json = out.get(begins_at..).unwrap_or_default();
    if !json.windows(3).any(|bytes| matches!(bytes, [0xEF, 0xBF, 0xBE | 0xBF])) {
        return;
    }
    let escaped = String::from_utf8_lossy(json).replace('\u{FFFE}', r"\ufffe").replace('\u{FFFF}', r"\uffff");
    out.truncate(begins_at);
    out.extend_from_slice(escaped.as_bytes());
}
