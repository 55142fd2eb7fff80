//! What is asked of a team's polls, and what came of it.

use serde::{Deserialize, Serialize};

use crate::{AnswerNote, Order};

/// What can be asked for. The route of all of them is the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Install(Installation),
    /// The app was removed from the workspace, or its token revoked.
    Disable {
        team: String,
        /// When that happened, in Unix milliseconds.
        at_ms: i64,
    },
    /// An operator sets what is not `None`.
    Configure {
        team: String,
        notify_in_channel: Option<bool>,
        invoicing: Option<bool>,
    },
    /// Somebody said something to the bot.
    Order {
        team: String,
        asker: Asker,
        place: OrderPlace,
        order: Order,
    },
    /// Somebody clicked on a choice.
    Answer {
        team: String,
        /// The id of the poll: `block_id`, or `callback_id` in messages of the old app.
        poll: String,
        user: String,
        choice: String,
        /// When the button was clicked, in Unix milliseconds.
        clicked_at_ms: i64,
        /// The message to rewrite. `None`: the answer to the click rewrites it.
        message: Option<MessageRef>,
    },
    /// Closes a poll whose closing time has come. Sent by a timer.
    CloseOnTime {
        team: String,
        poll: String,
    },
    /// Makes the invoice of a month. Sent by a timer.
    Bill {
        team: String,
    },
}

/// The app was installed, or installed again, in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    pub team: String,
    pub name: String,
    /// The bot's token, sealed for this team.
    pub sealed_token: String,
    pub installed_by: String,
}

/// Who ordered something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    pub user: String,
    /// Slack's own bot, which keeps a reminder that somebody set. It is a member of no channel and reads no messages.
    pub is_reminder: bool,
}

/// Where an order was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderPlace {
    Channel(String),
    /// By a slash command, wherever: it means the channel of [`crate::SLASH_CHANNEL`].
    Slash,
    Direct,
}

/// A message in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    pub channel: String,
    /// Slack's id of the message within its channel.
    pub ts: String,
}

/// What came of a command. What the asker is to know comes as a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    /// Nothing was to be done: a timer that came too early, a removal that a later installation has overtaken.
    Ignored,
    /// The team is not known, or has removed the app.
    UnknownTeam,
    /// What the question says from now on of the person's answer.
    Noted(AnswerNote),
}
