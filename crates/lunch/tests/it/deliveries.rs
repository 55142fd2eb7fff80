//! What Slack sends, in the forms that it documents.

use lunch::deliveries::{EventDelivery, SlashCommand, SlashDelivery, click, event, slash};
use lunch::{Asker, Command, MessageRef, Order, OrderPlace, is_person, texts};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{TEAM, World};

fn body(inner: &Value) -> Value {
    json!({
        "token": "x", "team_id": TEAM, "api_app_id": "A1", "type": "event_callback", "event_id": "Ev1",
        "event_time": 1_788_256_800, "authorizations": [], "event": inner,
    })
}

fn command(inner: &Value) -> Option<Command> {
    match event(&body(inner)) {
        EventDelivery::Queue(command, by) => {
            assert_eq!((by.actor.as_str(), by.key.as_str()), ("slack", "Ev1"));
            Some(command)
        }
        EventDelivery::Ignore => None,
        EventDelivery::Challenge(_) => panic!("{inner}"),
    }
}

fn mention(text: &str) -> Value {
    json!({
        "type": "app_mention", "user": "U2", "text": text, "ts": "1.2", "channel": "C1", "event_ts": "1.2",
    })
}

fn with(mut event: Value, field: &str, value: Value) -> Value {
    event[field] = value;
    event
}

fn close(user: &str, is_reminder: bool, place: OrderPlace) -> Option<Command> {
    let asker = Asker { user: user.into(), is_reminder };
    Some(Command::Order { team: TEAM.into(), asker, place, order: Order::Close })
}

#[test]
fn a_challenge_is_echoed() {
    let challenge = json!({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"});
    assert_eq!(event(&challenge), EventDelivery::Challenge("3eZbrw1aB".into()));
}

#[test]
fn mentions_and_reminders_are_orders_in_their_channel() {
    let channel = || OrderPlace::Channel("C1".into());
    assert_eq!(command(&mention("<@U0BOT> close")), close("U2", false, channel()));
    let reminder =
        with(with(mention("Reminder: <@U0BOT> close."), "user", json!("USLACKBOT")), "bot_id", json!("B01"));
    assert_eq!(command(&reminder), close("USLACKBOT", true, channel()));
    let reminder = with(reminder, "subtype", json!("bot_message"));
    assert_eq!(command(&reminder), close("USLACKBOT", true, channel()));
}

#[test]
fn a_direct_message_is_an_order_without_a_mention() {
    let message = json!({
        "type": "message", "channel": "D2", "user": "U2", "text": "Close.", "ts": "1.2", "channel_type": "im",
    });
    assert_eq!(command(&message), close("U2", false, OrderPlace::Direct));
    let ignored = [
        with(message.clone(), "bot_id", json!("B01")),
        with(message.clone(), "subtype", json!("message_changed")),
        with(message.clone(), "subtype", json!("message_deleted")),
        with(message.clone(), "channel_type", json!("channel")),
        with(message.clone(), "channel_type", json!("mpim")),
        with(message.clone(), "user", json!("USLACKBOT")),
        with(message.clone(), "edited", json!({"user": "U2", "ts": "1.3"})),
        with(message.clone(), "text", Value::Null),
        with(message, "text", json!("so close")),
    ];
    for message in ignored {
        assert_eq!(command(&message), None, "{message}");
    }
}

#[test]
fn what_is_no_order_is_ignored() {
    let close = mention("<@U0BOT> close");
    let ignored = [
        mention("<@U0BOT>"),
        mention("<@U0BOT> hello"),
        mention(""),
        with(close.clone(), "text", Value::Null),
        with(close.clone(), "user", Value::Null),
        with(close.clone(), "channel", Value::Null),
        with(close.clone(), "bot_id", json!("B77")),
        with(close.clone(), "subtype", json!("bot_message")),
        with(close.clone(), "user", json!("USLACKBOT")),
        with(close.clone(), "edited", json!({"user": "U2", "ts": "1.3"})),
        json!({"type": "reaction_added", "user": "U2"}),
        json!({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}),
        json!({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}}),
        json!({}),
    ];
    for inner in ignored {
        assert_eq!(command(&inner), None, "{inner}");
    }
    for whole in [
        json!({}),
        json!([]),
        json!("x"),
        json!({"type": "url_verification"}),
        json!({"type": "app_rate_limited"}),
    ] {
        assert_eq!(event(&whole), EventDelivery::Ignore, "{whole}");
    }
    let mut no_id = body(&close);
    no_id["event_id"] = Value::Null;
    assert_eq!(event(&no_id), EventDelivery::Ignore);
}

#[test]
fn a_removed_app_disables_its_team() {
    let disable = Some(Command::Disable { team: TEAM.into(), at_ms: 1_788_256_800_000 });
    assert_eq!(command(&json!({"type": "app_uninstalled"})), disable);
    assert_eq!(
        command(&json!({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BOT"]}})),
        disable
    );
}

#[test]
fn the_same_event_twice_has_one_effect() {
    let mut world = World::new(3);
    world.copies = 2;
    for words in ["help", "close", "create 5"] {
        world.say("U2", "C1", words);
        assert_eq!(world.take_sent().len(), 1, "{words}");
    }
}

#[test]
fn slash_commands_are_answered_at_once_where_nothing_must_be_queued() {
    let say = |command, text| match slash(command, TEAM, "U2", text, "t") {
        SlashDelivery::Say(text) => text,
        SlashDelivery::Queue(command, _) => panic!("{command:?}"),
    };
    for command in [SlashCommand::Create, SlashCommand::Close, SlashCommand::Help] {
        assert_eq!(say(command, " Help "), texts::help());
    }
    assert_eq!(say(SlashCommand::Help, ""), texts::help());
    assert!(say(SlashCommand::Create, "1145, Noonish").contains("\"Noonish\""));
    assert!(say(SlashCommand::Create, "size=9").contains("\"size=9\""));
    let SlashDelivery::Queue(queued, by) = slash(SlashCommand::Close, TEAM, "U2", "now", "t") else {
        panic!()
    };
    assert_eq!(by.key, "t");
    assert_eq!(Some(queued), close("U2", false, OrderPlace::Slash));
}

fn block_actions() -> Value {
    json!({
        "type": "block_actions", "team": {"id": TEAM, "domain": "acme"}, "user": {"id": "U2", "team_id": TEAM},
        "api_app_id": "A1", "token": "x", "trigger_id": "12.34.ab", "response_url": "https://hooks.slack.com/x",
        "container": {"type": "message", "message_ts": "1548.2", "channel_id": "D2", "is_ephemeral": false},
        "channel": {"id": "D2", "name": "directmessage"},
        "actions": [{
            "type": "button", "block_id": "0-1/3", "action_id": "yes_1145", "value": "yes_1145",
            "text": {"type": "plain_text", "text": "Yes (11:45)"}, "action_ts": "1548426417.840180",
        }],
    })
}

#[test]
fn a_click_on_a_button_is_an_answer() {
    let answer = |message| Command::Answer {
        team: TEAM.into(),
        poll: "0-1/3".into(),
        user: "U2".into(),
        choice: "yes_1145".into(),
        clicked_at_ms: 1_548_426_417_840,
        message,
    };
    let ours = click(&block_actions()).unwrap();
    let message = MessageRef { channel: "D2".into(), ts: "1548.2".into() };
    assert_eq!((ours.command, ours.is_legacy), (answer(Some(message)), false));
    assert_eq!(ours.by.key, "12.34.ab");
    let mut without_value = block_actions();
    without_value["actions"][0]["value"] = Value::Null;
    assert!(click(&without_value).is_some());
    let legacy = json!({
        "type": "interactive_message", "team": {"id": TEAM}, "user": {"id": "U2"}, "callback_id": "0-1/3",
        "actions": [{"name": "answer", "type": "button", "value": "yes_1145"}],
        "action_ts": "1548426417.840180", "message_ts": "1.2", "trigger_id": "9",
        "channel": {"id": "D2", "name": "directmessage"}, "original_message": {},
    });
    let legacy = click(&legacy).unwrap();
    assert_eq!((legacy.command, legacy.is_legacy), (answer(None), true));
}

#[test]
fn what_is_no_click_on_a_choice_is_none() {
    for kind in ["view_submission", "shortcut", "message_action", "block_suggestion", "dialog_submission"] {
        assert_eq!(click(&with(block_actions(), "type", json!(kind))), None, "{kind}");
    }
    for field in ["team", "user", "actions", "type"] {
        assert_eq!(click(&with(block_actions(), field, Value::Null)), None, "{field}");
    }
    for ts in ["", "x", "1.x", "-1.5", "99999999999999999999"] {
        let mut payload = block_actions();
        payload["actions"][0]["action_ts"] = json!(ts);
        assert_eq!(click(&payload), None, "{ts}");
    }
}

#[test]
fn humans_of_the_workspace_are_people() {
    let human = json!({
        "id": "U2", "team_id": TEAM, "deleted": false, "is_bot": false, "is_restricted": true, "is_app_user": false,
    });
    assert_eq!(is_person(&human, TEAM), Some("U2"));
    let of_enterprise = with(human.clone(), "team_id", json!("E1"));
    let of_enterprise = with(of_enterprise, "enterprise_user", json!({"teams": ["T7", TEAM]}));
    assert_eq!(is_person(&of_enterprise, TEAM), Some("U2"));
    for (field, value) in [
        ("is_bot", json!(true)),
        ("is_workflow_bot", json!(true)),
        ("deleted", json!(true)),
        ("is_stranger", json!(true)),
        ("team_id", json!("T2")),
        ("id", json!("USLACKBOT")),
        ("id", Value::Null),
    ] {
        assert_eq!(is_person(&with(human.clone(), field, value), TEAM), None, "{field}");
    }
}

/// Any JSON of a few levels, with names that Slack uses.
fn any_json() -> impl Strategy<Value = Value> {
    let names =
        ["type", "team_id", "event", "event_id", "text", "user", "team", "id", "actions", "tokens", "bot"];
    let words = ["event_callback", "app_mention", "<@U0BOT> create 5", "block_actions", "im", "1.5", "T1"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names.to_vec()), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, it)| (name.into(), it)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body in any_json()) {
        let _ = (event(&body), click(&body), is_person(&body, TEAM));
    }
}
