//! The envelope: a message of the inbox with many entries of one partition.
//!
//! It is JSON, so that a person can read a dead letter:
//! `{"v":1,"inbox":"…","partitions":16,"id":"…","entries":[{"at":…,"c":{…}},…]}`.
//!
//! It knows no crowd: the payload under `c` is for the handler. An entry that cannot be decoded spoils only itself; an
//! envelope that cannot be decoded is refused as a whole.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bounds::{DECODE_BYTES_MAX, TIME_MS_MAX};

/// The version that is written, and the only one that is accepted.
pub const VERSION: u32 = 1;

/// Why a message or an entry cannot be read. The text becomes the reason of a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("not an envelope: {0}")]
    Envelope(serde_json::Error),
    /// The envelope has an unknown version.
    #[error("envelope version {found} is unknown, this program reads version {VERSION}")]
    Version { found: u32 },
    #[error("the message has {found} bytes, at most {DECODE_BYTES_MAX} are read")]
    TooLong { found: usize },
    /// An entry is not `{"at":…,"c":…}`.
    #[error("not an entry: {0}")]
    Entry(serde_json::Error),
    /// The time of arrival is out of range.
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

/// A decoded envelope; its entries are still text.
#[derive(Debug)]
pub struct Envelope<'a> {
    pub inbox: Cow<'a, str>,
    /// The number of partitions that the sender assumed.
    pub partitions: u16,
    /// Unique for ever.
    pub id: Cow<'a, str>,
    entries: Vec<&'a RawValue>,
}

/// A decoded entry; its payload is still text.
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

/// The id of an entry without one of its own: the envelope's id and the index.
pub fn entry_id(envelope_id: &str, index: usize) -> String {
    format!("{envelope_id}.{index}")
}

/// serde alone would accept an array of the fields too.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        Err(serde::de::Error::custom("must be a JSON object"))
    }
}

impl<'a> Envelope<'a> {
    /// Decodes an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that is not exactly an envelope of the known version. Never panics.
    pub fn decode(text: &'a str) -> Result<Self, EnvelopeError> {
        if text.len() > DECODE_BYTES_MAX {
            return Err(EnvelopeError::TooLong { found: text.len() });
        }
        let json: EnvelopeJson<'a> = object(text).map_err(|error| {
            // A newer version may have other fields: then its number is the better reason.
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

    /// The entries as text.
    pub fn raw_entries(&self) -> impl ExactSizeIterator<Item = &'a str> + '_ {
        self.entries.iter().map(|raw| raw.get())
    }

    /// The entries, each decoded on its own.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Result<Entry<'_>, EnvelopeError>> + '_ {
        self.raw_entries().enumerate().map(|(index, text)| Entry::read(&self.id, index, text))
    }
}

impl<'a> Entry<'a> {
    /// Decodes the entry at this index of an envelope.
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

    /// The id of the command: its own if it was redriven, else made of the envelope's id and the index.
    pub fn id(&self) -> String {
        match &self.own_id {
            Some(id) => id.clone().into_owned(),
            None => entry_id(self.envelope_id, self.index),
        }
    }
}

/// Builds an envelope, entry by entry.
#[derive(Debug)]
pub struct EnvelopeBuilder {
    text: Vec<u8>,
    entries: usize,
    bytes_max: usize,
}

/// Closes the list of entries and the envelope.
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

    /// Appends an entry and returns its index; `None` if it does not fit. The first entry always fits.
    ///
    /// `payload` is the JSON of the command; only a redriven command has an `id`.
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

    /// Appends the text of an entry unchanged, even if this program cannot decode it: a newer one may.
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

    /// Length of the envelope in bytes, if it were finished now.
    pub fn bytes(&self) -> usize {
        self.text.len() + TAIL.len()
    }

    /// Number of entries.
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

/// Adds an id to the text of an entry, so that a redriven command keeps its id. Text that is no entry, or has an id,
/// is unchanged.
pub fn with_id(entry: &str, id: &str) -> String {
    match Entry::read("", 0, entry) {
        Ok(Entry { own_id: None, arrived_at_ms, payload, .. }) => {
            format!("{{\"id\":{},\"at\":{arrived_at_ms},\"c\":{payload}}}", serde_json::Value::from(id))
        }
        _ => entry.to_owned(),
    }
}

/// Escapes U+FFFE and U+FFFF in JSON. They are not allowed in XML, and SQS accepts only what XML allows, so that one
/// name with them would keep a whole envelope out.
fn escape_noncharacters(out: &mut Vec<u8>, begins_at: usize) {
    let json = out.get(begins_at..).unwrap_or_default();
    if !json.windows(3).any(|bytes| matches!(bytes, [0xEF, 0xBF, 0xBE | 0xBF])) {
        return;
    }
    let escaped = String::from_utf8_lossy(json).replace('\u{FFFE}', r"\ufffe").replace('\u{FFFF}', r"\uffff");
    out.truncate(begins_at);
    out.extend_from_slice(escaped.as_bytes());
}
