//! What people say to the bot, as orders. The grammar stands in docs/lunch.md.

use serde::{Deserialize, Serialize};

use crate::GROUP_SIZES;

/// Times that a poll may offer.
pub const TIMES_MAX: usize = 4;
/// How far back a summary may look, in days.
pub const SUMMARY_DAYS_MAX: u32 = 366;
/// How far a summary looks back if nothing is said, in days.
const SUMMARY_DAYS: u32 = 7;
/// The size of groups if nothing is said.
const GROUP_SIZE: usize = 6;
/// The time that is offered if nothing is said.
const NOON: &str = "1200";
/// Of a part that cannot be read, this much is quoted.
const PART_CHARS_MAX: usize = 50;

/// A time of day, as it was typed: three or four digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MealTime(String);

impl MealTime {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_time = (3..=4).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        let time = is_time.then(|| Self(text.to_owned()))?;
        let (hour, minute) = time.parts();
        (hour < 24 && minute < 60).then_some(time)
    }

    fn parts(&self) -> (u32, u32) {
        let number = self.0.parse().unwrap_or(0);
        (number / 100, number % 100)
    }

    /// Minutes since midnight.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        let (hour, minute) = self.parts();
        hour * 60 + minute
    }

    /// As people read it: `11:45`.
    #[must_use]
    pub fn text(&self) -> String {
        let (hour, minute) = self.parts();
        format!("{hour}:{minute:02}")
    }

    /// The choice of those who come at this time: `yes_1145`.
    #[must_use]
    pub fn choice(&self) -> String {
        format!("yes_{}", self.0)
    }
}

/// What a poll is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollOptions {
    /// 1 to [`TIMES_MAX`] distinct times, as they were listed.
    pub times: Vec<MealTime>,
    /// Within [`GROUP_SIZES`].
    pub group_size: usize,
    /// When it closes by itself, in the creator's zone.
    pub closes: Option<MealTime>,
}

/// What somebody wants of the bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Create(PollOptions),
    Close,
    Summary {
        days: u32,
    },
    Help,
    /// A part of the order has no meaning.
    Unreadable(Unreadable),
}

/// The part of an order that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// As it was typed, at most 50 characters of it.
    pub part: String,
    pub why: WhyUnreadable,
}

/// What is wrong with a part of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnreadable {
    NoTime,
    SameTimeTwice,
    TooManyTimes,
    NoSize,
    NoCloseTime,
    SaidTwice,
    NoDays,
}

/// Reads a message that mentions the bot: on the first line that holds an order, the text after the last mention. `None`:
/// there is no order.
#[must_use]
pub fn order_of_mention(text: &str) -> Option<Order> {
    text.lines().find_map(|line| {
        let start = line.rfind("<@")?;
        let (_, after) = line[start..].split_once('>')?;
        order(after)
    })
}

/// Reads a direct message to the bot: what stands after the last mention in it, else all of its first line.
#[must_use]
pub fn order_of_message(text: &str) -> Option<Order> {
    if text.contains("<@") { order_of_mention(text) } else { order(text.trim().lines().next()?) }
}

/// Reads an order that begins with its name.
fn order(text: &str) -> Option<Order> {
    let text = text.trim();
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match normal(name).as_str() {
        "create" => Some(order_to_create(rest)),
        "close" => Some(Order::Close),
        "summary" => Some(order_of_summary(rest)),
        "help" => Some(Order::Help),
        _ => None,
    }
}

/// A word as it is compared: lower case, without full stops (a reminder ends with one).
fn normal(word: &str) -> String {
    word.trim_matches(',').replace('.', "").to_lowercase()
}

fn unreadable(part: &str, why: WhyUnreadable) -> Unreadable {
    Unreadable { part: part.trim_matches(',').chars().take(PART_CHARS_MAX).collect(), why }
}

fn order_of_summary(rest: &str) -> Order {
    let Some(word) = rest.split_whitespace().next().filter(|word| !normal(word).is_empty()) else {
        return Order::Summary { days: SUMMARY_DAYS };
    };
    match normal(word).parse() {
        Ok(days) if (1..=SUMMARY_DAYS_MAX).contains(&days) => Order::Summary { days },
        _ => Order::Unreadable(unreadable(word, WhyUnreadable::NoDays)),
    }
}

/// Reads what stands after `create`, or after the slash command that creates.
#[must_use]
pub fn order_to_create(text: &str) -> Order {
    if normal(text.trim()) == "help" {
        return Order::Help;
    }
    match options(text) {
        Ok(options) => Order::Create(options),
        Err(part) => Order::Unreadable(part),
    }
}

fn options(text: &str) -> Result<PollOptions, Unreadable> {
    let mut times = Vec::<MealTime>::new();
    let (mut group_size, mut closes) = (None, None);
    let words = text.split(|it: char| it == ',' || it.is_whitespace());
    for word in words.filter(|word| !normal(word).is_empty()) {
        let read = normal(word);
        let fail = |why| Err(unreadable(word, why));
        match read.split_once('=') {
            Some(("size", _)) if group_size.is_some() => return fail(WhyUnreadable::SaidTwice),
            Some(("close", _)) if closes.is_some() => return fail(WhyUnreadable::SaidTwice),
            Some(("size", size)) => match size.parse() {
                Ok(size) if GROUP_SIZES.contains(&size) => group_size = Some(size),
                _ => return fail(WhyUnreadable::NoSize),
            },
            Some(("close", time)) => match MealTime::read(time) {
                Some(time) => closes = Some(time),
                None => return fail(WhyUnreadable::NoCloseTime),
            },
            _ => {
                let Some(time) = MealTime::read(&read) else { return fail(WhyUnreadable::NoTime) };
                if times.iter().any(|it| it.minutes() == time.minutes()) {
                    return fail(WhyUnreadable::SameTimeTwice);
                }
                if times.len() == TIMES_MAX {
                    return fail(WhyUnreadable::TooManyTimes);
                }
                times.push(time);
            }
        }
    }
    if times.is_empty() {
        times.push(MealTime(NOON.to_owned()));
    }
    Ok(PollOptions { times, group_size: group_size.unwrap_or(GROUP_SIZE), closes })
}

#[cfg(test)]
mod tests;
