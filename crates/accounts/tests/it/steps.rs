//! Random commands at two banks whose accounts have the same names.

use accounts::{Accounts, BankRules, Command, Reply};
use kind::{EffectId, Failed, Input, Requester};
use proptest::prelude::*;

/// What is sent, or comes back.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Do(Command, Option<Requester>),
    /// Fires the first timer that is set, due or not.
    Fire,
    /// Answers the first effect that waits.
    Reply(Result<Reply, Failed>),
    /// Has the first effect tried again that was given up.
    Retry,
    Rules(BankRules),
    Forget,
}

pub(crate) const BANKS: [&str; 2] = ["north", "south"];
const NAMES: [&str; 5] = ["ann", "bob", "bob/x", "cy", "d%"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn command() -> impl Strategy<Value = Command> {
    let bank = || prop::sample::select(BANKS.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        2 => (bank(), name(), 0..50_u64, proptest::option::weighted(0.2, name())).prop_map(
            |(bank, account, cents, forward_to)| Command::Open { bank, account, cents, forward_to }
        ),
        6 => (bank(), name(), name(), 0..30_u64)
            .prop_map(|(bank, from, to, cents)| Command::Transfer { bank, from, to, cents }),
        3 => (bank(), name(), 0..30_u64)
            .prop_map(|(bank, account, cents)| Command::Withdraw { bank, account, cents }),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let by = proptest::option::weighted(
        0.4,
        (0..3_u8).prop_map(|key| Requester { actor: "phone".to_owned(), key: key.to_string() }),
    );
    let failed = Failed { tries: 12, reason: "503".to_owned() };
    prop_oneof![
        8 => (command(), by).prop_map(|(command, by)| Step::Do(command, by)),
        2 => Just(Step::Fire),
        1 => Just(Step::Reply(Ok(Reply::Permitted))),
        1 => Just(Step::Reply(Ok(Reply::Refused))),
        1 => Just(Step::Reply(Err(failed))),
        1 => Just(Step::Retry),
        1 => (1..4_usize).prop_map(|holds_max| Step::Rules(BankRules { holds_max, ..BankRules::default() })),
        1 => Just(Step::Forget),
    ]
}

/// The entry of a step, made of what is set and waits now.
pub(crate) fn input(
    step: &Step,
    now_ms: i64,
    timer: Option<(String, i64, Command)>,
    effect: Option<EffectId>,
    dead: Option<EffectId>,
) -> Option<Input<Accounts>> {
    Some(match step {
        Step::Do(command, by) => Input::Do { command: command.clone(), by: by.clone() },
        Step::Fire => {
            let (timer, due_at_ms, command) = timer?;
            Input::Fire { timer, due_at_ms, command }
        }
        Step::Reply(reply) => Input::Replied { effect: effect?, reply: reply.clone() },
        Step::Retry => Input::Retry { effect: dead? },
        Step::Rules(rules) => Input::Rules(rules.clone()),
        Step::Forget => Input::Forget { through_ms: now_ms - 5 },
    })
}
