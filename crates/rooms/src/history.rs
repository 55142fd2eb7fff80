//! How long messages are kept. Expired ones are never listed; a timer removes them in bounded steps.

use kind::{At, Halt, Rows};

use crate::bounds::SWEEP_MAX;
use crate::{Command, Outcome, RoomMessage, Rooms};

/// The name of the timer of a room.
fn timer(room: &str) -> String {
    format!("sweep {room}")
}

/// Sets the timer of a room whose first message has come, or whose messages have all been removed before.
pub(crate) fn expect_expiry(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    room: &str,
    n: u64,
    at_ms: i64,
) -> Result<(), Halt> {
    // With an older message the timer is set already.
    if n > 1 && rows.get::<RoomMessage>(&(room.to_owned(), n - 1))?.is_some() {
        return Ok(());
    }
    let sweep = Command::Sweep { space: rows.route().to_owned(), room: room.to_owned() };
    rows.timer(&timer(room), at_ms.saturating_add(at.rules.keep_ms), &sweep)
}

/// Removes the oldest messages, as far as they have expired, and sets the timer for the next.
pub(crate) fn sweep(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    space: &str,
    room: &String,
) -> Result<Outcome, Halt> {
    let oldest = rows.list::<RoomMessage>(room, SWEEP_MAX + 1)?;
    let mut next = None;
    for (place, (key, message)) in oldest.iter().enumerate() {
        let expires_at_ms = message.at_ms.saturating_add(at.rules.keep_ms);
        if expires_at_ms > at.ms || place == SWEEP_MAX {
            next = Some(expires_at_ms.max(at.ms + 1));
            break;
        }
        rows.remove::<RoomMessage>(key);
    }
    if let Some(due_at_ms) = next {
        let sweep = Command::Sweep { space: space.to_owned(), room: room.clone() };
        rows.timer(&timer(room), due_at_ms, &sweep)?;
    }
    Ok(Outcome::Done)
}
