//! A pretend workspace around a partition in memory.

use std::collections::{BTreeMap, BTreeSet};

use kind::{EffectId, Input, Play, Requester};
use lunch::deliveries::{self, EventDelivery};
use lunch::{Command, Effect, Installation, Lunch, MessageRef, Outcome, Poll, PollState, Reply, Rules, Word};
use serde_json::json;

pub(crate) const TEAM: &str = "T1";
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// Tuesday, 2026-09-01, 10:00 UTC.
pub(crate) const START_MS: i64 = 1_788_256_800_000;

/// A message that was posted or rewritten.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) to: String,
    pub(crate) thread: Option<String>,
    pub(crate) word: Word,
    /// Of a rewritten one, that of the message.
    pub(crate) ts: String,
}

/// A workspace with channels, people and a bot.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) play: Play<Lunch>,
    pub(crate) now_ms: i64,
    /// People by channel.
    pub(crate) channels: BTreeMap<String, BTreeSet<String>>,
    /// Ids by name.
    pub(crate) names: BTreeMap<String, String>,
    /// Minutes ahead of UTC, where not 0.
    pub(crate) zones: BTreeMap<String, i32>,
    /// Everything that was posted or rewritten, in order.
    pub(crate) sent: Vec<Sent>,
    /// All calls that were made, by the names of their effects.
    pub(crate) calls: Vec<String>,
    /// How often each delivery comes.
    pub(crate) copies: usize,
    deliveries: u64,
}

impl World {
    /// A workspace whose channel `C1`, called `lunch_buddies`, has so many people: `U1`, `U2`, …
    pub(crate) fn new(people: usize) -> Self {
        Self::with(people, Rules::default())
    }

    pub(crate) fn with(people: usize, rules: Rules) -> Self {
        let users = (1..=people).map(|n| format!("U{n}")).collect();
        let mut world = Self {
            play: Play::new(rules),
            now_ms: START_MS,
            channels: BTreeMap::from([("C1".to_owned(), users)]),
            names: BTreeMap::from([("lunch_buddies".to_owned(), "C1".to_owned())]),
            zones: BTreeMap::new(),
            sent: Vec::new(),
            calls: Vec::new(),
            copies: 1,
            deliveries: 0,
        };
        world.install();
        world.settle();
        world.sent.clear();
        world.calls.clear();
        world
    }

    pub(crate) fn install(&mut self) {
        self.command(Command::Install(Installation {
            team: TEAM.into(),
            name: "Acme".into(),
            sealed_token: format!("sealed-{}", self.now_ms),
            installed_by: "U1".into(),
        }));
    }

    /// Applies a command that nobody repeats.
    pub(crate) fn command(&mut self, command: Command) -> Outcome {
        self.play.send(self.now_ms, command).unwrap()
    }

    /// Delivers a body of the Events API as often as Slack does.
    pub(crate) fn deliver(&mut self, event: &serde_json::Value) -> Option<Outcome> {
        self.deliveries += 1;
        let body = json!({
            "type": "event_callback", "team_id": TEAM, "event_id": format!("Ev{}", self.deliveries),
            "event_time": self.now_ms / 1_000, "event": event,
        });
        let EventDelivery::Queue(command, by) = deliveries::event(&body) else { return None };
        Some(self.input(&command, &by))
    }

    fn input(&mut self, command: &Command, by: &Requester) -> Outcome {
        for _ in 0..self.copies {
            let input = Input::Do { command: command.clone(), by: Some(by.clone()) };
            self.play.feed(self.now_ms, &input).unwrap();
        }
        let outcome = self.play.outcome(&by.outcome_id(TEAM)).unwrap();
        serde_json::from_str(&outcome.body).unwrap()
    }

    /// Somebody mentions the bot in a channel.
    pub(crate) fn mention(&mut self, user: &str, channel: &str, words: &str) -> Option<Outcome> {
        let text = format!("<@U0BOT> {words}");
        self.deliver(&json!({"type": "app_mention", "user": user, "channel": channel, "text": text}))
    }

    /// As [`World::mention`], and Slack answers everything.
    pub(crate) fn say(&mut self, user: &str, channel: &str, words: &str) {
        self.mention(user, channel, words);
        self.settle();
    }

    /// Somebody clicks on a choice now.
    pub(crate) fn click(&mut self, user: &str, poll: &str, choice: &str) -> Outcome {
        self.click_at(user, poll, choice, self.now_ms)
    }

    pub(crate) fn click_at(&mut self, user: &str, poll: &str, choice: &str, clicked_at_ms: i64) -> Outcome {
        self.deliveries += 1;
        let payload = json!({
            "type": "block_actions", "team": {"id": TEAM}, "user": {"id": user},
            "trigger_id": format!("trigger.{}", self.deliveries),
            "container": {"channel_id": format!("D{user}"), "message_ts": format!("ts-{user}")},
            "actions": [{
                "block_id": poll, "action_id": choice,
                "action_ts": format!("{}.{:03}", clicked_at_ms / 1_000, clicked_at_ms % 1_000),
            }],
        });
        let click = deliveries::click(&payload).unwrap();
        self.input(&click.command, &click.by)
    }

    /// The open poll of a channel.
    pub(crate) fn poll(&self, channel: &str) -> Option<String> {
        let polls = self.polls();
        let open = polls.iter().rfind(|(_, it)| it.channel_id == channel && it.state == PollState::Open);
        open.map(|(id, _)| id.clone())
    }

    /// All polls, in order of time.
    pub(crate) fn polls(&self) -> Vec<(String, Poll)> {
        let rows = self.play.rows().filter(|(id, _)| id.table == "poll");
        let read = |(id, body): (&kind::RowId, &String)| {
            let (_, id) = kind::decode_key(&id.key).unwrap();
            (id, serde_json::from_str::<Poll>(body).unwrap())
        };
        let mut polls: Vec<_> = rows.map(read).collect();
        polls.sort_by_key(|(_, poll)| poll.created_at_ms);
        polls
    }

    /// The effects that wait.
    pub(crate) fn waiting(&self) -> Vec<(EffectId, Effect)> {
        let read = |(id, ask): (&EffectId, &kind::Ask)| (id.clone(), serde_json::from_str(&ask.ask).unwrap());
        self.play.effects().map(read).collect()
    }

    /// Performs everything that waits, and what follows from it.
    pub(crate) fn settle(&mut self) {
        loop {
            let waiting = self.waiting();
            if waiting.is_empty() {
                return;
            }
            waiting.iter().for_each(|(id, effect)| self.perform(id, effect));
        }
    }

    /// Performs everything but one effect.
    pub(crate) fn settle_but(&mut self, late: &EffectId) {
        while let Some((id, effect)) = self.waiting().into_iter().find(|(id, _)| id != late) {
            self.perform(&id, &effect);
        }
    }

    pub(crate) fn perform(&mut self, id: &EffectId, effect: &Effect) {
        let reply = self.answer(id, effect);
        for _ in 0..self.copies {
            self.play.reply(self.now_ms, id.clone(), Ok(reply.clone())).unwrap();
        }
    }

    /// What Slack or Stripe answers.
    pub(crate) fn answer(&mut self, id: &EffectId, effect: &Effect) -> Reply {
        self.calls.push(id.name.clone());
        match effect {
            Effect::FindChannel { name } => Reply::Channel { id: self.names.get(name).cloned() },
            Effect::ListPeople { channel } => match self.channels.get(channel) {
                Some(people) => Reply::people(people.iter().cloned().collect()),
                None => Reply::Refused { error: "channel_not_found".into() },
            },
            Effect::FindZone { user } => {
                Reply::Zone { utc_offset_minutes: self.zones.get(user).copied().unwrap_or(0) }
            }
            Effect::OpenGroup { users } => Reply::Opened { channel: format!("G-{}", users.join("-")) },
            Effect::Post { to, thread, word } => {
                let ts = format!("ts{}", self.sent.len());
                let (to, thread, word) = (to.clone(), thread.clone(), word.clone());
                self.sent.push(Sent { to, thread, word, ts: ts.clone() });
                Reply::Posted { ts }
            }
            Effect::Update { message: MessageRef { channel, ts }, word } => {
                let (to, word, ts) = (channel.clone(), word.clone(), ts.clone());
                self.sent.push(Sent { to, thread: None, word, ts });
                Reply::Done
            }
            Effect::CreateCustomer { team, .. } => Reply::Customer { id: format!("cus_{team}") },
            Effect::Invoice(_) => Reply::Invoiced { id: format!("in_{}", id.name) },
        }
    }

    /// Takes what was sent since the last time.
    pub(crate) fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// What was sent since the last time, as receivers and words.
    pub(crate) fn words(&mut self) -> Vec<(String, Word)> {
        self.take_sent().into_iter().map(|it| (it.to, it.word)).collect()
    }

    /// Opens a poll in `C1`, which `U1` creates; the questions are taken.
    pub(crate) fn open(&mut self, words: &str) -> String {
        self.settle();
        self.sent.clear();
        self.say("U1", "C1", words);
        let asked = self.take_sent();
        assert!(asked.iter().all(|it| matches!(it.word, Word::Question(_))), "{asked:?}");
        self.poll("C1").unwrap()
    }

    /// Lets time pass; timers that become due fire, and Slack answers.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        self.play.advance(self.now_ms).unwrap();
        self.settle();
    }
}
