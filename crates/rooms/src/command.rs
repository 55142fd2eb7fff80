//! What can be asked of a space.

use serde::{Deserialize, Serialize};

/// A command. `frame` is the reference that the sender's client gave its frame; it stands in what answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A user has connected. The first time makes the user.
    Connect {
        space: String,
        user: String,
        handle: Option<String>,
    },
    /// Makes a room that anybody may join, and joins it.
    Create {
        space: String,
        user: String,
        room: String,
        frame: Option<String>,
    },
    Join {
        space: String,
        user: String,
        room: String,
        frame: Option<String>,
    },
    Leave {
        space: String,
        user: String,
        room: String,
        frame: Option<String>,
    },
    /// A message. The first one to a direct room makes the room.
    Send {
        space: String,
        user: String,
        room: String,
        text: String,
        frame: Option<String>,
    },
    /// A message through a hook.
    Post {
        space: String,
        hook: String,
        text: String,
        frame: Option<String>,
    },
    Delete {
        space: String,
        by: Author,
        room: String,
        n: u64,
        frame: Option<String>,
    },
    MarkRead {
        space: String,
        user: String,
        room: String,
        n: u64,
        frame: Option<String>,
    },
    /// Removes messages that have expired. Sent by a timer.
    Sweep {
        space: String,
        room: String,
    },
    /// An operator bars a user.
    Kick {
        space: String,
        user: String,
    },
    Unkick {
        space: String,
        user: String,
    },
    /// An operator makes a hook; `token_sha256` is the hash of its token in hex.
    AddHook {
        space: String,
        id: String,
        room: String,
        name: String,
        token_sha256: String,
    },
    RemoveHook {
        space: String,
        id: String,
    },
    /// An operator, or the demo, makes a room without joining it.
    OpenRoom {
        space: String,
        room: String,
    },
}

/// Who deletes a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    User(String),
    Operator,
}

impl Command {
    /// The space that the command is for.
    pub fn space(&self) -> &str {
        match self {
            Self::Connect { space, .. }
            | Self::Create { space, .. }
            | Self::Join { space, .. }
            | Self::Leave { space, .. }
            | Self::Send { space, .. }
            | Self::Post { space, .. }
            | Self::Delete { space, .. }
            | Self::MarkRead { space, .. }
            | Self::Sweep { space, .. }
            | Self::Kick { space, .. }
            | Self::Unkick { space, .. }
            | Self::AddHook { space, .. }
            | Self::RemoveHook { space, .. }
            | Self::OpenRoom { space, .. } => space,
        }
    }
}

/// What came of a command that carries an id: those of hooks and operators. Frames are answered by events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Refused, with the code of the error event.
    Denied {
        code: u16,
    },
}

/// The numbers that the rules depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomsRules {
    /// How long a message is listed.
    pub keep_ms: i64,
    /// Messages of a user in 60 s, by arrival; at most 1 000 hold.
    pub messages_a_minute: u64,
    /// Members of a room.
    pub members_max: u64,
    /// Rooms of a user.
    pub rooms_max: u64,
}

impl Default for RoomsRules {
    fn default() -> Self {
        Self { keep_ms: 86_400_000, messages_a_minute: 60, members_max: 10_000, rooms_max: 1_000 }
    }
}
