//! What stands in the inbox of a kind.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// One entry of a kind's inbox, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound = "")]
pub enum Input<K: Kind> {
    /// A command from an edge.
    Do {
        command: K::Command,
        /// Set where the requester may ask for the outcome, or repeat the command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Requester>,
    },
    /// A timer that was due. It applies only if the timer is still set, with this due time, and never as of an earlier
    /// time.
    Fire {
        /// The timer's name within the route of its command.
        timer: String,
        /// Unix milliseconds.
        due_at_ms: i64,
        command: K::Command,
    },
    /// What came of an effect. Given up counts once; an answer counts after that too.
    Replied { effect: EffectId, reply: Result<K::Reply, Failed> },
    /// An operator has an effect tried again that was given up.
    Retry { effect: EffectId },
    /// The rules that hold from here on.
    Rules(K::Rules),
    /// Outcomes that are not younger than this, in Unix milliseconds, no longer hold.
    Forget { through_ms: i64 },
}

impl<K: Kind> Input<K> {
    /// Whose the entry is. `None`: it is for every partition.
    pub fn route(&self) -> Option<&str> {
        match self {
            Self::Do { command, .. } | Self::Fire { command, .. } => Some(K::route(command)),
            Self::Replied { effect, .. } | Self::Retry { effect } => Some(&effect.route),
            Self::Rules(_) | Self::Forget { .. } => None,
        }
    }
}

/// Who sent a command under an id of its own. The outcome is kept under both, and a second command with the same id gets
/// the first outcome and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requester {
    /// Whose id it is: only this actor may ask for the outcome.
    pub actor: String,
    /// The id, as the actor chose it.
    pub key: String,
}

/// The name of an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId {
    /// The route of the command that asked for the effect.
    pub route: String,
    /// The name that the rule gave, unique within the route.
    pub name: String,
}

/// Why an effect was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// How often it was tried.
    pub tries: u32,
    /// What the last try met, without secrets.
    pub reason: String,
}
