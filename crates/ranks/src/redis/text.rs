//! How things are spelled in Redis: keys, positions, and members whose order by bytes is that of ranks.

use game::Standing;
use store::{Identity, Position};

/// The game that the ranks are of, and the position of each partition. All keys have one hash tag, so that a cluster keeps them together.
pub(super) const STATE: &str = "{buttonparty}:state";
/// Every player, in order.
pub(super) const ORDER: &str = "{buttonparty}:order";
/// Where each player stands in [`ORDER`].
pub(super) const OF: &str = "{buttonparty}:of";
/// Who may rebuild.
pub(super) const LOCK: &str = "{buttonparty}:lock";
/// A member that is no player's: no username has this byte, and it stands behind everybody.
pub(super) const NOBODY: [u8; 17] = [0xff; 17];
/// Bytes of score and time in a member.
pub(super) const PLACE_BYTES: usize = 16;

/// What is known of the rebuilding of a partition.
pub(super) fn rebuild_key(partition: u16) -> String {
    format!("{{buttonparty}}:rebuild:{partition}")
}

/// Where projections are told of. Channels are not of a database, so its number is in the name.
pub(super) fn channel(database: i64) -> String {
    format!("{{buttonparty}}:changed:{database}")
}

/// The game that the ranks are of.
pub(super) fn game(identity: &Identity) -> String {
    format!("{} {} {}", identity.partitions, identity.generation, identity.inbox_id)
}

/// The member of a standing: the complement of the score, because the highest comes first; the time, its sign turned
/// because it is compared without one; the username. Big-endian, so that the order of the bytes is that of ranks.
pub(super) fn member(standing: &Standing) -> Vec<u8> {
    let username = standing.username.as_str();
    let mut member = Vec::with_capacity(PLACE_BYTES + username.len());
    member.extend_from_slice(&(!standing.score).to_be_bytes());
    member.extend_from_slice(&(standing.reached_at_ms ^ i64::MIN).to_be_bytes());
    member.extend_from_slice(username.as_bytes());
    member
}

/// Members in one text, each behind a byte that says its length.
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
