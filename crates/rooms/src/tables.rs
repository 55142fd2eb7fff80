//! The rows of a space.

use kind::Table;
use serde::{Deserialize, Serialize};

use crate::Rooms;

/// A user, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomUser {
    pub handle: String,
    /// Rooms that the user is a member of, without direct ones.
    pub rooms: u64,
    /// Direct rooms that the user has begun.
    pub direct_begun: u64,
    /// Messages sent so far: the place of the next one in the ring of `Sent`.
    pub sent: u64,
    /// Whether an operator has barred the user.
    pub is_barred: bool,
}

impl Table for RoomUser {
    type Kind = Rooms;
    type Key = String;
    const NAME: &'static str = "user";
}

/// A room, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Unix milliseconds.
    pub created_at_ms: i64,
    pub members: u64,
    /// The number of the last message; 0 before the first.
    pub last_n: u64,
    /// The time of the last message, in Unix milliseconds.
    pub last_at_ms: i64,
}

impl Table for Room {
    type Kind = Rooms;
    type Key = String;
    const NAME: &'static str = "room";
}

/// A member of a room, by room and user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The greatest number that the user has read; what came before the user joined counts as read.
    pub read_n: u64,
}

impl Table for Member {
    type Kind = Rooms;
    type Key = (String, String);
    const NAME: &'static str = "member";
}

/// The same by user and room: which topics a user hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {}

impl Table for Membership {
    type Kind = Rooms;
    type Key = (String, String);
    const NAME: &'static str = "membership";
}

/// A message, by room and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMessage {
    pub sender: String,
    /// `None`: it was deleted. The number stays.
    pub text: Option<String>,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl Table for RoomMessage {
    type Kind = Rooms;
    type Key = (String, u64);
    const NAME: &'static str = "message";
}

/// One of the last messages of a user, by user and place in a ring: for the limit of messages a minute, and to forget old
/// references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) arrived_at_ms: i64,
    pub(crate) frame: Option<String>,
}

impl Table for Sent {
    type Kind = Rooms;
    type Key = (String, u64);
    const NAME: &'static str = "sent";
}

/// The message that a reference led to, by user and reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentFrame {
    pub(crate) room: String,
    pub(crate) n: u64,
    /// How many messages the user had sent before: which of two messages with this reference the row is of.
    pub(crate) sent: u64,
}

impl Table for SentFrame {
    type Kind = Rooms;
    type Key = (String, String);
    const NAME: &'static str = "sent_frame";
}

/// A hook that posts into a room, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub room: String,
    /// Who the messages are from.
    pub name: String,
    /// The hash of its token, in hex.
    pub token_sha256: String,
}

impl Table for Hook {
    type Kind = Rooms;
    type Key = String;
    const NAME: &'static str = "hook";
}
