//! What is asked of Slack and Stripe, and what they answer. No effect holds a token: it is performed with the token that the
//! row of the team has then.

use kind::EffectId;
use serde::{Deserialize, Serialize};

use crate::{MealTime, MessageRef, Unreadable};

/// A call to Slack or Stripe. [`Effect::slack`] and the functions of [`crate::stripe`] give methods and fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks for a channel by its name. [`Reply::Channel`].
    FindChannel { name: String },
    /// The people of a channel: its members that [`crate::is_person`] accepts, all pages. [`Reply::People`], or
    /// [`Reply::TooManyPeople`].
    ListPeople { channel: String },
    /// The zone of a person. [`Reply::Zone`].
    FindZone { user: String },
    /// Opens a conversation of several people. [`Reply::Opened`].
    OpenGroup { users: Vec<String> },
    /// Posts to a channel, a group conversation or a person, by id; in a thread if `thread` names its first message.
    /// [`Reply::Posted`].
    Post { to: String, thread: Option<String>, word: Word },
    /// Rewrites a message. [`Reply::Done`].
    Update { message: MessageRef, word: Word },
    /// Creates a customer at Stripe, with the e-mail that Slack gives for `contact`. [`Reply::Customer`].
    CreateCustomer { team: String, name: String, contact: String },
    /// Creates and finalizes an invoice. [`Reply::Invoiced`].
    Invoice(InvoiceAsk),
}

/// What messages and invoices carry of their effect, so that a try after a lost answer finds them.
#[must_use]
pub fn effect_name(id: &EffectId) -> String {
    format!("{} {}", id.route, id.name)
}

/// An invoice to be made, of one line, in US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceAsk {
    pub team: String,
    pub customer: String,
    pub cents: u64,
    /// Distinct people who said yes.
    pub people: u64,
    pub due_days: u32,
}

/// What Slack or Stripe answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// `None`: there is no such channel that the bot sees.
    Channel {
        id: Option<String>,
    },
    People {
        users: Vec<String>,
    },
    /// The channel has more people than the rules allow, or their list is longer than [`Reply::BYTES_MAX`].
    TooManyPeople,
    Zone {
        /// Minutes that the person's clock is ahead of UTC now.
        utc_offset_minutes: i32,
    },
    Opened {
        channel: String,
    },
    Posted {
        ts: String,
    },
    Done,
    Customer {
        id: String,
    },
    Invoiced {
        id: String,
    },
    /// Refused permanently (`ok: false`), with the error code of Slack or Stripe.
    Refused {
        error: String,
    },
    /// Slack no longer takes the token of this installation (`Team::install`).
    Revoked {
        install: u64,
    },
    /// Not called: the team was disabled before.
    TeamDisabled,
}

impl Reply {
    /// A longer list of people does not enter the inbox, in bytes of JSON.
    pub const BYTES_MAX: usize = 256 * 1024;

    /// The reply for these people.
    #[must_use]
    pub fn people(users: Vec<String>) -> Self {
        // Quotes, a comma, and what stands around the list.
        let bytes: usize = users.iter().map(|user| user.len() + 3).sum();
        if bytes + 64 > Self::BYTES_MAX { Self::TooManyPeople } else { Self::People { users } }
    }
}

/// Something that the bot says. [`Word::text`] has the wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Welcome,
    Help,
    Unreadable(Unreadable),
    /// Polls live in channels, not in direct messages.
    OnlyInChannels,
    NoSuchChannel {
        name: String,
    },
    /// Slack refused to show the channel.
    HiddenChannel {
        channel: String,
    },
    NotAMember {
        channel: String,
    },
    PollIsOpen {
        channel: String,
    },
    TooManyPeople {
        channel: String,
        people_max: usize,
    },
    NobodyToAsk {
        channel: String,
    },
    CloseTimePassed {
        closes: MealTime,
    },
    /// Slack did not answer.
    SlackFailed,
    /// The closing time has come, and Slack did not answer.
    CouldNotClose {
        channel: String,
    },
    NoPoll {
        channel: String,
    },
    PollWasClosed {
        channel: String,
    },
    NobodyAnswered {
        channel: String,
    },
    AllSaidNo {
        channel: String,
    },
    /// A group, told in the channel.
    Group {
        time: MealTime,
        users: Vec<String>,
    },
    /// Who picks the place, told in the thread of the group.
    Picker {
        user: String,
    },
    /// A group, told in a conversation of its own.
    PrivateGroup {
        time: MealTime,
        users: Vec<String>,
        picker: String,
    },
    /// Nobody else said yes to this time.
    NobodyElse {
        time: MealTime,
    },
    /// The others of the group have left the channel.
    OthersLeft {
        time: MealTime,
    },
    Question(Question),
    Summary(Summary),
}

/// The question of a poll, with its buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub poll: String,
    pub channel: String,
    pub times: Vec<MealTime>,
    pub closes: Option<MealTime>,
    /// When it closes, in Unix milliseconds: set exactly if `closes` is.
    pub closes_at_ms: Option<i64>,
    pub note: Option<AnswerNote>,
}

/// What came of a click, as one line in the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerNote {
    Received {
        choice: String,
    },
    /// The poll takes no answers any more. The choice that counts, if there is one.
    Closed {
        choice: Option<String>,
    },
    UnknownPoll,
    UnknownChoice,
    /// The poll has as many answers as the rules allow.
    Full,
}

/// The closed polls of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub days: u32,
    /// The zone in which times are shown.
    pub utc_offset_minutes: i32,
    /// Latest first.
    pub polls: Vec<SummaryPoll>,
    /// There is more than is shown.
    pub is_cut: bool,
}

/// A closed poll in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryPoll {
    pub created_by: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// In the order of the poll's times.
    pub groups: Vec<SummaryGroup>,
}

/// A group in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryGroup {
    pub time: MealTime,
    pub users: Vec<String>,
}
