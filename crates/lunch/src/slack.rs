//! Effects as calls of Slack's Web API, and which of Slack's users count as people.

use kind::EffectId;
use serde_json::{Value, json};

use crate::{AnswerNote, Effect, Question, Word, effect_name, texts};

/// A call of the Web API: `POST {base}/{method}` with the fields as JSON or as a form.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackCall {
    pub method: &'static str,
    pub fields: Value,
}

/// Entries of a page that are asked for.
const PAGE: u32 = 1_000;
/// The event type of message metadata that names the effect of a message.
pub const METADATA_EVENT: &str = "buttonparty_effect";

/// What a message carries of its effect. A try after a lost answer looks for it in the history of the conversation.
#[must_use]
pub fn metadata(id: &EffectId) -> Value {
    json!({"event_type": METADATA_EVENT, "event_payload": {"effect": effect_name(id)}})
}

impl Effect {
    /// The first call of an effect at Slack; `None` for those at Stripe.
    ///
    /// Lists have pages: the edge follows `next_cursor`. After [`Effect::ListPeople`] it looks the members up by
    /// `users.list` or `users.info`, and keeps those that [`is_person`] accepts.
    #[must_use]
    pub fn slack(&self, id: &EffectId) -> Option<SlackCall> {
        let call = |method, fields| Some(SlackCall { method, fields });
        match self {
            Self::FindChannel { .. } => call(
                "conversations.list",
                json!({"types": "public_channel,private_channel", "exclude_archived": true, "limit": PAGE}),
            ),
            Self::ListPeople { channel } => {
                call("conversations.members", json!({"channel": channel, "limit": PAGE}))
            }
            Self::FindZone { user } => call("users.info", json!({"user": user})),
            Self::OpenGroup { users } => call("conversations.open", json!({"users": users.join(",")})),
            Self::Post { to, thread, word } => {
                let mut fields = body(to, word);
                fields["metadata"] = metadata(id);
                if let Some(thread) = thread {
                    fields["thread_ts"] = json!(thread);
                }
                call("chat.postMessage", fields)
            }
            Self::Update { message, word } => {
                let mut fields = body(&message.channel, word);
                fields["ts"] = json!(message.ts);
                call("chat.update", fields)
            }
            Self::CreateCustomer { .. } | Self::Invoice(_) => None,
        }
    }
}

fn body(channel: &str, word: &Word) -> Value {
    let mut fields =
        json!({"channel": channel, "text": word.text(), "unfurl_links": false, "unfurl_media": false});
    if let Word::Question(question) = word {
        fields["blocks"] = blocks(question);
    }
    fields
}

/// The question in Block Kit. Its buttons have the poll as `block_id` and the choice as `action_id`.
fn blocks(question: &Question) -> Value {
    let button = |choice: &str, label: &str| {
        json!({
            "type": "button",
            "action_id": choice,
            "value": choice,
            "text": {"type": "plain_text", "text": label},
        })
    };
    let yes = question.times.iter().map(|time| button(&time.choice(), &texts::yes_label(time)));
    let buttons: Vec<_> = yes.chain([button("no", texts::NO_LABEL)]).collect();
    let section = |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let mut blocks = vec![
        section(question.text()),
        json!({"type": "actions", "block_id": question.poll, "elements": buttons}),
    ];
    blocks.extend(question.note.as_ref().map(|note| section(note.text())));
    Value::Array(blocks)
}

/// What an error code of Slack's (`ok: false`) means for the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlackError {
    /// Slack's trouble, or too many calls: try again.
    Retry,
    /// The token no longer counts: [`crate::Reply::Revoked`].
    Revoked,
    /// No try will help: [`crate::Reply::Refused`].
    Refused,
}

/// Reads an error code of Slack's.
#[must_use]
pub fn error(code: &str) -> SlackError {
    match code {
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => SlackError::Retry,
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            SlackError::Revoked
        }
        _ => SlackError::Refused,
    }
}

/// The answer to a click in a message of the old app: the original message, whose second attachment is the line that says
/// what was received.
#[must_use]
pub fn legacy_answer(original: &Value, note: &AnswerNote) -> Value {
    let mut answer = original.clone();
    let buttons = original["attachments"][0].clone();
    let line = json!({"text": note.text(), "fallback": note.text(), "mrkdwn_in": ["text"]});
    let attachments = [buttons].into_iter().filter(|it| !it.is_null()).chain([line]).collect();
    if let Value::Object(fields) = &mut answer {
        fields.insert("attachments".to_owned(), Value::Array(attachments));
        fields.insert("replace_original".to_owned(), json!(true));
    }
    answer
}

/// The id of a user of Slack's, as `users.list` and `users.info` tell of it, if it is somebody to ask: a human of this
/// workspace, guests included. Not a bot, not Slack's own, not deleted, not of another workspace in a shared channel.
#[must_use]
pub fn is_person<'u>(user: &'u Value, team: &str) -> Option<&'u str> {
    let id = user["id"].as_str()?;
    let is = |flag: &str| user[flag].as_bool().unwrap_or(false);
    // In an enterprise organisation a person may belong to several workspaces.
    let of_enterprise = user["enterprise_user"]["teams"].as_array();
    let is_ours =
        user["team_id"] == team || of_enterprise.is_some_and(|teams| teams.iter().any(|it| it == team));
    let is_bot = is("is_bot") || is("is_workflow_bot") || id == "USLACKBOT";
    (is_ours && !is_bot && !is("deleted") && !is("is_stranger")).then_some(id)
}
