//! The rules of rooms: chat in which the members of a room hear every message once, in one order, and nobody else hears
//! any. What the rules are is said in docs/rooms.md.
//!
//! A space is a route: users and rooms of one space never meet those of another. Presence, typing and sockets are not
//! here: they are kept nowhere, so they are the edge's.

mod bounds;
mod command;
mod direct;
mod event;
mod history;
mod members;
mod messages;
mod operators;
mod tables;

pub use bounds::{MESSAGE_BYTES_MAX, MESSAGE_CHARS_MAX, REFS_KEPT, ROOM_CHARS_MAX};
pub use command::{Author, Command, Outcome, RoomsRules};
pub use direct::{DirectRoom, is_direct};
pub use event::{DenialCode, Event, FrameDenial, room_topic, user_topic};
use kind::{At, EffectId, Failed, Halt, Kind, Rows};
pub use tables::{Hook, Member, Membership, Room, RoomMessage, RoomUser};

/// The kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rooms;

impl Kind for Rooms {
    type Command = Command;
    type Outcome = Outcome;
    /// Rooms ask nobody outside for anything.
    type Effect = ();
    type Reply = ();
    type Rules = RoomsRules;

    const NAME: &'static str = "rooms";

    fn route(command: &Command) -> &str {
        command.space()
    }

    fn apply(at: &At<'_, Self>, command: &Command, rows: &mut Rows<'_, Self>) -> Result<Outcome, Halt> {
        match command {
            Command::Connect { user, handle, .. } => members::connect(rows, user, handle.as_deref()),
            Command::Create { user, room, frame, .. } => {
                members::create(at, rows, user, room, frame.as_deref())
            }
            Command::Join { user, room, frame, .. } => members::join(at, rows, user, room, frame.as_deref()),
            Command::Leave { user, room, frame, .. } => members::leave(rows, user, room, frame.as_deref()),
            Command::Send { user, room, text, frame, .. } => {
                messages::send(at, rows, user, room, text, frame.as_deref())
            }
            Command::Post { hook, text, frame, .. } => messages::post(at, rows, hook, text, frame.as_deref()),
            Command::Delete { by, room, n, frame, .. } => {
                messages::delete(rows, by, room, *n, frame.as_deref())
            }
            Command::MarkRead { user, room, n, frame, .. } => {
                messages::mark_read(rows, user, room, *n, frame.as_deref())
            }
            Command::Sweep { space, room } => history::sweep(at, rows, space, room),
            Command::Kick { user, .. } => operators::kick(rows, user),
            Command::Unkick { user, .. } => operators::unkick(rows, user),
            Command::AddHook { id, room, name, token_sha256, .. } => {
                operators::add_hook(rows, id, room, name, token_sha256)
            }
            Command::RemoveHook { id, .. } => operators::remove_hook(rows, id),
            Command::OpenRoom { room, .. } => operators::open_room(at, rows, room),
        }
    }

    fn replied(
        _: &At<'_, Self>,
        effect: &EffectId,
        _: &Result<(), Failed>,
        _: &mut Rows<'_, Self>,
    ) -> Result<(), Halt> {
        Err(Halt::Fault(format!("rooms have asked for no effect {}", effect.name)))
    }
}
