//! What Slack sends, as commands. The edge has checked the signature before.

use kind::Requester;
use serde_json::Value;

use crate::grammar::{order_of_mention, order_of_message, order_to_create};
use crate::{Asker, Command, MessageRef, Order, OrderPlace, texts};

/// Slack's own bot.
const SLACKBOT: &str = "USLACKBOT";

/// What to do with a delivery of the Events API.
#[derive(Debug, Clone, PartialEq)]
pub enum EventDelivery {
    /// Answer with this text.
    Challenge(String),
    /// Queue the command. Slack repeats deliveries: the requester makes that count once.
    Queue(Command, Requester),
    /// Answer and do nothing.
    Ignore,
}

/// What to do with a slash command.
#[derive(Debug, Clone, PartialEq)]
pub enum SlashDelivery {
    /// Answer with this text.
    Say(String),
    /// Queue the command, and answer [`texts::OK`].
    Queue(Command, Requester),
}

/// Which slash command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlashCommand {
    Create,
    Close,
    Help,
}

/// A click on a choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Click {
    pub command: Command,
    pub by: Requester,
    /// A message of the old app: the answer is the original message, with what came of the click.
    pub is_legacy: bool,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn requester(key: String) -> Requester {
    Requester { actor: "slack".to_owned(), key }
}

/// Reads a body of the Events API.
#[must_use]
pub fn event(body: &Value) -> EventDelivery {
    if body["type"] == "url_verification" {
        return text(&body["challenge"]).map_or(EventDelivery::Ignore, EventDelivery::Challenge);
    }
    let command = || {
        let team = text(&body["team_id"])?;
        let event = &body["event"];
        match event["type"].as_str()? {
            "app_mention" => mention(team, event),
            "message" => direct_message(team, event),
            "app_uninstalled" => Some(Command::Disable { team, at_ms: event_time_ms(body)? }),
            "tokens_revoked" => {
                let bots = event["tokens"]["bot"].as_array()?;
                (!bots.is_empty()).then_some(Command::Disable { team, at_ms: event_time_ms(body)? })
            }
            _ => None,
        }
    };
    let delivery = (body["type"] == "event_callback").then(command).flatten().zip(text(&body["event_id"]));
    delivery.map_or(EventDelivery::Ignore, |(command, key)| EventDelivery::Queue(command, requester(key)))
}

fn event_time_ms(body: &Value) -> Option<i64> {
    body["event_time"].as_i64()?.checked_mul(1_000)
}

/// A message that mentions the bot, but no edit of one, and no bot's but Slack's own, which keeps reminders.
fn mention(team: String, event: &Value) -> Option<Command> {
    let user = text(&event["user"])?;
    let is_reminder = user == SLACKBOT;
    let subtype = event["subtype"].as_str();
    let is_plain = subtype.is_none() || is_reminder && subtype == Some("bot_message");
    // People have no bot id, other bots have no part here, and a reminder has both.
    let is_of_bot = !event["bot_id"].is_null();
    if !is_plain || is_of_bot != is_reminder || !event["edited"].is_null() {
        return None;
    }
    let order = order_of_mention(event["text"].as_str()?)?;
    let place = OrderPlace::Channel(text(&event["channel"])?);
    Some(Command::Order { team, asker: Asker { user, is_reminder }, place, order })
}

/// A message of a person to the bot. Those of bots are ignored, the bot's own too.
fn direct_message(team: String, event: &Value) -> Option<Command> {
    let is_plain = event["subtype"].is_null() && event["bot_id"].is_null() && event["edited"].is_null();
    if !is_plain || event["channel_type"] != "im" {
        return None;
    }
    let user = text(&event["user"]).filter(|user| user != SLACKBOT)?;
    let order = order_of_message(event["text"].as_str()?)?;
    Some(Command::Order { team, asker: Asker { user, is_reminder: false }, place: OrderPlace::Direct, order })
}

/// Reads a slash command. `trigger` is the `trigger_id` of its form.
#[must_use]
pub fn slash(command: SlashCommand, team: &str, user: &str, words: &str, trigger: &str) -> SlashDelivery {
    let order = match command {
        SlashCommand::Create => order_to_create(words),
        SlashCommand::Close if order_to_create(words) == Order::Help => Order::Help,
        SlashCommand::Close => Order::Close,
        SlashCommand::Help => Order::Help,
    };
    match order {
        Order::Help => SlashDelivery::Say(texts::help()),
        Order::Unreadable(part) => SlashDelivery::Say(texts::unreadable(&part)),
        order => {
            let asker = Asker { user: user.to_owned(), is_reminder: false };
            let command = Command::Order { team: team.to_owned(), asker, place: OrderPlace::Slash, order };
            SlashDelivery::Queue(command, requester(trigger.to_owned()))
        }
    }
}

/// Reads the payload of a click: `block_actions`, or `interactive_message` of the old app. `None`: no click on a choice.
#[must_use]
pub fn click(payload: &Value) -> Option<Click> {
    let action = &payload["actions"][0];
    let (is_legacy, poll, choice) = match payload["type"].as_str()? {
        "block_actions" => (false, &action["block_id"], text(&action["action_id"])),
        "interactive_message" => {
            (true, &payload["callback_id"], text(&action["value"]).or_else(|| text(&action["name"])))
        }
        _ => return None,
    };
    let clicked = text(&action["action_ts"]).or_else(|| text(&payload["action_ts"]))?;
    let user = text(&payload["user"]["id"])?;
    let message = |channel, ts| Some(MessageRef { channel: text(channel)?, ts: text(ts)? });
    let container = &payload["container"];
    let command = Command::Answer {
        team: text(&payload["team"]["id"])?,
        poll: text(poll)?,
        user: user.clone(),
        choice: choice?,
        clicked_at_ms: ms_of(&clicked)?,
        message: message(&container["channel_id"], &container["message_ts"]).filter(|_| !is_legacy),
    };
    // Without a trigger, the click is identified by its user and time.
    let key = text(&payload["trigger_id"]).unwrap_or_else(|| format!("{user} {clicked}"));
    Some(Click { command, by: requester(key), is_legacy })
}

/// A timestamp of Slack's, seconds with a fraction, in Unix milliseconds.
fn ms_of(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let is_number = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    seconds.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(millis)
}
