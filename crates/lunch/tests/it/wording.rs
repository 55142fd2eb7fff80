//! What is sent to Slack.

use kind::EffectId;
use lunch::slack::{self, SlackError};
use lunch::{AnswerNote, Effect, MealTime, MessageRef, Order, Question, Unreadable, WhyUnreadable, Word};
use serde_json::json;

fn times(words: &str) -> Vec<MealTime> {
    let Order::Create(options) = lunch::order_to_create(words) else { panic!() };
    options.times
}

fn question(note: Option<AnswerNote>) -> Word {
    Word::Question(Question {
        poll: "0-1/3".into(),
        channel: "C1".into(),
        times: times("1145, 905"),
        closes: Some(times("1115").remove(0)),
        closes_at_ms: Some(1_788_260_000_000),
        note,
    })
}

fn id() -> EffectId {
    EffectId { route: "T1".into(), name: "ask U1 0-1/3".into() }
}

#[test]
fn a_question_has_a_text_and_buttons_and_names_its_effect() {
    let post = Effect::Post { to: "U1".into(), thread: None, word: question(None) };
    let call = post.slack(&id()).unwrap();
    assert_eq!(call.method, "chat.postMessage");
    let text = "Lunch with <#C1>? I will put everybody who comes into small groups. \
                Answer before <!date^1788260000^{time}|11:15>.";
    let button = |choice: &str, label: &str| {
        json!({
            "type": "button", "action_id": choice, "value": choice,
            "text": {"type": "plain_text", "text": label},
        })
    };
    assert_eq!(
        call.fields,
        json!({
            "channel": "U1",
            "text": text,
            "unfurl_links": false,
            "unfurl_media": false,
            "metadata": {"event_type": "buttonparty_effect", "event_payload": {"effect": "T1 ask U1 0-1/3"}},
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": text}},
                {"type": "actions", "block_id": "0-1/3", "elements": [
                    button("yes_1145", "Yes (11:45)"), button("yes_905", "Yes (9:05)"), button("no", "No"),
                ]},
            ],
        })
    );
}

#[test]
fn a_rewritten_question_keeps_its_buttons_and_has_one_line_more() {
    let message = MessageRef { channel: "D1".into(), ts: "1.2".into() };
    let rewrite = |note| {
        let effect = Effect::Update { message: message.clone(), word: question(Some(note)) };
        effect.slack(&id()).unwrap()
    };
    let call = rewrite(AnswerNote::Received { choice: "yes_905".into() });
    assert_eq!(
        (call.method, &call.fields["ts"], &call.fields["channel"]),
        ("chat.update", &json!("1.2"), &json!("D1"))
    );
    let blocks = call.fields["blocks"].as_array().unwrap();
    assert_eq!((blocks.len(), blocks[1]["elements"].as_array().unwrap().len()), (3, 3));
    assert!(blocks[2]["text"]["text"].as_str().unwrap().contains("*Yes (9:05)*"));
    for (note, part) in [
        (AnswerNote::Received { choice: "no".into() }, "*No*"),
        (AnswerNote::Closed { choice: Some("yes_905".into()) }, "closed. Your answer was *Yes (9:05)*"),
        (AnswerNote::Closed { choice: None }, "closed"),
    ] {
        let line = rewrite(note).fields["blocks"][2]["text"]["text"].clone();
        assert!(line.as_str().unwrap().contains(part), "{line}");
    }
}

#[test]
fn a_reply_in_a_thread_names_it() {
    let post = Effect::Post {
        to: "C1".into(),
        thread: Some("1.2".into()),
        word: Word::Picker { user: "U1".into() },
    };
    let call = post.slack(&id()).unwrap();
    assert_eq!((&call.fields["thread_ts"], &call.fields["blocks"]), (&json!("1.2"), &json!(null)));
}

#[test]
fn lookups_name_what_they_look_up() {
    let fields = |effect: Effect| {
        let call = effect.slack(&id()).unwrap();
        (call.method, call.fields)
    };
    let (method, list) = fields(Effect::FindChannel { name: "lunch_buddies".into() });
    assert_eq!((method, &list["types"]), ("conversations.list", &json!("public_channel,private_channel")));
    let members = fields(Effect::ListPeople { channel: "C1".into() });
    assert_eq!(members, ("conversations.members", json!({"channel": "C1", "limit": 1_000})));
    assert_eq!(fields(Effect::FindZone { user: "U1".into() }), ("users.info", json!({"user": "U1"})));
    let open = fields(Effect::OpenGroup { users: vec!["U1".into(), "U2".into()] });
    assert_eq!(open, ("conversations.open", json!({"users": "U1,U2"})));
}

#[test]
fn a_quotation_notifies_nobody() {
    let part = Unreadable { part: "<!channel>".into(), why: WhyUnreadable::NoTime };
    let text = Word::Unreadable(part).text();
    assert!(text.contains("\"&lt;!channel&gt;\"") && !text.contains('<'), "{text}");
}

#[test]
fn a_click_in_an_old_message_replaces_the_line_below_its_buttons() {
    let original = json!({"text": "Lunch?", "attachments": [{"callback_id": "p", "actions": []}]});
    let yes = AnswerNote::Received { choice: "yes_905".into() };
    let first = slack::legacy_answer(&original, &yes);
    assert_eq!((&first["text"], &first["attachments"][0]), (&original["text"], &original["attachments"][0]));
    assert_eq!(first["attachments"][1]["text"], yes.text());
    let no = AnswerNote::Received { choice: "no".into() };
    let second = slack::legacy_answer(&first, &no);
    assert_eq!(second["attachments"].as_array().unwrap().len(), 2);
    assert_eq!(second["attachments"][1]["text"], no.text());
    assert_eq!(slack::legacy_answer(&json!({}), &no)["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(slack::legacy_answer(&json!(null), &no), json!(null));
}

#[test]
fn an_error_of_slack_is_tried_again_ends_the_team_or_ends_the_effect() {
    let read =
        ["ratelimited", "internal_error", "invalid_auth", "token_revoked", "channel_not_found", "new_one"];
    use SlackError::{Refused, Retry, Revoked};
    assert_eq!(read.map(slack::error), [Retry, Retry, Revoked, Revoked, Refused, Refused]);
}

#[test]
fn each_word_differs_from_the_others() {
    let channel = || "C1".to_owned();
    let time = || times("1145").remove(0);
    let users = || vec!["U1".to_owned(), "U2".to_owned()];
    let whys = [
        WhyUnreadable::NoTime,
        WhyUnreadable::SameTimeTwice,
        WhyUnreadable::TooManyTimes,
        WhyUnreadable::NoSize,
        WhyUnreadable::NoCloseTime,
        WhyUnreadable::SaidTwice,
        WhyUnreadable::NoDays,
    ];
    let mut words: Vec<_> = whys.map(|why| Word::Unreadable(Unreadable { part: "x".into(), why })).into();
    words.extend([
        Word::Welcome,
        Word::Help,
        Word::OnlyInChannels,
        Word::NoSuchChannel { name: channel() },
        Word::HiddenChannel { channel: channel() },
        Word::NotAMember { channel: channel() },
        Word::PollIsOpen { channel: channel() },
        Word::TooManyPeople { channel: channel(), people_max: 5_000 },
        Word::NobodyToAsk { channel: channel() },
        Word::CloseTimePassed { closes: time() },
        Word::SlackFailed,
        Word::CouldNotClose { channel: channel() },
        Word::NoPoll { channel: channel() },
        Word::PollWasClosed { channel: channel() },
        Word::NobodyAnswered { channel: channel() },
        Word::AllSaidNo { channel: channel() },
        Word::Group { time: time(), users: users() },
        Word::Picker { user: "U1".into() },
        Word::PrivateGroup { time: time(), users: users(), picker: "U1".into() },
        Word::NobodyElse { time: time() },
        Word::OthersLeft { time: time() },
    ]);
    let texts: std::collections::BTreeSet<_> = words.iter().map(Word::text).collect();
    assert_eq!(texts.len(), words.len());
    assert!(texts.iter().all(|text| !text.trim().is_empty() && text.len() < 4_000));
}
