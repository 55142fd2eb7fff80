//! The commands of the game as JSON, the payload of an envelope's entry.

use std::borrow::Cow;

use game::{
    Action, Add, DisplayName, Level, Platform, Powerup, PowerupKind, PurchaseId, Round, Token, Username,
};
use serde::{Deserialize, Serialize};

/// Why a payload cannot be decoded. It becomes the reason of the dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("not a command: {0}")]
    Command(serde_json::Error),
    #[error("invalid command: {0}")]
    Invalid(#[from] game::Invalid),
}

/// The JSON form, for example `{"press":{"username":"ada"}}`. Unknown commands and fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Json<'a> {
    Add {
        #[serde(borrow)]
        username: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Cow<'a, str>>,
    },
    Press {
        #[serde(borrow)]
        username: Cow<'a, str>,
    },
    Buy {
        #[serde(borrow)]
        username: Cow<'a, str>,
        /// Missing if the client sent none: the id of the entry is the id of the purchase then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        powerup: Cow<'a, str>,
        level: u8,
    },
    Announce {
        round: u64,
        opens_at_ms: i64,
        window_ms: i64,
        grace_ms: i64,
    },
    Tick {
        through_ms: i64,
    },
}

/// Appends the JSON of a command to `out`.
///
/// # Errors
/// None in practice: every action can be written. The serializer's error is passed on all the same.
pub fn encode_action(action: &Action, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let json = match action {
        Action::Add(Add { username, name, platform, token }) => Json::Add {
            username: username.as_str().into(),
            name: name.as_ref().map(|name| name.as_str().into()),
            platform: platform.map(|platform| platform.code().into()),
            token: token.as_ref().map(|token| token.as_str().into()),
        },
        Action::Press { username } => Json::Press { username: username.as_str().into() },
        Action::Buy { username, id, powerup } => return encode_purchase(username, Some(id), *powerup, out),
        Action::Announce(Round { id, opens_at_ms, window_ms, grace_ms }) => Json::Announce {
            round: *id,
            opens_at_ms: *opens_at_ms,
            window_ms: *window_ms,
            grace_ms: *grace_ms,
        },
        Action::Tick { through_ms } => Json::Tick { through_ms: *through_ms },
    };
    serde_json::to_writer(out, &json)
}

/// Appends the JSON of a purchase to `out`. Without an id, that of its entry will name it.
///
/// # Errors
/// As [`encode_action`].
pub fn encode_purchase(
    username: &Username,
    id: Option<&PurchaseId>,
    powerup: Powerup,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let json = Json::Buy {
        username: username.as_str().into(),
        id: id.map(|id| id.as_str().into()),
        powerup: powerup.kind.code().into(),
        level: powerup.level.number(),
    };
    serde_json::to_writer(out, &json)
}

/// Decodes a command; `entry_id` is the id of a purchase without one.
///
/// # Errors
/// [`DecodeError`] for anything but a known command with valid values.
pub fn decode_action(payload: &str, entry_id: impl FnOnce() -> String) -> Result<Action, DecodeError> {
    let json: Json<'_> = serde_json::from_str(payload).map_err(DecodeError::Command)?;
    // serde would accept an array for the fields. The first colon is the one after the command's name.
    if !payload.split_once(':').is_some_and(|(_, fields)| fields.trim_start().starts_with('{')) {
        return Err(DecodeError::Command(serde::de::Error::custom("the fields must be a JSON object")));
    }
    Ok(match json {
        Json::Add { username, name, platform, token } => Action::Add(Add {
            username: Username::new(&username)?,
            name: name.as_deref().map(DisplayName::new).transpose()?,
            platform: platform.as_deref().map(Platform::from_code).transpose()?,
            token: token.as_deref().map(Token::new).transpose()?,
        }),
        Json::Press { username } => Action::Press { username: Username::new(&username)? },
        Json::Buy { username, id, powerup, level } => Action::Buy {
            username: Username::new(&username)?,
            id: match id {
                Some(id) => PurchaseId::new(&id)?,
                None => PurchaseId::new(&entry_id())?,
            },
            powerup: Powerup {
                kind: PowerupKind::from_code(&powerup)?,
                level: Level::from_number(level)
                    .ok_or_else(|| game::Reason::NotOneOf("1, 2, 3, 4").of("level"))?,
            },
        },
        Json::Announce { round, opens_at_ms, window_ms, grace_ms } => {
            Action::Announce(Round::new(round, opens_at_ms, window_ms, grace_ms)?)
        }
        Json::Tick { through_ms } => {
            let max = game::bounds::TIME_MS_MAX;
            if !(0..=max).contains(&through_ms) {
                return Err(game::Reason::OutOfRange { min: 0, max }.of("through_ms").into());
            }
            Action::Tick { through_ms }
        }
    })
}
