//! Everything that the bot says, in Slack's mrkdwn. Nothing else has wording.

use std::fmt::Write;

use crate::calendar::{self, MINUTE_MS};
use crate::{
    AnswerNote, MealTime, Question, SLASH_CHANNEL, Summary, SummaryPoll, TIMES_MAX, Unreadable,
    WhyUnreadable, Word,
};

/// The answer to a slash command that was taken.
pub const OK: &str = "ok";
/// The answer to a workspace that has not installed the app, or has removed it.
pub const UNKNOWN_TEAM: &str = "This workspace does not have the lunch bot. Install it to use it.";
/// The label of the button that says no.
pub const NO_LABEL: &str = "No";

/// The label of the button for a time.
#[must_use]
pub fn yes_label(time: &MealTime) -> String {
    format!("Yes ({})", time.text())
}

/// What the app does.
#[must_use]
pub fn help() -> String {
    format!(
        "I bring people of a channel together for lunch. Mention me in the channel:\n\
         • `create` asks everybody there whether they come at 12:00. `create 1145, 1230` offers these times, up to \
         {TIMES_MAX}. Add `size=4` for groups of about 4 (2 to 6), and `close=1115` to close at that time.\n\
         • `close` ends the poll and forms the groups. In each group one person picks the place.\n\
         • `summary 14` lists the groups of the last 14 days.\n\
         • `help` shows this.\n\
         A Slack reminder that mentions me works too. The slash commands are for the channel #{SLASH_CHANNEL}."
    )
}

/// Why a part of an order could not be read.
#[must_use]
pub fn unreadable(Unreadable { part, why }: &Unreadable) -> String {
    // Slack has escaped the rest. A mention in a quotation must not notify anybody.
    let part = part.replace('<', "&lt;").replace('>', "&gt;");
    let reason = match why {
        WhyUnreadable::NoTime => "is no time. Times look like `1145` or `905`.".to_owned(),
        WhyUnreadable::SameTimeTwice => "is on the list already.".to_owned(),
        WhyUnreadable::TooManyTimes => format!("is one too many: a poll offers up to {TIMES_MAX} times."),
        WhyUnreadable::NoSize => "is no group size. Sizes are `size=2` to `size=6`.".to_owned(),
        WhyUnreadable::NoCloseTime => "is no closing time. It looks like `close=1115`.".to_owned(),
        WhyUnreadable::SaidTwice => "is said a second time.".to_owned(),
        WhyUnreadable::NoDays => "is no number of days. It looks like `summary 7`.".to_owned(),
    };
    format!("Sorry, \"{part}\" {reason}")
}

impl Word {
    /// The wording. Of a question: what notifications and screen readers say.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Welcome => {
                format!(
                    "Thanks for adding me! Invite me to a channel, and I can ask who has lunch.\n{}",
                    help()
                )
            }
            Self::Help => help(),
            Self::Unreadable(part) => unreadable(part),
            Self::OnlyInChannels => {
                "Polls belong to a channel. Invite me to one and mention me there.".to_owned()
            }
            Self::NoSuchChannel { name } => format!("I see no channel #{name}. Create it and invite me."),
            Self::HiddenChannel { channel } => {
                format!("I cannot see who is in <#{channel}>. Invite me to it, please.")
            }
            Self::NotAMember { channel } => {
                format!("Only members of <#{channel}> can do that. Join it and try again.")
            }
            Self::PollIsOpen { channel } => {
                format!("<#{channel}> has an open poll. Close it before you create the next one.")
            }
            Self::TooManyPeople { channel, people_max } => {
                format!("<#{channel}> has more than {people_max} people. That is too many for a poll.")
            }
            Self::NobodyToAsk { channel } => format!("There is nobody to ask in <#{channel}>."),
            Self::CloseTimePassed { closes } => {
                format!(
                    "It is past {} already, so the poll cannot close then. Nobody was asked.",
                    closes.text()
                )
            }
            Self::SlackFailed => {
                "Slack did not answer me, so I could not do that. Please try again.".to_owned()
            }
            Self::CouldNotClose { channel } => {
                format!(
                    "The poll of <#{channel}> should be closed by now, but Slack did not answer me. Close it, please."
                )
            }
            Self::NoPoll { channel } => format!("<#{channel}> has no open poll."),
            Self::PollWasClosed { channel } => format!("The poll of <#{channel}> is closed already."),
            Self::NobodyAnswered { channel } => {
                format!("The poll of <#{channel}> is closed. Nobody had answered, so there are no groups.")
            }
            Self::AllSaidNo { channel } => {
                format!("The poll of <#{channel}> is closed. Everybody who answered said no.")
            }
            Self::Group { time, users } => format!("Lunch at {}: {}", time.text(), mentions(users)),
            Self::Picker { user } => format!("<@{user}>, you pick the place."),
            Self::PrivateGroup { time, users, picker } => {
                format!("Lunch at {}: {}. <@{picker}> picks the place.", time.text(), mentions(users))
            }
            Self::NobodyElse { time } => {
                format!("You are the only one who said yes to {}.", time.text())
            }
            Self::OthersLeft { time } => {
                format!("The others of your group for {} have left the channel.", time.text())
            }
            Self::Question(question) => question.text(),
            Self::Summary(summary) => summary.text(),
        }
    }
}

impl Question {
    /// The question, without the line about the answer.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text =
            format!("Lunch with <#{}>? I will put everybody who comes into small groups.", self.channel);
        if let (Some(closes), Some(at_ms)) = (&self.closes, self.closes_at_ms) {
            // Slack shows the time in the zone of the reader, and what follows `|` where it cannot.
            let seconds = at_ms.div_euclid(1_000);
            let _ = write!(text, " Answer before <!date^{seconds}^{{time}}|{}>.", closes.text());
        }
        text
    }
}

impl AnswerNote {
    /// The line in the question.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Received { choice } => {
                format!("Your answer: *{}*. You can change it until the poll closes.", label_of(choice))
            }
            Self::Closed { choice: Some(choice) } => {
                format!("This poll is closed. Your answer was *{}*.", label_of(choice))
            }
            Self::Closed { choice: None } => "This poll is closed. It has no answer of yours.".to_owned(),
            Self::UnknownPoll => "This poll no longer exists.".to_owned(),
            Self::UnknownChoice => "This poll does not offer that.".to_owned(),
            Self::Full => "This poll has as many answers as it can take.".to_owned(),
        }
    }
}

/// The label of a choice's button.
fn label_of(choice: &str) -> String {
    let time = choice.strip_prefix("yes_").and_then(MealTime::read);
    time.map_or_else(|| NO_LABEL.to_owned(), |time| yes_label(&time))
}

fn mentions(users: &[String]) -> String {
    users.iter().map(|user| format!("<@{user}>")).collect::<Vec<_>>().join(", ")
}

impl Summary {
    fn text(&self) -> String {
        let days =
            if self.days == 1 { "the last day".to_owned() } else { format!("the last {} days", self.days) };
        if self.polls.is_empty() {
            return format!("No poll of this channel was closed in {days}.");
        }
        let mut text = format!("Polls of {days}:");
        for poll in &self.polls {
            text.push('\n');
            text.push_str(&self.poll(poll));
        }
        if self.is_cut {
            text.push_str("\nThere are more. Ask for fewer days to see them.");
        }
        text
    }

    fn poll(&self, poll: &SummaryPoll) -> String {
        let (year, month, day) = calendar::date(poll.created_at_ms, self.utc_offset_minutes);
        let minutes = (poll.created_at_ms.div_euclid(MINUTE_MS) + i64::from(self.utc_offset_minutes))
            .rem_euclid(24 * 60);
        let (hour, minute) = (minutes / 60, minutes % 60);
        let by = &poll.created_by;
        let mut text = format!("*{year}-{month:02}-{day:02} {hour}:{minute:02}*, started by <@{by}>");
        if poll.groups.is_empty() {
            text.push_str(": no groups");
        }
        for group in &poll.groups {
            let _ = write!(text, "\n• {}: {}", group.time.text(), mentions(&group.users));
        }
        text
    }
}
