//! What clients hear, in the form of a frame: `{"event":…,"detail":{…}}`.

use kind::{Halt, Rows};
use serde::{Deserialize, Serialize};

use crate::{Outcome, Rooms};

/// An event that stands in the order of the space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "detail", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    UserJoinedRoom {
        room: String,
        user: String,
    },
    UserLeftRoom {
        room: String,
        user: String,
    },
    /// A message, to every member of its room.
    SendMessage {
        message: String,
        room: String,
        sender: String,
        /// Unix milliseconds, unique and rising within the room.
        timestamp: i64,
        /// 1, 2, 3, … within the room.
        n: u64,
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    MessageDeleted {
        room: String,
        n: u64,
        /// A user's id, or `operator`.
        by: String,
    },
    /// The read position of the user who hears it.
    MarkRead {
        room: String,
        n: u64,
    },
    /// An operator has barred the user who hears it: sockets close.
    Kicked {},
    /// Answers a frame that was refused.
    Error(FrameDenial),
}

/// Why a frame was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameDenial {
    pub code: u16,
    /// The event of the frame.
    pub of: String,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    pub message: String,
    /// Whether the same frame may succeed later.
    pub temporary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
}

/// The classes of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialCode {
    Invalid,
    /// An operator has barred the user.
    Barred,
    /// Not there, or not the user's: nobody can tell which.
    NotFound,
    Conflict,
    TooMany {
        /// When the frame may succeed.
        retry_after_ms: i64,
    },
}

impl DenialCode {
    fn number(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Barred => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooMany { .. } => 429,
        }
    }
}

/// The topic of a room's events.
pub fn room_topic(room: &str) -> String {
    format!("r:{room}")
}

/// The topic of what only one user hears, on all sockets of that user.
pub fn user_topic(user: &str) -> String {
    format!("u:{user}")
}

/// Who sent a frame, and under which reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'f> {
    pub(crate) user: &'f str,
    /// The event of the frame.
    pub(crate) of: &'static str,
    pub(crate) frame: Option<&'f str>,
}

impl Sender<'_> {
    /// Tells the sender, and nobody else, that the frame was refused.
    pub(crate) fn deny(
        self,
        rows: &mut Rows<'_, Rooms>,
        code: DenialCode,
        message: &str,
    ) -> Result<Outcome, Halt> {
        let retry_after_ms = match code {
            DenialCode::TooMany { retry_after_ms } => Some(retry_after_ms),
            _ => None,
        };
        let denial = FrameDenial {
            code: code.number(),
            of: self.of.to_owned(),
            frame: self.frame.map(str::to_owned),
            message: message.to_owned(),
            temporary: retry_after_ms.is_some(),
            retry_after_ms,
        };
        rows.publish(&user_topic(self.user), &Event::Error(denial));
        Ok(Outcome::Denied { code: code.number() })
    }
}
