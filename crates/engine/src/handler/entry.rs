//! One command of an envelope: read, and whether it stands where it belongs.

use std::fmt::{self, Display};

use super::Crowd;
use crate::envelope::Entry;

/// Why a command cannot be; the reason that its dead letter carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// With this reason.
    pub fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command, when it arrived, and when the inbox stored its message.
#[derive(Debug)]
pub struct Arrived<T> {
    /// Its place in its message.
    pub index: u32,
    /// When it arrived, Unix milliseconds.
    pub at_ms: i64,
    /// When its message was stored, Unix milliseconds; `None` in a journal of before this was kept.
    pub stored_at_ms: Option<i64>,
    /// What it is.
    pub command: T,
}

/// Reads a command that stands in this partition, of so many, in a message that was stored then.
///
/// # Errors
/// The reason to bury it: it is none, or belongs into another partition.
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
            Err(Refusal::new(format_args!("belongs to partition {own}, stands in partition {partition}")))
        }
        _ => Ok(Arrived { index, at_ms: entry.arrived_at_ms, stored_at_ms, command }),
    }
}

/// The partition into which an entry belongs, of so many; `None` for one that is every partition's, or cannot be read.
pub(crate) fn partition_of_entry<C: Crowd>(crowd: &C, partitions: u16, text: &str) -> Option<u16> {
    let command = crowd.decode(&Entry::read("", 0, text).ok()?).ok()?;
    Some(partition_of(crowd.route(&command)?, partitions))
}

/// The partition of a route: FNV-1a (64 bits, folded to 32) of its bytes, modulo the number of partitions. It must
/// never change while a game runs, and is what the senders of commands count by.
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
