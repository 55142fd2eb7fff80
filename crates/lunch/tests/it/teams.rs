//! Workspaces that come, go and come back.

use lunch::{AnswerNote, Command, Outcome, Reply, Team, Word};
use serde_json::json;

use crate::world::{DAY_MS, START_MS, TEAM, World};

fn team(world: &World) -> Team {
    world.play.row::<Team>(TEAM, &()).unwrap()
}

#[test]
fn an_installation_is_welcomed_and_a_second_one_keeps_what_was() {
    let mut world = World::new(3);
    let configure =
        Command::Configure { team: TEAM.into(), notify_in_channel: Some(false), invoicing: Some(false) };
    world.command(configure);
    let before = team(&world);
    assert_eq!((before.created_at_ms, before.install, before.notify_in_channel), (START_MS, 1, false));
    let poll = world.open("create");
    world.wait(DAY_MS / 2);
    world.install();
    world.settle();
    assert_eq!(world.words(), [("U1".into(), Word::Welcome)]);
    let after = team(&world);
    assert_ne!(after.sealed_token, before.sealed_token);
    let same =
        Team { install: 1, installed_at_ms: START_MS, sealed_token: before.sealed_token.clone(), ..after };
    assert_eq!(same, before);
    assert_eq!(world.poll("C1"), Some(poll));
}

#[test]
fn an_unknown_team_has_no_polls() {
    let mut play = kind::Play::<lunch::Lunch>::new(lunch::Rules::default());
    let order = Command::Order {
        team: "T9".into(),
        asker: lunch::Asker { user: "U1".into(), is_reminder: false },
        place: lunch::OrderPlace::Direct,
        order: lunch::Order::Help,
    };
    let configure = Command::Configure { team: "T9".into(), notify_in_channel: None, invoicing: None };
    let disable = Command::Disable { team: "T9".into(), at_ms: 0 };
    for command in [order, configure, disable, Command::Bill { team: "T9".into() }] {
        assert_eq!(play.send(1, command), Ok(Outcome::UnknownTeam));
    }
    assert_eq!((play.rows().count(), play.effects().count()), (0, 0));
}

#[test]
fn a_team_that_removed_the_app_is_asked_nothing_until_it_comes_back() {
    for event in
        [json!({"type": "app_uninstalled"}), json!({"type": "tokens_revoked", "tokens": {"bot": ["U0BOT"]}})]
    {
        let mut world = World::new(3);
        let poll = world.open("create close=1100");
        world.now_ms += 1_000;
        assert_eq!(world.deliver(&event), Some(Outcome::Accepted));
        assert_eq!(world.mention("U1", "C1", "summary"), Some(Outcome::UnknownTeam));
        assert_eq!(world.click("U1", &poll, "no"), Outcome::UnknownTeam);
        world.wait(DAY_MS / 2);
        assert_eq!(world.waiting().len() + world.take_sent().len(), 0);
        world.install();
        world.settle();
        world.take_sent();
        assert_eq!(
            world.click("U1", &poll, "no"),
            Outcome::Noted(AnswerNote::Received { choice: "no".into() })
        );
    }
}

#[test]
fn a_removal_that_arrives_after_the_next_installation_changes_nothing() {
    let mut world = World::new(3);
    let removed_at_ms = world.now_ms + 1;
    world.now_ms += 5_000;
    world.install();
    let disable = Command::Disable { team: TEAM.into(), at_ms: removed_at_ms };
    assert_eq!(world.command(disable), Outcome::Ignored);
    assert_eq!(team(&world).disabled_at_ms, None);
}

#[test]
fn a_token_that_slack_refuses_ends_the_team_and_its_errands_without_a_word() {
    let mut world = World::new(4);
    world.say("U1", "C1", "create");
    let poll = world.poll("C1").unwrap();
    world.click("U2", &poll, "yes_1200");
    world.mention("U1", "C1", "close");
    world.mention("U2", "C1", "summary");
    let waiting = world.waiting();
    assert_eq!(waiting.len(), 3);
    for (n, (id, _)) in waiting.into_iter().enumerate() {
        let reply = if n == 0 { Reply::Revoked { install: 1 } } else { Reply::TeamDisabled };
        world.play.reply(world.now_ms, id, Ok(reply)).unwrap();
    }
    assert_eq!(team(&world).disabled_at_ms, Some(world.now_ms));
    assert_eq!(world.waiting().len(), 0);
    assert_eq!(world.play.rows().filter(|(id, _)| id.table == "errand").count(), 0);
    assert_eq!(world.poll("C1"), Some(poll));
}

#[test]
fn a_refusal_of_an_old_token_does_not_end_a_new_installation() {
    let mut world = World::new(4);
    world.mention("U1", "C1", "create");
    let (id, _) = world.waiting().remove(0);
    world.install();
    world.play.reply(world.now_ms, id, Ok(Reply::Revoked { install: 1 })).unwrap();
    assert_eq!(team(&world).disabled_at_ms, None);
    world.settle();
    world.take_sent();
    world.open("create");
}

#[test]
fn a_reply_that_an_effect_cannot_have_is_a_fault() {
    let mut world = World::new(4);
    world.mention("U1", "C1", "create");
    let (id, _) = world.waiting().remove(0);
    let wrong = world.play.reply(world.now_ms, id, Ok(Reply::Done));
    assert!(matches!(wrong, Err(kind::Halt::Fault(_))), "{wrong:?}");
}
