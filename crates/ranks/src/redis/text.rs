//! The encoding in Redis: keys, positions, and members whose byte order is the order of ranks.

use game::Standing;
use store::{Identity, Position};

/// The game of the ranks, and the position of each partition. All keys share a hash tag, so that a cluster keeps them
/// together.
pub(super) const STATE: &str = "{buttonparty}:state";
/// All members, in order.
pub(super) const ORDER: &str = "{buttonparty}:order";
/// The member of each player in [`ORDER`].
pub(super) const OF: &str = "{buttonparty}:of";
/// The rebuild lock.
pub(super) const LOCK: &str = "{buttonparty}:lock";
/// A member of no player, which sorts last: no username contains this byte.
pub(super) const NOBODY: [u8; 17] = [0xff; 17];
/// Bytes of score and time in a member.
pub(super) const PLACE_BYTES: usize = 16;

/// The key of the state of a partition's rebuild.
pub(super) fn rebuild_key(partition: u16) -> String {
    format!("{{buttonparty}}:rebuild:{partition}")
}

/// The channel on which projections are announced. Channels are not scoped to a database, so its number is in the name.
pub(super) fn channel(database: i64) -> String {
    format!("{{buttonparty}}:changed:{database}")
}

/// The game of the ranks, as text.
pub(super) fn game(identity: &Identity) -> String {
    format!("{} {} {}", identity.partitions, identity.generation, identity.inbox_id)
}

/// The member of a standing: the complement of the score, so that the highest sorts first; the time with its sign bit
/// flipped, so that it sorts as unsigned; the username. Big-endian, so that byte order is the order of ranks.
pub(super) fn member(standing: &Standing) -> Vec<u8> {
    let username = standing.username.as_str();
    let mut member = Vec::with_capacity(PLACE_BYTES + username.len());
    member.extend_from_slice(&(!standing.score).to_be_bytes());
    member.extend_from_slice(&(standing.reached_at_ms ^ i64::MIN).to_be_bytes());
    member.extend_from_slice(username.as_bytes());
    member
}

/// Members in one byte string, each with its length in a byte before it.
pub(super) fn members<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> Vec<u8> {
    let mut text = Vec::new();
    for member in standings.into_iter().map(member) {
        // Always fits: a username has at most 128 bytes.
        text.push(u8::try_from(member.len()).unwrap_or_default());
        text.extend(member);
    }
    text
}

/// A position as text of a fixed length.
pub(super) fn position_text(position: Position) -> String {
    format!("{:08x}{:032x}", position.generation, position.sequence)
}

/// A position from its text.
pub(super) fn position(text: &str) -> Option<Position> {
    let (generation, sequence) = text.split_at_checked(8)?;
    let generation = u32::from_str_radix(generation, 16).ok()?;
    (sequence.len() == 32).then_some(())?;
    Some(Position { generation, sequence: u128::from_str_radix(sequence, 16).ok()? })
}
