//! The rules in memory.

use accounts::{Account, Accounts, BankRules, Command, Outcome, Reply, Reservation};
use kind::{EffectId, EventWhat, Input, Play, Requester, decode_key};
use proptest::prelude::*;

use crate::steps::{BANKS, Step, input, step};

fn open(bank: &str, account: &str, cents: u64) -> Command {
    Command::Open { bank: bank.into(), account: account.into(), cents, forward_to: None }
}

fn forward(account: &str, to: &str) -> Command {
    Command::Open { bank: "b".into(), account: account.into(), cents: 0, forward_to: Some(to.into()) }
}

fn transfer(from: &str, to: &str, cents: u64) -> Command {
    Command::Transfer { bank: "b".into(), from: from.into(), to: to.into(), cents }
}

fn withdraw(account: &str, cents: u64) -> Command {
    Command::Withdraw { bank: "b".into(), account: account.into(), cents }
}

fn cents(play: &Play<Accounts>, account: &str) -> (u64, u64) {
    let row = play.row::<Account>("b", &account.to_owned()).unwrap();
    (row.cents, row.held_cents)
}

/// Ann has 100 cents, Bob has none.
fn bank() -> Play<Accounts> {
    let mut play = Play::new(BankRules::default());
    play.send(0, open("b", "ann", 100)).unwrap();
    play.send(0, open("b", "bob", 0)).unwrap();
    play
}

#[test]
fn a_transfer_moves_what_is_there_and_tells_followers() {
    let mut play = bank();
    assert_eq!(play.send(1, transfer("ann", "bob", 30)), Ok(Outcome::Done));
    assert_eq!(play.send(1, transfer("ann", "bob", 71)), Ok(Outcome::NotEnough { cents: 70 }));
    assert_eq!((cents(&play, "ann"), cents(&play, "bob")), ((70, 0), (30, 0)));
    let [event] = play.events() else { panic!("{:?}", play.events()) };
    let what = EventWhat::Publish { topic: "b/ann".into(), event: r#"[1,"sent",30]"#.into() };
    assert_eq!((event.number, &event.what), (1, &what));
}

#[test]
fn a_transfer_is_forwarded_as_far_as_the_rules_say() {
    let mut play = bank();
    play.send(1, forward("x", "y")).unwrap();
    play.send(1, forward("y", "bob")).unwrap();
    assert_eq!(play.send(2, transfer("ann", "x", 5)), Ok(Outcome::Done));
    assert_eq!(cents(&play, "bob"), (5, 0));
    play.feed(3, &Input::Rules(BankRules { forwards_max: 1, ..BankRules::default() })).unwrap();
    assert_eq!(play.send(4, transfer("ann", "x", 5)), Ok(Outcome::ForwardsTooFar));
    play.send(5, forward("bob", "bob")).unwrap();
    assert_eq!(play.send(6, transfer("ann", "bob", 5)), Ok(Outcome::ForwardsTooFar));
    assert_eq!(cents(&play, "ann"), (95, 0));
}

#[test]
fn a_withdrawal_is_held_until_its_answer() {
    let mut play = bank();
    for (reply, after) in [(Reply::Permitted, (60, 0)), (Reply::Refused, (60, 0))] {
        play.send(1, withdraw("ann", 40)).unwrap();
        let effect = play.effects().next().unwrap().0.clone();
        assert_eq!(cents(&play, "ann").1, 40);
        play.reply(2, effect.clone(), Ok(reply.clone())).unwrap();
        assert_eq!(cents(&play, "ann"), after, "{reply:?}");
        // The same reply again finds nothing to do.
        play.reply(3, effect, Ok(Reply::Refused)).unwrap();
        assert_eq!(cents(&play, "ann"), after);
        assert_eq!((play.effects().count(), play.timers().count()), (0, 0));
    }
}

#[test]
fn a_hold_expires_by_its_time_and_a_late_answer_changes_nothing() {
    let mut play = bank();
    let Outcome::AskedForPermission { hold } = play.send(1, withdraw("ann", 40)).unwrap() else { panic!() };
    let release = Command::Release { bank: "b".into(), account: "ann".into(), hold };
    assert_eq!(play.send(60_000, release), Ok(Outcome::Done));
    assert_eq!(cents(&play, "ann"), (60, 40));
    play.advance(60_000).unwrap();
    assert_eq!(cents(&play, "ann"), (60, 40));
    play.advance(60_001).unwrap();
    assert_eq!(cents(&play, "ann"), (100, 0));
    let effect = play.effects().next().unwrap().0.clone();
    play.reply(60_002, effect, Ok(Reply::Permitted)).unwrap();
    assert_eq!(cents(&play, "ann"), (100, 0));
}

#[test]
fn a_timer_that_is_not_set_with_this_time_does_nothing() {
    let mut play = bank();
    let Outcome::AskedForPermission { hold } = play.send(1, withdraw("ann", 40)).unwrap() else { panic!() };
    let command = Command::Release { bank: "b".into(), account: "ann".into(), hold: hold.clone() };
    let fire = |due_at_ms| Input::Fire { timer: format!("ann {hold}"), due_at_ms, command: command.clone() };
    play.feed(70_000, &fire(60_000)).unwrap();
    assert_eq!(cents(&play, "ann"), (60, 40));
    play.feed(70_000, &fire(60_001)).unwrap();
    assert_eq!(cents(&play, "ann"), (100, 0));
    assert_eq!(play.timers().count(), 0);
}

#[test]
fn a_command_with_an_id_counts_once_until_it_is_forgotten() {
    let mut play = bank();
    let by = |actor: &str| Requester { actor: actor.into(), key: "1".into() };
    let send = |play: &mut Play<Accounts>, at_ms, cents, actor| {
        let input = Input::Do { command: transfer("ann", "bob", cents), by: Some(by(actor)) };
        play.feed(at_ms, &input).unwrap();
    };
    send(&mut play, 10, 5, "phone");
    send(&mut play, 11, 7, "phone");
    assert_eq!(cents(&play, "bob"), (5, 0));
    send(&mut play, 12, 7, "other");
    assert_eq!(cents(&play, "bob"), (12, 0));
    play.feed(20, &Input::Forget { through_ms: 10 }).unwrap();
    assert_eq!(play.outcome(&by("phone").outcome_id("b")), None);
    send(&mut play, 21, 5, "phone");
    send(&mut play, 22, 5, "other");
    assert_eq!(cents(&play, "bob"), (17, 0));
}

#[test]
fn a_reply_to_an_effect_that_nobody_asked_for_changes_nothing() {
    let mut play = bank();
    play.send(1, withdraw("ann", 40)).unwrap();
    let foreign = EffectId { route: "b".into(), name: "ann 99".into() };
    assert_eq!(play.reply(2, foreign, Ok(Reply::Permitted)), Ok(()));
    assert_eq!(cents(&play, "ann"), (60, 40));
}

/// Runs the steps at one partition. The number is what came into the banks, less what left them.
fn run(steps: &[Step]) -> (Play<Accounts>, u64) {
    let mut play = Play::<Accounts>::new(BankRules::default());
    let mut expected = 0;
    for (now_ms, step) in (0..).map(|n| n * 10_000).zip(steps) {
        let timer = play.timers().next().map(|(name, timer)| {
            let (_, short) = decode_key::<String>(name).unwrap();
            (short, timer.due_at_ms, serde_json::from_str(&timer.command).unwrap())
        });
        let effect = play.effects().next().map(|(id, _)| id.clone());
        let Some(input) = input(step, now_ms, timer, effect, None) else { continue };
        expected = expected + brings(&play, &input) - takes(&play, &input);
        play.feed(now_ms, &input).unwrap();
    }
    (play, expected)
}

/// What a command brings into its bank.
fn brings(play: &Play<Accounts>, input: &Input<Accounts>) -> u64 {
    let Input::Do { command, by } = input else { return 0 };
    let Command::Open { bank, account, cents, .. } = command else { return 0 };
    let is_repeated = by.as_ref().is_some_and(|by| play.outcome(&by.outcome_id(bank)).is_some());
    if is_repeated || play.row::<Account>(bank, account).is_some() { 0 } else { *cents }
}

/// What a reply lets out of its bank.
fn takes(play: &Play<Accounts>, input: &Input<Accounts>) -> u64 {
    let Input::Replied { effect, reply: Ok(Reply::Permitted) } = input else { return 0 };
    let (account, hold) = effect.name.rsplit_once(' ').unwrap();
    play.row::<Reservation>(&effect.route, &(account.to_owned(), hold.to_owned()))
        .map_or(0, |hold| hold.cents)
}

/// All money of all banks.
fn sum(play: &Play<Accounts>) -> u64 {
    accounts(play).iter().map(|(_, account)| account.cents + account.held_cents).sum()
}

fn accounts(play: &Play<Accounts>) -> Vec<((String, String), Account)> {
    let rows = play.rows().filter(|(id, _)| id.table == "account");
    rows.map(|(id, body)| (decode_key(&id.key).unwrap(), serde_json::from_str(body).unwrap())).collect()
}

/// A step of this bank, as one of another bank's.
fn is_of(step: &Step, bank: &str) -> bool {
    match step {
        Step::Do(command, _) => <Accounts as kind::Kind>::route(command) == bank,
        _ => true,
    }
}

proptest! {
    #[test]
    fn money_is_neither_made_nor_lost(steps in prop::collection::vec(step(), 0..80)) {
        let (play, expected) = run(&steps);
        prop_assert_eq!(sum(&play), expected);
        let mut held = std::collections::BTreeMap::<_, u64>::new();
        for (id, body) in play.rows().filter(|(id, _)| id.table == "hold") {
            let (bank, (account, _)) = decode_key::<(String, String)>(&id.key).unwrap();
            *held.entry((bank, account)).or_default() += serde_json::from_str::<Reservation>(body).unwrap().cents;
        }
        for (name, account) in accounts(&play) {
            prop_assert_eq!(account.held_cents, held.remove(&name).unwrap_or(0), "{:?}", name);
        }
        prop_assert!(held.is_empty());
    }

    #[test]
    fn one_bank_never_sees_another(steps in prop::collection::vec(step(), 0..60)) {
        // Timers and replies take whatever comes first, so only commands are compared.
        let commands: Vec<_> = steps.into_iter().filter(|step| matches!(step, Step::Do(..))).collect();
        let (both, _) = run(&commands);
        for bank in BANKS {
            let own: Vec<_> = commands.iter().filter(|step| is_of(step, bank)).cloned().collect();
            let of_bank = |play: &Play<Accounts>| {
                accounts(play).into_iter().filter(|((it, _), _)| it == bank).collect::<Vec<_>>()
            };
            prop_assert_eq!(of_bank(&both), of_bank(&run(&own).0));
        }
    }
}
