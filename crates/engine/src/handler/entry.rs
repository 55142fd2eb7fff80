//! Decoding one command of an envelope, and checking its partition.

use std::fmt::{self, Display};

use super::Crowd;
use crate::envelope::Entry;

/// Why a command is buried; the reason of its dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    pub fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command with its times.
#[derive(Debug)]
pub struct Arrived<T> {
    /// Index of its entry in the message.
    pub index: u32,
    /// When it arrived, Unix milliseconds.
    pub at_ms: i64,
    /// When the inbox stored its message, Unix milliseconds; `None` in journals of older versions.
    pub stored_at_ms: Option<i64>,
    pub command: T,
}

/// Decodes a command of a message in this partition. `stored_at_ms` is that of the message.
///
/// # Errors
/// The reason to bury it: it cannot be decoded, or belongs to another partition.
pub fn decode<C: Crowd>(
    crowd: &C,
    (partition, partitions): (u16, u16),
    stored_at_ms: Option<i64>,
    envelope_id: &str,
    index: u32,
    text: &str,
) -> Result<Arrived<C::Command>, Refusal> {
    let entry = Entry::read(envelope_id, index as usize, text).map_err(Refusal::new)?;
    let command = crowd.decode(&entry)?;
    match crowd.route(&command).map(|route| partition_of(route, partitions)) {
        Some(own) if own != partition => {
            Err(Refusal::new(format_args!("belongs to partition {own}, but is in partition {partition}")))
        }
        _ => Ok(Arrived { index, at_ms: entry.arrived_at_ms, stored_at_ms, command }),
    }
}

/// Decodes the command of an entry in any partition; `None` if it cannot be decoded.
pub(crate) fn decode_entry<C: Crowd>(crowd: &C, text: &str) -> Option<C::Command> {
    crowd.decode(&Entry::read("", 0, text).ok()?).ok()
}

/// The partition of a route: FNV-1a (64 bits, folded to 32) of its bytes, modulo the number of partitions. Senders
/// use the same function; it must never change while a game runs.
///
/// Source of the constants: the FNV specification, draft-eastlake-fnv, section 5.
pub fn partition_of(route: &str, partitions: u16) -> u16 {
    let hash = route.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    let index = folded % u64::from(partitions.max(1));
    u16::try_from(index).unwrap_or_default() // cannot fail: index < partitions ≤ u16::MAX
}
