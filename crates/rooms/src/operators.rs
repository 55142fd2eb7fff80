//! What operators do.

use kind::{At, Halt, Rows};

use crate::event::{Event, user_topic};
use crate::members::room_id_fault;
use crate::{Hook, Outcome, Room, RoomUser, Rooms};

pub(crate) fn kick(rows: &mut Rows<'_, Rooms>, user: &String) -> Result<Outcome, Halt> {
    let Some(row) = rows.get::<RoomUser>(user)? else { return Ok(Outcome::Denied { code: 404 }) };
    rows.put(user, &RoomUser { is_barred: true, ..row });
    rows.publish(&user_topic(user), &Event::Kicked {});
    Ok(Outcome::Done)
}

pub(crate) fn unkick(rows: &mut Rows<'_, Rooms>, user: &String) -> Result<Outcome, Halt> {
    let Some(row) = rows.get::<RoomUser>(user)? else { return Ok(Outcome::Denied { code: 404 }) };
    rows.put(user, &RoomUser { is_barred: false, ..row });
    Ok(Outcome::Done)
}

pub(crate) fn open_room(
    at: &At<'_, Rooms>,
    rows: &mut Rows<'_, Rooms>,
    room: &String,
) -> Result<Outcome, Halt> {
    if room_id_fault(room).is_some() {
        return Ok(Outcome::Denied { code: 400 });
    }
    if rows.get::<Room>(room)?.is_none() {
        rows.put(room, &Room::new(at.ms));
    }
    Ok(Outcome::Done)
}

pub(crate) fn add_hook(
    rows: &mut Rows<'_, Rooms>,
    id: &String,
    room: &String,
    name: &str,
    token_sha256: &str,
) -> Result<Outcome, Halt> {
    if rows.get::<Room>(room)?.is_none() {
        return Ok(Outcome::Denied { code: 404 });
    }
    if rows.get::<Hook>(id)?.is_some() {
        return Ok(Outcome::Denied { code: 409 });
    }
    let hook = Hook { room: room.clone(), name: name.to_owned(), token_sha256: token_sha256.to_owned() };
    rows.put(id, &hook);
    Ok(Outcome::Done)
}

pub(crate) fn remove_hook(rows: &mut Rows<'_, Rooms>, id: &String) -> Result<Outcome, Halt> {
    if rows.get::<Hook>(id)?.is_none() {
        return Ok(Outcome::Denied { code: 404 });
    }
    rows.remove::<Hook>(id);
    Ok(Outcome::Done)
}
