//! Payments: one for each ride that ended, paid once, by one link at a time.

use cheers::{
    Act, CheckoutLink, Denial, Effect, Outcome, PaymentName, PaymentStatus, ProviderReport, Reply, Rules,
};
use kind::{EffectId, Failed};
use proptest::prelude::*;

use crate::world::{MARKET, World, denied};

/// A ride of 301 s that has ended, its link made.
struct Owed {
    world: World,
    user: String,
    request: String,
    ride: String,
    payment: String,
}

impl Owed {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(is_provider_up: bool) -> Self {
        let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
        world.is_provider_up = is_provider_up;
        let (request, ride, ended) = world.whole_ride(&user, &p1, 301_000);
        Self { world, user, request, ride, payment: ended.payment }
    }

    fn report(&self, status: PaymentStatus, reference: &str) -> ProviderReport {
        ProviderReport {
            of: PaymentName::Payment(self.payment.clone()),
            status,
            reference: reference.to_owned(),
            amount_cents: Some(2_000),
            session: None,
        }
    }

    fn tell(&mut self, status: PaymentStatus, reference: &str) -> Outcome {
        let report = self.report(status, reference);
        self.world.send(Act::ReportPayment(report))
    }

    fn status(&self) -> PaymentStatus {
        self.world.payment(&self.payment).status
    }

    fn link(&self) -> CheckoutLink {
        self.world.payment(&self.payment).link
    }

    fn pay(&mut self) -> Outcome {
        self.world.send(Act::NewLink { user: self.user.clone(), request: self.request.clone() })
    }

    fn waiting(&self) -> EffectId {
        let mut effects = self.world.play.effects();
        let (effect, _) = effects.next().expect("an effect waits");
        assert!(effects.next().is_none());
        effect.clone()
    }

    fn reply(&mut self, reply: Result<Reply, Failed>) {
        let effect = self.waiting();
        self.world.play.reply(self.world.now_ms, effect, reply).unwrap();
    }
}

fn failed() -> Failed {
    Failed { tries: 12, reason: "503".to_owned() }
}

fn link(n: u32, until_ms: i64) -> Reply {
    Reply::Link { session: format!("cs_{n}"), url: format!("https://pay.example/cs_{n}"), until_ms }
}

#[test]
fn the_end_makes_the_payment_and_its_effect_in_one_commit() {
    let mut owed = Owed::with(false);
    let payment = owed.world.payment(&owed.payment);
    assert_eq!((payment.amount_cents, payment.status), (2_000, PaymentStatus::Pending));
    assert_eq!((&payment.ride, &payment.user), (&owed.ride, &owed.user));
    let effect = owed.waiting();
    let ask = Effect::MakeLink {
        payment: owed.payment.clone(),
        ride: owed.ride.clone(),
        amount_cents: 2_000,
        live_ms: 86_400_000,
    };
    assert_eq!(owed.world.ask_of(&effect), ask);
    // The reply may come twice, after a crash between the commit and the row's end.
    owed.reply(Ok(link(1, 5_000_000)));
    let rows = owed.world.rows();
    owed.world.play.reply(owed.world.now_ms, effect, Ok(link(2, 5_000_000))).unwrap();
    assert_eq!(owed.world.rows(), rows);
    let url = Some("https://pay.example/cs_1".to_owned());
    assert_eq!(owed.link(), CheckoutLink::Open { session: "cs_1".to_owned(), url, until_ms: 5_000_000 });
}

#[test]
fn a_report_of_payment_counts_once_and_only_with_its_amount() {
    let mut owed = Owed::new();
    let wrong = |owed: &Owed, amount_cents| {
        Act::ReportPayment(ProviderReport { amount_cents, ..owed.report(PaymentStatus::Paid, "pi_1") })
    };
    let rows = owed.world.rows();
    for amount_cents in [Some(1_999), Some(2_001), Some(0), Some(-2_000), None] {
        let act = wrong(&owed, amount_cents);
        let outcome = owed.world.send(act);
        assert_eq!((outcome.status(), outcome), (409, denied(Denial::AmountDiffers)));
    }
    for of in [PaymentName::Payment("main_none".to_owned()), PaymentName::Ride("main_none".to_owned())] {
        let act = Act::ReportPayment(ProviderReport { of, ..owed.report(PaymentStatus::Paid, "pi_1") });
        let outcome = owed.world.send(act);
        assert_eq!((outcome.status(), outcome), (404, denied(Denial::UnknownPayment)));
    }
    assert_eq!((owed.world.rows(), owed.status()), (rows, PaymentStatus::Pending));

    let paid = Outcome::Reported { payment: owed.payment.clone(), status: PaymentStatus::Paid };
    assert_eq!(owed.tell(PaymentStatus::Paid, "pi_1"), paid);
    let paid_at_ms = owed.world.now_ms;
    assert_eq!(owed.world.request(&owed.request).paid_at_ms, Some(paid_at_ms));
    owed.world.settle();
    let rows = owed.world.rows();
    owed.world.pass(10_000);
    assert_eq!(owed.tell(PaymentStatus::Paid, "pi_1"), paid);
    let by_ride = PaymentName::Ride(owed.ride.clone());
    let report = ProviderReport { of: by_ride, ..owed.report(PaymentStatus::Paid, "pi_1") };
    assert_eq!(owed.world.send(Act::ReportPayment(report)), paid);
    assert_eq!(owed.world.rows(), rows);
    // A second reference: the payment stays as it is.
    assert_eq!(owed.tell(PaymentStatus::Paid, "pi_2"), paid);
    assert_eq!(owed.world.payment(&owed.payment).reference.as_deref(), Some("pi_1"));
    assert_eq!(owed.world.request(&owed.request).paid_at_ms, Some(paid_at_ms));
    assert_eq!(owed.pay(), denied(Denial::AlreadyPaid));
}

#[test]
fn a_ride_that_has_not_ended_has_nothing_to_pay() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let pay = |world: &mut World, user: &str| {
        world.send(Act::NewLink { user: user.to_owned(), request: request.clone() })
    };
    assert_eq!(pay(&mut world, &user), denied(Denial::NothingToPay));
    let ride = world.accept(&p1, &request);
    assert_eq!(pay(&mut world, &user), denied(Denial::NothingToPay));
    assert_eq!(pay(&mut world, &p1), denied(Denial::UnknownRequest));
    let report = ProviderReport {
        of: PaymentName::Ride(ride),
        status: PaymentStatus::Paid,
        reference: "pi".to_owned(),
        amount_cents: Some(1_000),
        session: None,
    };
    assert_eq!(world.send(Act::ReportPayment(report)), denied(Denial::UnknownPayment));
}

#[test]
fn a_new_link_is_made_only_after_the_old_one_was_ended() {
    let mut owed = Owed::new();
    let until_ms = owed.world.now_ms + 86_400_000;
    assert_eq!(owed.pay(), denied(Denial::LinkLives));
    owed.world.is_provider_up = false;
    owed.world.pass(86_399_999);
    assert_eq!(owed.pay(), denied(Denial::LinkLives));
    owed.world.pass(1);
    assert_eq!(owed.world.now_ms, until_ms);
    let asked = Outcome::LinkAsked { payment: owed.payment.clone() };
    assert_eq!(owed.pay(), asked);
    let effect = owed.waiting();
    let ask = Effect::EndLink { payment: owed.payment.clone(), session: "cs_1".to_owned() };
    assert_eq!(owed.world.ask_of(&effect), ask);
    assert_eq!(owed.pay(), denied(Denial::LinkLives));
    owed.reply(Ok(Reply::LinkEnded));
    let effect = owed.waiting();
    assert!(matches!(owed.world.ask_of(&effect), Effect::MakeLink { amount_cents: 2_000, .. }));
    assert_eq!(owed.pay(), denied(Denial::LinkLives));
    owed.reply(Ok(link(2, until_ms + 1)));
    assert!(matches!(owed.link(), CheckoutLink::Open { session, .. } if session == "cs_2"));
}

#[test]
fn a_failed_payment_gets_a_new_link_at_once_and_late_reports_of_the_old_one_change_nothing() {
    let mut owed = Owed::new();
    let expired = |owed: &Owed| ProviderReport {
        session: Some("cs_1".to_owned()),
        amount_cents: None,
        ..owed.report(PaymentStatus::Failed, "cs_1")
    };
    let report = expired(&owed);
    let outcome = owed.world.send(Act::ReportPayment(report.clone()));
    assert_eq!(outcome, Outcome::Reported { payment: owed.payment.clone(), status: PaymentStatus::Failed });
    assert_eq!(owed.pay().status(), 200);
    owed.world.settle();
    assert_eq!((owed.status(), owed.world.links), (PaymentStatus::Pending, 2));
    owed.world.send(Act::ReportPayment(report.clone()));
    owed.world.send(Act::ReportPayment(ProviderReport { reference: "evt_2".to_owned(), ..report }));
    assert_eq!(owed.status(), PaymentStatus::Pending);
    owed.tell(PaymentStatus::Paid, "pi_2");
    assert_eq!(owed.status(), PaymentStatus::Paid);
}

#[test]
fn a_link_that_was_paid_before_it_could_be_ended_is_paid() {
    let mut owed = Owed::new();
    owed.tell(PaymentStatus::Failed, "pi_0");
    assert_eq!(owed.pay().status(), 200);
    let wrong = Reply::LinkPaid { reference: "pi_1".to_owned(), amount_cents: 1 };
    let effect = owed.waiting();
    assert!(owed.world.play.reply(owed.world.now_ms, effect, Ok(wrong)).is_err());
    owed.reply(Ok(Reply::LinkPaid { reference: "pi_1".to_owned(), amount_cents: 2_000 }));
    assert_eq!((owed.status(), owed.link()), (PaymentStatus::Paid, CheckoutLink::Closed));
    assert_eq!(owed.world.request(&owed.request).paid_at_ms, Some(owed.world.now_ms));
    // The report of it comes as well.
    owed.tell(PaymentStatus::Paid, "pi_1");
    assert_eq!(owed.world.payment(&owed.payment).reports.len(), 2);
    assert_eq!((owed.world.play.effects().count(), owed.world.links), (0, 1));
}

#[test]
fn while_money_is_under_way_no_other_link_is_made() {
    let mut owed = Owed::new();
    owed.tell(PaymentStatus::Failed, "pi_0");
    owed.pay();
    owed.reply(Ok(Reply::LinkUnderway));
    assert_eq!(owed.status(), PaymentStatus::Pending);
    assert_eq!(owed.pay(), denied(Denial::LinkLives));
    // Whether it comes or not is reported; if it is not, the user may ask again a day later.
    owed.world.pass(86_400_000);
    assert_eq!(owed.pay().status(), 200);
    owed.reply(Ok(Reply::LinkUnderway));
    let report =
        ProviderReport { session: Some("cs_1".to_owned()), ..owed.report(PaymentStatus::Failed, "pi_1") };
    owed.world.send(Act::ReportPayment(report));
    assert_eq!(owed.status(), PaymentStatus::Failed);
    assert_eq!(owed.pay().status(), 200);
}

#[test]
fn a_provider_that_is_away_ends_in_a_failed_payment_that_can_be_tried_again() {
    let mut owed = Owed::with(false);
    owed.reply(Err(failed()));
    assert_eq!((owed.status(), owed.link()), (PaymentStatus::Failed, CheckoutLink::Closed));
    assert_eq!(owed.pay().status(), 200);
    assert_eq!(owed.status(), PaymentStatus::Pending);
    owed.reply(Ok(link(1, i64::MAX)));
    // A link lives at most a day, whatever the provider says.
    let until_ms = owed.world.now_ms + 86_400_000;
    assert!(matches!(owed.link(), CheckoutLink::Open { until_ms: it, .. } if it == until_ms));
    // A link that cannot be ended now can be tried again at once, and is never replaced meanwhile.
    owed.tell(PaymentStatus::Failed, "pi_0");
    for _ in 0..3 {
        assert_eq!(owed.pay().status(), 200);
        let effect = owed.waiting();
        assert!(matches!(owed.world.ask_of(&effect), Effect::EndLink { session, .. } if session == "cs_1"));
        owed.reply(Err(failed()));
        assert_eq!(owed.status(), PaymentStatus::Failed);
    }
}

#[test]
fn after_a_payment_no_link_can_be_paid() {
    // The report of an older link comes while another one is open, or is being made.
    for is_open in [true, false] {
        let mut owed = Owed::new();
        owed.tell(PaymentStatus::Failed, "pi_0");
        owed.pay();
        owed.reply(Ok(Reply::LinkEnded));
        if is_open {
            owed.reply(Ok(link(2, i64::MAX)));
        }
        let report =
            ProviderReport { session: Some("cs_1".to_owned()), ..owed.report(PaymentStatus::Paid, "pi_1") };
        owed.world.send(Act::ReportPayment(report));
        if !is_open {
            owed.reply(Ok(link(2, i64::MAX)));
        }
        let effect = owed.waiting();
        let ask = Effect::EndLink { payment: owed.payment.clone(), session: "cs_2".to_owned() };
        assert_eq!(owed.world.ask_of(&effect), ask);
        owed.reply(Ok(Reply::LinkEnded));
        assert_eq!((owed.status(), owed.link()), (PaymentStatus::Paid, CheckoutLink::Closed));
        assert_eq!(owed.world.play.effects().count(), 0);
    }
    // The link that was paid is not ended.
    let mut owed = Owed::new();
    let report =
        ProviderReport { session: Some("cs_1".to_owned()), ..owed.report(PaymentStatus::Paid, "pi_1") };
    owed.world.send(Act::ReportPayment(report));
    assert_eq!((owed.link(), owed.world.play.effects().count()), (CheckoutLink::Closed, 0));
}

#[test]
fn a_payment_remembers_a_bounded_number_of_reports() {
    let mut owed = Owed::new();
    for n in 0..40 {
        owed.tell(PaymentStatus::Failed, &format!("pi_{n}"));
    }
    let reports = owed.world.payment(&owed.payment).reports;
    assert_eq!((reports.len(), reports[15].reference.as_str()), (16, "pi_39"));
}

#[test]
fn a_report_that_no_provider_sends_is_a_fault() {
    let mut owed = Owed::new();
    for report in [owed.report(PaymentStatus::Pending, "pi_1"), owed.report(PaymentStatus::Paid, "")] {
        assert!(owed.world.try_send(Act::ReportPayment(report)).is_err());
    }
    let foreign = EffectId { route: MARKET.to_owned(), name: format!("make_link {} 1", owed.payment) };
    let rows = owed.world.rows();
    owed.world.play.reply(owed.world.now_ms, foreign, Ok(Reply::LinkEnded)).unwrap();
    assert_eq!(owed.world.rows(), rows);
}

/// What Stripe sends of one payment: the first link expired, the second was paid, refunded, disputed.
fn events(owed: &Owed) -> Vec<ProviderReport> {
    let report = |status, reference: &str, session: Option<&str>| ProviderReport {
        session: session.map(str::to_owned),
        ..owed.report(status, reference)
    };
    vec![
        report(PaymentStatus::Failed, "cs_1", Some("cs_1")),
        report(PaymentStatus::Paid, "pi_2", Some("cs_2")),
        report(PaymentStatus::Refunded, "pi_2", None),
        report(PaymentStatus::Disputed, "pi_2", None),
    ]
}

proptest! {
    #[test]
    fn events_shuffled_doubled_and_late_come_to_one_payment(
        order in Just((0..12_usize).map(|n| n % 4).collect::<Vec<_>>()).prop_shuffle(),
        pays in prop::collection::vec(any::<bool>(), 12),
        most in 1..4_usize,
    ) {
        let mut owed = Owed::new();
        let events = events(&owed);
        for (n, pays) in order.iter().zip(pays) {
            if *n <= most {
                owed.world.send(Act::ReportPayment(events[*n].clone()));
            }
            if pays {
                owed.pay();
                owed.world.settle();
            }
            owed.world.pass(1);
        }
        owed.world.settle();
        let payment = owed.world.payment(&owed.payment);
        let expected = [PaymentStatus::Paid, PaymentStatus::Refunded, PaymentStatus::Disputed][most - 1];
        prop_assert_eq!(payment.status, expected);
        prop_assert_eq!(payment.reference.as_deref(), Some("pi_2"));
        // Nobody can pay again.
        prop_assert_eq!(payment.link, CheckoutLink::Closed);
        prop_assert_eq!(owed.world.play.effects().count(), 0);
        let payments = owed.world.play.rows().filter(|(id, _)| id.table == "payment").count();
        prop_assert_eq!(payments, 1);
    }
}
