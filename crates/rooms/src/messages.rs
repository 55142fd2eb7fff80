//! Messages: sent, posted by hooks, deleted, read.

use kind::{At, Halt, Rows};

use crate::bounds::{MESSAGE_BYTES_MAX, MESSAGE_CHARS_MAX, MINUTE_MS, REFS_KEPT, SENT_RING};
use crate::event::{DenialCode, Event, Sender, room_topic, user_topic};
use crate::members::{canonical, enter, sender_row};
use crate::tables::{Sent, SentFrame};
use crate::{Author, DirectRoom, Hook, Member, Outcome, Room, RoomMessage, RoomUser, Rooms, history};

const NO_SUCH_ROOM: &str = "there is no such room";

/// Why a text cannot be a message.
fn text_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.chars().count() > MESSAGE_CHARS_MAX || text.len() > MESSAGE_BYTES_MAX {
        return Some("a message has 1 to 4000 characters and at most 8192 bytes");
    }
    let is_wrong = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().any(is_wrong).then_some("a message has no control characters but line feeds and tabs")
}

pub(crate) fn send(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    room: &str,
    text: &str,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let sender = Sender { user, of: "sendMessage", frame };
    if let Some(fault) = text_fault(text) {
        return sender.deny(rows, DenialCode::Invalid, fault);
    }
    let Some(room) = canonical(room) else { return sender.deny(rows, DenialCode::NotFound, NO_SUCH_ROOM) };
    rows.want::<Room>(&room);
    rows.want::<Member>(&(room.clone(), user.to_owned()));
    if let Some(frame) = frame {
        rows.want::<SentFrame>(&(user.to_owned(), frame.to_owned()));
    }
    let mut row = match sender_row(rows, sender)? {
        Ok(row) => row,
        Err(outcome) => return Ok(outcome),
    };
    if let Some(frame) = frame
        && let Some(sent) = rows.get::<SentFrame>(&(user.to_owned(), frame.to_owned()))?
    {
        return answer_again(rows, user, frame, &sent, text);
    }
    let limit = at.rules.messages_a_minute.clamp(1, SENT_RING - 1);
    if let Some(retry_after_ms) = wait_ms(at, rows, user, row.sent, limit)? {
        return sender.deny(
            rows,
            DenialCode::TooMany { retry_after_ms },
            "too many messages within a minute",
        );
    }
    let mut target = match enter_or_find(at, rows, user, &mut row, &room)? {
        Ok(target) => target,
        Err((code, reason)) => return sender.deny(rows, code, reason),
    };
    let n = write(at, rows, user, &room, &mut target, text, frame)?;
    rows.put(&(room.clone(), user.to_owned()), &Member { read_n: n });
    remember(at, rows, user, &mut row, &room, n, frame)
}

/// Answers a repeated frame with the message that it led to the first time.
fn answer_again(
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    frame: &str,
    sent: &SentFrame,
    text: &str,
) -> Result<Outcome, Halt> {
    let first = rows.get::<RoomMessage>(&(sent.room.clone(), sent.n))?;
    let (message, timestamp) = match first {
        Some(first) => (first.text.unwrap_or_default(), first.at_ms),
        None => (text.to_owned(), 0), // it has expired since
    };
    let event = Event::SendMessage {
        message,
        room: sent.room.clone(),
        sender: user.to_owned(),
        timestamp,
        n: sent.n,
        frame: Some(frame.to_owned()),
    };
    rows.publish(&user_topic(user), &event);
    Ok(Outcome::Done)
}

/// How long the user must wait, in milliseconds; `None`: not at all.
fn wait_ms(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    sent: u64,
    limit: u64,
) -> Result<Option<i64>, Halt> {
    let Some(first) = sent.checked_sub(limit) else { return Ok(None) };
    let first = rows.get::<Sent>(&(user.to_owned(), first % SENT_RING))?;
    let free_at_ms = first.map_or(i64::MIN, |first| first.arrived_at_ms + MINUTE_MS);
    Ok((free_at_ms > at.ms).then(|| free_at_ms - at.ms))
}

/// The room, if the user is a member; a direct room that is not there yet is made. `Err`: the frame is refused.
fn enter_or_find(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    row: &mut RoomUser,
    room: &String,
) -> Result<Result<Room, (DenialCode, &'static str)>, Halt> {
    const NOT_FOUND: (DenialCode, &str) = (DenialCode::NotFound, NO_SUCH_ROOM);
    if let Some(found) = rows.get::<Room>(room)? {
        let is_member = rows.get::<Member>(&(room.clone(), user.to_owned()))?.is_some();
        return Ok(if is_member { Ok(found) } else { Err(NOT_FOUND) });
    }
    let Some(direct) = DirectRoom::parse(room).filter(|direct| direct.has(user)) else {
        return Ok(Err(NOT_FOUND));
    };
    for other in direct.users() {
        if rows.get::<RoomUser>(other)?.is_none() {
            return Ok(Err((DenialCode::NotFound, "there is no such user")));
        }
    }
    if row.direct_begun >= at.rules.rooms_max {
        let reason = "this user has begun as many direct rooms as a user may begin";
        return Ok(Err((DenialCode::Conflict, reason)));
    }
    row.direct_begun += 1;
    let mut made = Room::new(at.ms);
    for member in direct.users() {
        enter(rows, member, room, &mut made);
    }
    Ok(Ok(made))
}

/// Writes a message as the room's next, and tells the room.
fn write(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    sender: &str,
    id: &String,
    room: &mut Room,
    text: &str,
    frame: Option<&str>,
) -> Result<u64, Halt> {
    let n = room.last_n + 1;
    let at_ms = at.ms.max(room.last_at_ms + 1);
    room.last_n = n;
    room.last_at_ms = at_ms;
    rows.put(id, room);
    rows.put(
        &(id.clone(), n),
        &RoomMessage { sender: sender.to_owned(), text: Some(text.to_owned()), at_ms },
    );
    history::expect_expiry(at, rows, id, n, at_ms)?;
    let event = Event::SendMessage {
        message: text.to_owned(),
        room: id.clone(),
        sender: sender.to_owned(),
        timestamp: at_ms,
        n,
        frame: frame.map(str::to_owned),
    };
    rows.publish(&room_topic(id), &event);
    Ok(n)
}

/// Notes a message of a user for the limit, and its reference; forgets the reference that is too old.
fn remember(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    row: &mut RoomUser,
    room: &str,
    n: u64,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let user = user.to_owned();
    if let Some(old) = row.sent.checked_sub(REFS_KEPT)
        && let Some(old_frame) =
            rows.get::<Sent>(&(user.clone(), old % SENT_RING))?.and_then(|sent| sent.frame)
    {
        let key = (user.clone(), old_frame);
        // Since it was forgotten once, the reference may have come again.
        if rows.get::<SentFrame>(&key)?.is_some_and(|it| it.sent == old) {
            rows.remove::<SentFrame>(&key);
        }
    }
    let sent = Sent { arrived_at_ms: at.ms, frame: frame.map(str::to_owned) };
    rows.put(&(user.clone(), row.sent % SENT_RING), &sent);
    if let Some(frame) = frame {
        let sent = SentFrame { room: room.to_owned(), n, sent: row.sent };
        rows.put(&(user.clone(), frame.to_owned()), &sent);
    }
    row.sent += 1;
    rows.put(&user, row);
    Ok(Outcome::Done)
}

pub(crate) fn post(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    hook: &String,
    text: &str,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let denied = |code| Ok(Outcome::Denied { code });
    if text_fault(text).is_some() {
        return denied(400);
    }
    let Some(Hook { room, name, .. }) = rows.get::<Hook>(hook)? else { return denied(404) };
    let Some(mut target) = rows.get::<Room>(&room)? else { return denied(404) };
    write(at, rows, &name, &room, &mut target, text, frame)?;
    Ok(Outcome::Done)
}

pub(crate) fn delete(
    rows: &mut Rows<'_, Rooms>,
    by: &Author,
    room: &str,
    n: u64,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let Some(room) = canonical(room) else { return Ok(Outcome::Denied { code: 404 }) };
    let key = (room.clone(), n);
    let found = rows.get::<RoomMessage>(&key)?;
    let is_theirs = match by {
        Author::Operator => found.is_some(),
        Author::User(user) => {
            let sender = Sender { user, of: "deleteMessage", frame };
            if let Err(outcome) = sender_row(rows, sender)? {
                return Ok(outcome);
            }
            found.as_ref().is_some_and(|message| message.sender == *user)
        }
    };
    let (Some(message), true) = (found, is_theirs) else {
        return match by {
            Author::Operator => Ok(Outcome::Denied { code: 404 }),
            Author::User(user) => {
                let sender = Sender { user, of: "deleteMessage", frame };
                sender.deny(rows, DenialCode::NotFound, "there is no such message of this user")
            }
        };
    };
    if message.text.is_some() {
        rows.put(&key, &RoomMessage { text: None, ..message });
        let by = match by {
            Author::User(user) => user.clone(),
            Author::Operator => "operator".to_owned(),
        };
        rows.publish(&room_topic(&room), &Event::MessageDeleted { room: room.clone(), n, by });
    }
    Ok(Outcome::Done)
}

pub(crate) fn mark_read(
    rows: &mut Rows<'_, Rooms>,
    user: &str,
    room: &str,
    n: u64,
    frame: Option<&str>,
) -> Result<Outcome, Halt> {
    let sender = Sender { user, of: "markRead", frame };
    let Some(room) = canonical(room) else { return sender.deny(rows, DenialCode::NotFound, NO_SUCH_ROOM) };
    let key = (room.clone(), user.to_owned());
    rows.want::<Member>(&key);
    let (Some(found), Some(member)) = (rows.get::<Room>(&room)?, rows.get::<Member>(&key)?) else {
        return sender.deny(rows, DenialCode::NotFound, NO_SUCH_ROOM);
    };
    let read_n = n.min(found.last_n);
    if read_n > member.read_n {
        rows.put(&key, &Member { read_n });
        rows.publish(&user_topic(user), &Event::MarkRead { room, n: read_n });
    }
    Ok(Outcome::Done)
}
