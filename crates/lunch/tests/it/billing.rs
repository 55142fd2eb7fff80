//! Invoices.

use lunch::{Command, Effect, Invoice, InvoiceAsk, Outcome, Rules, Tab, Team, stripe, would_bill_cents};

use crate::world::{DAY_MS, HOUR_MS, TEAM, World};

fn rules() -> Rules {
    Rules { billing: true, ..Rules::default() }
}

/// 2026-10-01 09:00 UTC, in hours after the start of [`World`].
const OCTOBER: i64 = 30 * 24 - 1;
const NOVEMBER: i64 = OCTOBER + 31 * 24;
const DECEMBER: i64 = NOVEMBER + 30 * 24;

fn wait_until(world: &mut World, hours: i64, plus_ms: i64) {
    let at_ms = crate::world::START_MS + hours * HOUR_MS + plus_ms;
    world.wait(at_ms - world.now_ms);
}

/// A poll that is closed, with these answers in order of users.
fn poll(world: &mut World, answers: &[&str]) {
    let poll = world.open("create 1145, 1230");
    for (n, choice) in answers.iter().enumerate() {
        world.click(&format!("U{}", n + 1), &poll, choice);
    }
    world.settle();
    world.say("U1", "C1", "close");
    world.take_sent();
}

fn invoice(world: &World, tab: u64) -> Option<Invoice> {
    world.play.row::<Invoice>(TEAM, &tab)
}

fn tab(world: &World) -> Tab {
    world.play.row::<Tab>(TEAM, &()).unwrap_or_default()
}

fn tabs_of_polls(world: &World) -> Vec<Option<u64>> {
    world.polls().into_iter().map(|(_, poll)| poll.tab).collect()
}

/// The invoices that were asked for, as calls.
fn invoices_asked(world: &World) -> usize {
    world.calls.iter().filter(|name| name.starts_with("invoice ")).count()
}

#[test]
fn eleven_people_who_said_yes_are_billed_1100_cents_once() {
    let mut world = World::with(12, rules());
    wait_until(&mut world, NOVEMBER - 24, 0);
    let yes = ["yes_1145"; 10];
    poll(&mut world, &yes);
    poll(
        &mut world,
        &["no", "yes_1230", "yes_1145", "no", "no", "no", "no", "no", "no", "no", "yes_1230", "no"],
    );
    assert_eq!(tab(&world), Tab { number: 0, polls: 2, people: 11 });
    let team = world.play.row::<Team>(TEAM, &()).unwrap();
    assert_eq!(would_bill_cents(&rules(), &team, &tab(&world), team.bills_at_ms), Some(1_100));
    wait_until(&mut world, NOVEMBER, -1);
    assert_eq!(invoice(&world, 0), None);
    wait_until(&mut world, NOVEMBER, 0);
    let made = invoice(&world, 0).unwrap();
    assert_eq!((made.cents, made.people, made.polls), (1_100, 11, 2));
    assert_eq!(made.stripe_invoice.as_deref(), Some("in_invoice 0"));
    assert_eq!(tabs_of_polls(&world), [Some(0), Some(0)]);
    world.copies = 3;
    wait_until(&mut world, DECEMBER, 0);
    assert_eq!((invoices_asked(&world), invoice(&world, 1)), (1, None));
    // The same people again, on the next tab.
    poll(&mut world, &yes);
    assert_eq!(tab(&world), Tab { number: 1, polls: 1, people: 10 });
    wait_until(&mut world, DECEMBER + 31 * 24, 0);
    assert_eq!((invoices_asked(&world), invoice(&world, 1).unwrap().cents), (2, 1_000));
}

#[test]
fn polls_of_the_first_30_days_are_free() {
    let mut world = World::with(3, rules());
    world.wait(30 * DAY_MS);
    poll(&mut world, &["yes_1145", "yes_1145"]);
    assert_eq!((tab(&world), tabs_of_polls(&world)), (Tab::default(), vec![None]));
    world.wait(1);
    poll(&mut world, &["yes_1145", "no"]);
    assert_eq!((tab(&world).people, tabs_of_polls(&world)), (1, vec![None, Some(0)]));
}

#[test]
fn a_team_is_billed_from_the_second_month_after_its_first_on() {
    // Created in September: in October nothing, whatever is on the tab; in November, everything.
    let mut world = World::with(3, Rules { free_ms: 0, ..rules() });
    world.wait(DAY_MS);
    poll(&mut world, &["yes_1145", "yes_1145"]);
    wait_until(&mut world, OCTOBER, 0);
    assert_eq!((invoice(&world, 0), tab(&world).people), (None, 2));
    wait_until(&mut world, NOVEMBER, 0);
    assert_eq!(invoice(&world, 0).unwrap().cents, 200);
}

#[test]
fn there_is_no_invoice_for_nobody_without_invoicing_or_without_stripe() {
    let mut world = World::with(3, rules());
    wait_until(&mut world, NOVEMBER - 24, 0);
    poll(&mut world, &["no", "no"]);
    wait_until(&mut world, NOVEMBER, 0);
    assert_eq!((invoice(&world, 0), tab(&world).polls), (None, 1));
    let configure = |invoicing| Command::Configure {
        team: TEAM.into(),
        notify_in_channel: None,
        invoicing: Some(invoicing),
    };
    poll(&mut world, &["yes_1145"]);
    world.command(configure(false));
    wait_until(&mut world, DECEMBER, 0);
    assert_eq!((invoice(&world, 0), tab(&world).people), (None, 1));
    world.command(configure(true));
    wait_until(&mut world, DECEMBER + 31 * 24, 0);
    assert_eq!(invoice(&world, 0).unwrap().cents, 100);

    let mut world = World::with(3, Rules::default());
    wait_until(&mut world, NOVEMBER - 24, 0);
    poll(&mut world, &["yes_1145"]);
    wait_until(&mut world, NOVEMBER, 0);
    assert_eq!(
        (invoice(&world, 0), world.calls.iter().any(|name| name.starts_with("customer"))),
        (None, false)
    );
}

#[test]
fn a_bill_before_its_time_does_nothing_and_a_late_one_is_that_of_its_month() {
    let mut world = World::with(3, rules());
    wait_until(&mut world, NOVEMBER - 24, 0);
    poll(&mut world, &["yes_1145"]);
    let bill = Command::Bill { team: TEAM.into() };
    assert_eq!(world.command(bill.clone()), Outcome::Ignored);
    world.now_ms += 3 * DAY_MS;
    assert_eq!(world.command(bill.clone()), Outcome::Accepted);
    assert_eq!(invoice(&world, 0).unwrap().cents, 100);
    assert_eq!(world.command(bill), Outcome::Ignored);
    let team = world.play.row::<Team>(TEAM, &()).unwrap();
    assert_eq!(team.bills_at_ms, crate::world::START_MS + DECEMBER * HOUR_MS);
}

#[test]
fn a_timer_that_fires_before_its_time_is_not_lost() {
    let mut world = World::with(3, rules());
    wait_until(&mut world, NOVEMBER - 24, 0);
    world.say("U1", "C1", "create close=1200");
    let poll = world.poll("C1").unwrap();
    world.click("U2", &poll, "yes_1200");
    let mut timers: Vec<_> = world.play.timers().map(|(name, timer)| (name.clone(), timer.clone())).collect();
    timers.sort_by_key(|(_, timer)| timer.due_at_ms);
    assert_eq!(timers.len(), 2);
    for (name, timer) in timers {
        let (_, short) = kind::decode_key::<String>(&name).unwrap();
        let command = serde_json::from_str(&timer.command).unwrap();
        // The clock that stamped the entry is behind that of the scheduler.
        let fire = kind::Input::Fire { timer: short, due_at_ms: timer.due_at_ms, command };
        world.play.feed(timer.due_at_ms - 1, &fire).unwrap();
        world.settle();
    }
    world.wait(DAY_MS / 2);
    world.wait(DAY_MS);
    assert_eq!((world.poll("C1"), invoice(&world, 0).unwrap().people), (None, 1));
    assert_eq!(invoices_asked(&world), 1);
}

#[test]
fn an_invoice_waits_for_its_customer() {
    // Stripe came later than the team.
    let mut world = World::with(3, Rules::default());
    world.play.feed(world.now_ms, &kind::Input::Rules(rules())).unwrap();
    wait_until(&mut world, NOVEMBER - 24, 0);
    poll(&mut world, &["yes_1145", "yes_1145"]);
    world.now_ms += DAY_MS;
    world.play.advance(world.now_ms).unwrap();
    let (id, effect) = world.waiting().remove(0);
    assert!(matches!(&effect, Effect::CreateCustomer { contact, .. } if contact == "U1"), "{effect:?}");
    world.perform(&id, &effect);
    let (id, effect) = world.waiting().remove(0);
    let Effect::Invoice(ask) = &effect else { panic!("{effect:?}") };
    let expected =
        InvoiceAsk { team: TEAM.into(), customer: "cus_T1".into(), cents: 200, people: 2, due_days: 30 };
    assert_eq!(*ask, expected);
    world.perform(&id, &effect);
    assert_eq!(world.waiting().len(), 0);
    assert_eq!(world.play.row::<Team>(TEAM, &()).unwrap().stripe_customer.as_deref(), Some("cus_T1"));
}

#[test]
fn the_calls_of_an_invoice_carry_its_effect_and_have_a_key_each() {
    let id = kind::EffectId { route: TEAM.into(), name: "invoice 7".into() };
    let ask =
        InvoiceAsk { team: TEAM.into(), customer: "cus_1".into(), cents: 1_100, people: 11, due_days: 30 };
    let calls = [
        stripe::create_customer(&id, TEAM, "Acme", Some("ann@example.com")),
        stripe::create_invoice(&id, &ask),
        stripe::add_line(&id, &ask, "in_1"),
        stripe::finalize(&id, "in_1"),
    ];
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/v1/customers", "/v1/invoices", "/v1/invoiceitems", "/v1/invoices/in_1/finalize"]);
    let keys: std::collections::BTreeSet<_> = calls.iter().map(|call| &call.idempotency_key).collect();
    assert_eq!(keys.len(), 4);
    let field = |call: usize, name: &str| {
        calls[call].fields.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(field(0, "email"), Some("ann@example.com"));
    assert_eq!(field(1, "metadata[effect]"), Some("T1 invoice 7"));
    assert_eq!((field(1, "days_until_due"), field(1, "currency")), (Some("30"), Some("usd")));
    assert_eq!((field(2, "amount"), field(2, "invoice")), (Some("1100"), Some("in_1")));
}
