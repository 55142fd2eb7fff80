//! Tables of commands and their expected outcomes.
//!
//! ```text
//! rounds 10h 20h                            announces rounds 1, 2, … of 100 s + 10 s with these openings
//! 9h   | buy EXTENDER 2 id=a | bought score=550 extender=2@9h..15h
//! O1   | press               | counted:1 streak=1 last=counted:1/1@O1
//! ```
//! One row is one command: when it arrived | the command | its outcome and, after it, fields of the player.
//!
//! * Times are sums: `O1` is the opening of round 1, then `h`, `m`, `s`, and a bare number is milliseconds: `O1+110s+1`.
//! * The player is `ann`, or the name before a colon: `bob: press`.
//! * `announce ID OPENS [WINDOW GRACE] [stored=TIME]` and `tick` are the scheduler's; a tick goes through the row's time.
//!   Without `stored` it is an announcement in a journal that does not say when it was stored.
//! * `set score=700 streak=5` writes into the row of the player, as a longer game would have; it has no outcome.
//! * `read` shows the player as reads do; its outcome is `shown`.
//! * `same` says that the command changed nothing at all in the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use game::{
    Action, Add, Announced, DisplayName, Effect, Fault, KnownRound, Outcome, Platform, Player, PowerupKind,
    PressOutcome, Round, Stamps, Token, World,
};

use super::{GRACE_MS, HOUR_MS, WINDOW_MS, buy, round, user};

/// Applies the commands of a table and checks each row's expectations.
pub(crate) fn check(text: &str) {
    let mut table = Table::default();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(rounds) = line.strip_prefix("rounds ") {
            table.rounds(rounds);
        } else if !line.is_empty() {
            table.play(line, number);
        }
    }
}

#[derive(Default)]
struct Table {
    world: World,
    opens_at_ms: BTreeMap<u64, i64>,
}

impl Table {
    fn rounds(&mut self, openings: &str) {
        for (id, opening) in (1..).zip(openings.split_whitespace()) {
            let opens_at_ms = self.time(opening);
            self.opens_at_ms.insert(id, opens_at_ms);
            let announced = KnownRound { round: round(id, opens_at_ms), late: false };
            Arc::make_mut(&mut self.world.rounds).announce(announced).unwrap();
        }
    }

    fn play(&mut self, line: &str, number: u64) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [at, command, expected] = columns[..] else { panic!("row {number} has not 3 columns: {line}") };
        let (who, command) = command.split_once(": ").unwrap_or(("ann", command));
        let (verb, args) = command.split_once(' ').unwrap_or((command, ""));
        let mut args: Vec<&str> = args.split_whitespace().collect();
        if let ("announce", [id, opening, ..]) = (verb, &args[..]) {
            let opens_at_ms = self.time(opening);
            self.opens_at_ms.entry(id.parse().unwrap()).or_insert(opens_at_ms);
        }
        let at_ms = self.time(at);
        let before = self.without_changes();
        let mut shown = None;
        let outcome = match verb {
            "set" => self.set(who, &args),
            "read" => {
                shown = self
                    .world
                    .players
                    .get(&user(who))
                    .map(|player| player.settled_view(&self.world.rounds, self.world.applied_through_ms));
                shown.as_ref().map_or("unknown_player", |_| "shown").into()
            }
            _ => {
                let stored = args.iter().find_map(|arg| arg.strip_prefix("stored="));
                let stored_at_ms = stored.map(|time| self.time(time));
                args.retain(|arg| !arg.starts_with("stored="));
                let action = self.action(who, verb, &args, at_ms, number);
                outcome_text(self.world.apply(Stamps { arrived_at_ms: at_ms, stored_at_ms }, &action))
            }
        };
        let mut expected = expected.split_whitespace();
        assert_eq!(expected.next().unwrap_or("set"), outcome, "outcome of row {number}: {line}");
        let player = shown.or_else(|| self.world.players.get(&user(who)).cloned());
        for field in expected {
            let Some((key, value)) = field.split_once('=') else {
                assert_eq!(field, "same", "row {number}: {line}");
                assert_eq!(self.without_changes(), before, "row {number} changed something: {line}");
                continue;
            };
            let found = self.field(player.as_ref().unwrap(), key);
            assert_eq!(found, self.value(key, value), "{key} after row {number}: {line}");
        }
    }

    fn without_changes(&self) -> World {
        let mut world = self.world.clone();
        world.take_changes();
        world
    }

    fn set(&mut self, who: &str, args: &[&str]) -> String {
        let player = self.world.players.get_mut(&user(who)).unwrap();
        for arg in args {
            match arg.split_once('=').unwrap() {
                ("score", score) => player.score = score.parse().unwrap(),
                ("streak", streak) => player.streak = streak.parse().unwrap(),
                _ => panic!("cannot set {arg}"),
            }
        }
        "set".into()
    }

    fn action(&self, who: &str, verb: &str, args: &[&str], at_ms: i64, number: u64) -> Action {
        let named = |key: &str| {
            args.iter().find_map(|arg| arg.split_once('=').filter(|(k, _)| *k == key)).map(|(_, value)| value)
        };
        match (verb, args) {
            ("add", _) => Action::Add(Add {
                username: user(who),
                name: named("name").map(|name| DisplayName::new(name).unwrap()),
                platform: named("platform").map(|code| Platform::from_code(code).unwrap()),
                token: named("token").map(|token| Token::new(token).unwrap()),
            }),
            ("press", []) => Action::Press { username: user(who) },
            ("buy", [kind, quantity, ..]) => {
                let id = named("id").map_or_else(|| format!("row-{number}"), str::to_owned);
                buy(who, &id, PowerupKind::from_code(kind).unwrap(), quantity.parse().unwrap())
            }
            ("announce", [id, opens, rest @ ..]) => {
                let (window_ms, grace_ms) = match rest {
                    [window, grace] => (self.time(window), self.time(grace)),
                    _ => (WINDOW_MS, GRACE_MS),
                };
                let id = id.parse().unwrap();
                Action::Announce(Round::new(id, self.time(opens), window_ms, grace_ms).unwrap())
            }
            ("tick", []) => Action::Tick { through_ms: at_ms },
            _ => panic!("row {number}: what is {verb} {args:?}?"),
        }
    }

    /// A sum of times, in milliseconds.
    fn time(&self, text: &str) -> i64 {
        let spaced = text.replace('+', " ").replace('-', " -");
        spaced.split_whitespace().map(|term| self.term(term)).sum()
    }

    fn term(&self, term: &str) -> i64 {
        if let Some(id) = term.strip_prefix('O') {
            return self.opens_at_ms[&id.parse().unwrap()];
        }
        let unit_ms = match term.as_bytes().last() {
            Some(b'h') => HOUR_MS,
            Some(b'm') => 60_000,
            Some(b's') => 1_000,
            _ => 1,
        };
        let count: i64 = term.trim_end_matches(['h', 'm', 's']).parse().unwrap();
        count * unit_ms
    }

    /// The value of a player's field, with times in milliseconds.
    fn field(&self, player: &Player, key: &str) -> String {
        let round_of = |key: &str| &self.world.rounds.get(key[6..].parse().unwrap()).unwrap().round;
        match key {
            "score" => player.score.to_string(),
            "streak" => player.streak.to_string(),
            "reached" => player.reached_at_ms.to_string(),
            "name" => player.name.as_ref().map_or("none", |name| name.as_str()).into(),
            "platform" => player.platform.map_or("none", Platform::code).into(),
            "freeze" => effect_text(PowerupKind::Freeze, player.freeze),
            "multiplier" => effect_text(PowerupKind::Multiplier, player.multiplier),
            "extender" => effect_text(PowerupKind::Extender, player.extender),
            "last" => player.last_press.map_or("none".into(), |last| {
                let round = last.round.map_or("none".into(), |id| id.to_string());
                format!("{}/{round}@{}", press_text(last.outcome), last.arrived_at_ms)
            }),
            "purchase" => player
                .last_purchase
                .as_ref()
                .map_or("none".into(), |last| format!("{}:{}", last.id.as_str(), last.outcome.code())),
            _ if key.starts_with("cutoff") => player.cutoff_ms(round_of(key)).to_string(),
            _ if key.starts_with("closes") => player.closes_at_ms(round_of(key)).to_string(),
            _ => panic!("there is no field {key}"),
        }
    }

    /// An expected value with its times in milliseconds.
    fn value(&self, key: &str, value: &str) -> String {
        if key == "reached" || key.starts_with("cutoff") || key.starts_with("closes") {
            return self.time(value).to_string();
        }
        let Some((what, times)) = value.split_once('@') else { return value.into() };
        let times: Vec<String> = times.split("..").map(|time| self.time(time).to_string()).collect();
        format!("{what}@{}", times.join(".."))
    }
}

fn effect_text(kind: PowerupKind, effect: Option<Effect>) -> String {
    effect.map_or("none".into(), |Effect { level, from_ms, until_ms }| {
        format!("{}@{from_ms}..{until_ms}", game::Powerup { kind, level }.quantity())
    })
}

fn press_text(outcome: PressOutcome) -> String {
    match outcome {
        PressOutcome::Counted { points } => format!("counted:{points}"),
        rejected => rejected.code().into(),
    }
}

fn outcome_text(outcome: Result<Outcome, Fault>) -> String {
    match outcome {
        Ok(Outcome::Added { new: true }) => "new".into(),
        Ok(Outcome::Added { new: false }) => "kept".into(),
        Ok(Outcome::Press(outcome)) => press_text(outcome),
        Ok(Outcome::Purchase(outcome)) => outcome.code().into(),
        Ok(Outcome::PurchaseKnown(outcome)) => format!("known:{}", outcome.code()),
        Ok(Outcome::UnknownPlayer) => "unknown_player".into(),
        Ok(Outcome::Announced(Announced::New)) => "announced".into(),
        Ok(Outcome::Announced(Announced::Known)) => "known".into(),
        Ok(Outcome::Ticked) => "ticked".into(),
        Err(Fault::AnnouncementDiffers { round }) => format!("differs:{round}"),
        Err(Fault::Overlaps { round, other }) => format!("overlaps:{round}:{other}"),
    }
}
