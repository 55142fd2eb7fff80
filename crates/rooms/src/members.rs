//! Users, and who is a member of what.

use kind::{At, Halt, Rows};

use crate::bounds::ROOM_CHARS_MAX;
use crate::event::{DenialCode, Event, Sender, room_topic, user_topic};
use crate::{DirectRoom, Member, Membership, Outcome, Room, RoomUser, Rooms, is_direct};

/// Characters of the end of an id that stand for a handle.
const HANDLE_FROM_ID: usize = 6;
/// Characters of a handle; the rest of a longer one is cut off.
const HANDLE_CHARS_MAX: usize = 64;

pub(crate) fn connect(
    rows: &mut Rows<'_, Rooms>,
    user: &String,
    handle: Option<&str>,
) -> Result<Outcome, Halt> {
    if rows.get::<RoomUser>(user)?.is_none() {
        let start = user.char_indices().rev().nth(HANDLE_FROM_ID - 1).map_or(0, |(at, _)| at);
        let handle = handle.unwrap_or(&user[start..]).chars().take(HANDLE_CHARS_MAX).collect();
        rows.put(user, &RoomUser { handle, rooms: 0, direct_begun: 0, sent: 0, is_barred: false });
        rows.follow(user, &user_topic(user));
    }
    Ok(Outcome::Done)
}

/// The user of a frame; `Err` holds what came of the frame.
pub(crate) fn sender_row(
    rows: &mut Rows<'_, Rooms>,
    sender: Sender<'_>,
) -> Result<Result<RoomUser, Outcome>, Halt> {
    match rows.get::<RoomUser>(&sender.user.to_owned())? {
        Some(user) if user.is_barred => {
            sender.deny(rows, DenialCode::Barred, "an operator has removed this user").map(Err)
        }
        Some(user) => Ok(Ok(user)),
        None => sender.deny(rows, DenialCode::NotFound, "this user has never connected").map(Err),
    }
}

/// Why an id cannot be that of a room that a user makes.
pub(crate) fn room_id_fault(room: &str) -> Option<&'static str> {
    if is_direct(room) {
        return Some("the id of a room holds no #");
    }
    if room.is_empty() || room.chars().count() > ROOM_CHARS_MAX {
        return Some("the id of a room has 1 to 64 characters");
    }
    room.chars().any(char::is_control).then_some("the id of a room has no control characters")
}

pub(crate) fn create(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    room: &String,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let sender = Sender { user, of: "createRoom", frame };
    if let Some(fault) = room_id_fault(room) {
        return sender.deny(rows, DenialCode::Invalid, fault);
    }
    if rows.get::<Room>(room)?.is_some() {
        return sender.deny(rows, DenialCode::Conflict, "there is a room with this id");
    }
    let mut row = match sender_row(rows, sender)? {
        Ok(row) => row,
        Err(outcome) => return Ok(outcome),
    };
    if row.rooms >= at.rules.rooms_max {
        return sender.deny(rows, DenialCode::Conflict, "this user is in as many rooms as a user may be");
    }
    add(rows, user, &mut row, room, &mut Room::new(at.ms));
    Ok(Outcome::Done)
}

pub(crate) fn join(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    room: &String,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let sender = Sender { user, of: "joinRoom", frame };
    if let Some(fault) = room_id_fault(room) {
        return sender.deny(rows, DenialCode::Invalid, fault);
    }
    rows.want::<Room>(room);
    rows.want::<Member>(&(room.clone(), user.to_owned()));
    let mut row = match sender_row(rows, sender)? {
        Ok(row) => row,
        Err(outcome) => return Ok(outcome),
    };
    let Some(mut joined) = rows.get::<Room>(room)? else {
        return sender.deny(rows, DenialCode::NotFound, "there is no such room");
    };
    if rows.get::<Member>(&(room.clone(), user.to_owned()))?.is_some() {
        // Whoever asks again, because the answer was lost, gets it again.
        let event = Event::UserJoinedRoom { room: room.clone(), user: user.to_owned() };
        rows.publish(&user_topic(user), &event);
        return Ok(Outcome::Done);
    }
    if joined.members >= at.rules.members_max {
        return sender.deny(rows, DenialCode::Conflict, "the room has as many members as a room may have");
    }
    if row.rooms >= at.rules.rooms_max {
        return sender.deny(rows, DenialCode::Conflict, "this user is in as many rooms as a user may be");
    }
    add(rows, user, &mut row, room, &mut joined);
    Ok(Outcome::Done)
}

pub(crate) fn leave(
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    room: &String,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let sender = Sender { user, of: "leaveRoom", frame };
    if is_direct(room) {
        return sender.deny(rows, DenialCode::Invalid, "nobody leaves a direct room");
    }
    let key = (room.clone(), user.to_owned());
    rows.want::<Room>(room);
    rows.want::<Member>(&key);
    let mut row = match sender_row(rows, sender)? {
        Ok(row) => row,
        Err(outcome) => return Ok(outcome),
    };
    let (Some(mut left), Some(_)) = (rows.get::<Room>(room)?, rows.get::<Member>(&key)?) else {
        return sender.deny(rows, DenialCode::NotFound, "there is no such room");
    };
    left.members -= 1;
    row.rooms -= 1;
    rows.put(room, &left);
    rows.put(&user.to_owned(), &row);
    rows.remove::<Member>(&key);
    rows.remove::<Membership>(&(user.to_owned(), room.clone()));
    rows.publish(&room_topic(room), &Event::UserLeftRoom { room: room.clone(), user: user.to_owned() });
    rows.unfollow(user, &room_topic(room));
    Ok(Outcome::Done)
}

/// Makes a user a member: from here on the user hears the room, and the room hears of it.
fn add(rows: &mut Rows<'_, Rooms>, user: &str, row: &mut RoomUser, id: &str, room: &mut Room) {
    row.rooms += 1;
    rows.put(&user.to_owned(), row);
    enter(rows, user, id, room);
    rows.put(&id.to_owned(), room);
    rows.publish(&room_topic(id), &Event::UserJoinedRoom { room: id.to_owned(), user: user.to_owned() });
}

/// Makes a user a member, without a word. The rows of user and room are left to the caller.
pub(crate) fn enter(rows: &mut Rows<'_, Rooms>, user: &str, id: &str, room: &mut Room) {
    room.members += 1;
    rows.put(&(id.to_owned(), user.to_owned()), &Member { read_n: room.last_n });
    rows.put(&(user.to_owned(), id.to_owned()), &Membership {});
    rows.follow(user, &room_topic(id));
}

impl Room {
    pub(crate) fn new(created_at_ms: i64) -> Self {
        Self { created_at_ms, members: 0, last_n: 0, last_at_ms: 0 }
    }
}

/// The id under which a room is kept: that of a direct room in its one order.
pub(crate) fn canonical(room: &str) -> Option<String> {
    if is_direct(room) { DirectRoom::parse(room).map(|direct| direct.id()) } else { Some(room.to_owned()) }
}
