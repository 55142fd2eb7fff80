//! What happens at random.

use cheers::{
    AccountRole, Act, Denial, Effect, OfferAnswer, Outcome, PartnerStatus, PaymentName, PaymentStatus,
    ProviderReport, Reply, RequestStatus, RideFlag, RideStatus,
};
use kind::{EffectId, Failed, Input};

use crate::model::provider::Page;
use crate::model::state::Model;

impl Model {
    /// Lets a moment pass, and something happen.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        // Clocks of two nodes differ by a little.
        let passed_ms = i64::try_from(self.chance.below(3_000)).unwrap();
        self.now_ms += if self.chance.percent(2) { -200 } else { passed_ms };
        self.keep_positions_fresh();
        if self.chance.percent(70) {
            self.hear();
        }
        match self.chance.below(100) {
            0..10 => self.ask(),
            10..27 => self.answer(),
            27..35 => self.start(),
            35..42 => self.end(),
            42..45 => self.cancel(),
            45..55 => self.pay(),
            55..63 => self.deliver_report(),
            63..67 => self.operate(),
            67..71 => self.go_on_or_off(),
            71..74 => self.send_again(),
            74..86 => self.fire(),
            _ => self.perform(),
        }
    }

    fn keep_positions_fresh(&mut self) {
        if self.steps.is_multiple_of(8) {
            for position in &mut self.positions {
                position.at_ms = self.now_ms;
            }
        }
    }

    fn ask(&mut self) {
        let Some(user) = self.chance.pick(&self.user_ids).cloned() else { return };
        let location = self.place();
        let nearest = self.look(location, &[]);
        let act = Act::Request { user, location, request_type: "cheer".to_owned(), nearest };
        self.send(act).unwrap();
    }

    /// Mostly a partner who was asked, sometimes anybody.
    fn answer(&mut self) {
        let n = self.chance.below(self.positions.len());
        let partner = self.positions[n].partner.clone();
        let request = match &self.known.partners[&partner].status {
            PartnerStatus::Offered { request } if !self.chance.percent(5) => Some(request.clone()),
            _ => self.chance.pick(&self.open).cloned(),
        };
        let Some(request) = request else { return };
        let accept = self.chance.percent(60);
        let outcome = self.send(Act::AnswerOffer { partner, request, accept }).unwrap();
        match outcome {
            Outcome::Denied(Denial::OfferTaken) => self.meet("taken"),
            Outcome::Denied(Denial::OfferExpired) => self.meet("expired"),
            _ => {}
        }
    }

    /// A ride, and its partner or, rarely, another one.
    fn ride(&mut self) -> Option<(String, String)> {
        let ride = self.chance.pick(&self.rides)?.clone();
        let n = self.chance.below(self.positions.len());
        let partner = match self.chance.percent(4) {
            true => self.positions[n].partner.clone(),
            false => self.known.rides[&ride].partner.clone(),
        };
        Some((ride, partner))
    }

    fn start(&mut self) {
        let Some((ride, partner)) = self.ride() else { return };
        let pin = self.chance.percent(70).then(|| self.known.rides[&ride].pin.clone());
        let outcome = self.send(Act::StartRide { partner, ride, pin }).unwrap();
        if outcome == Outcome::Denied(Denial::WrongPin) {
            self.meet("wrong_pin");
        }
    }

    fn end(&mut self) {
        let Some((ride, partner)) = self.ride() else { return };
        if self.chance.percent(50) {
            self.send(Act::EndRide { partner, ride }).unwrap();
        }
    }

    fn cancel(&mut self) {
        if self.chance.percent(40) {
            let Some(request) = self.chance.pick(&self.open).cloned() else { return };
            let user = self.known.requests[&request].user.clone();
            self.send(Act::CancelRequest { user, request }).unwrap();
            return;
        }
        let Some((ride, partner)) = self.ride() else { return };
        let (by, id) = match self.chance.percent(30) {
            true => (AccountRole::User, self.known.rides[&ride].user.clone()),
            false => (AccountRole::Partner, partner),
        };
        self.send(Act::CancelRide { by, id, ride, reason: None }).unwrap();
    }

    /// The user at the payment page, or asking for another one.
    fn pay(&mut self) {
        let Some(payment) = self.chance.pick(&self.payments).cloned() else { return };
        if self.chance.percent(40) {
            let (user, request) = {
                let row = &self.known.payments[&payment];
                (row.user.clone(), row.request.clone())
            };
            let outcome = self.send(Act::NewLink { user, request }).unwrap();
            if matches!(outcome, Outcome::LinkAsked { .. }) {
                self.meet("new_link");
            }
            return;
        }
        // Any page whose address the user has ever seen.
        let shown: Vec<_> = self
            .provider
            .of(&payment)
            .filter(|(_, it)| it.is_shown && matches!(it.page, Page::Open | Page::Underway))
            .map(|(name, it)| (name.clone(), it.page))
            .collect();
        let Some((session, page)) = self.chance.pick(&shown).cloned() else { return };
        match (page, self.chance.below(6)) {
            // A card was refused, and the page can be used again.
            (Page::Open, 4) => self.provider.turn(&session, Page::Open, Some(PaymentStatus::Failed)),
            (_, 0) => self.provider.turn(&session, Page::Ended, Some(PaymentStatus::Failed)),
            (Page::Open, 1) => self.provider.turn(&session, Page::Underway, None),
            _ => self.provider.turn(&session, Page::Paid, Some(PaymentStatus::Paid)),
        }
    }

    /// A report comes in, mostly once, sometimes wrong, sometimes followed by a refund.
    fn deliver_report(&mut self) {
        if self.provider.reports.is_empty() {
            return;
        }
        let n = self.chance.below(self.provider.reports.len());
        let report = match self.chance.percent(30) {
            true => self.provider.reports[n].clone(),
            false => self.provider.reports.swap_remove(n),
        };
        if self.chance.percent(10) {
            let wrong = ProviderReport { amount_cents: Some(1), ..report.clone() };
            let outcome = self.send(Act::ReportPayment(wrong)).unwrap();
            assert_eq!(outcome, Outcome::Denied(Denial::AmountDiffers), "{}", self.place_in_run());
        }
        if report.status == PaymentStatus::Paid && self.chance.percent(20) {
            let status = [PaymentStatus::Refunded, PaymentStatus::Disputed][self.chance.below(2)];
            self.meet(if status == PaymentStatus::Refunded { "refunded" } else { "disputed" });
            self.provider.reports.push(ProviderReport { status, session: None, ..report.clone() });
        }
        self.report(report);
    }

    pub(crate) fn report(&mut self, report: ProviderReport) {
        let PaymentName::Payment(payment) = report.of.clone() else { panic!() };
        let before = self.known.payments[&payment].status;
        let status = report.status;
        self.send(Act::ReportPayment(report)).unwrap();
        let after = self.known.payments[&payment].status;
        assert!(after >= before, "{}", self.place_in_run());
        match (before == after, status) {
            (false, PaymentStatus::Paid) => self.meet("paid"),
            (false, PaymentStatus::Failed) => self.meet("failed"),
            _ => {}
        }
    }

    fn operate(&mut self) {
        if self.chance.percent(50) {
            let Some(request) = self.chance.pick(&self.open).cloned() else { return };
            let nearest = self.look(self.known.requests[&request].location, &[]);
            if self.send(Act::Redrive { request, nearest }).unwrap() == Outcome::Redriven {
                self.meet("redriven");
            }
            return;
        }
        let Some((ride, _)) = self.ride() else { return };
        let row = &self.known.rides[&ride];
        let was_flagged = row.status == RideStatus::Flagged;
        let ended_at_ms = row.started_at_ms.unwrap_or(0) + 250_000;
        let outcome = self.send(Act::EndFlagged { ride, ended_at_ms }).unwrap();
        if was_flagged && matches!(outcome, Outcome::Ended(_)) {
            self.meet("operator_ended");
        }
    }

    fn go_on_or_off(&mut self) {
        let n = self.chance.below(self.positions.len());
        if self.chance.percent(50) && self.off.len() < self.positions.len() / 3 {
            self.off.insert(n);
            return;
        }
        self.off.remove(&n);
        let partner = self.positions[n].partner.clone();
        if self.known.partners[&partner].status == PartnerStatus::Offline {
            self.send(Act::GoOnline { partner }).unwrap();
        }
    }

    /// A client that got no answer sends its command again, as does one that sends an old one.
    fn send_again(&mut self) {
        if let Some(command) = self.chance.pick(&self.recent).cloned() {
            self.feed(&Input::Do { command, by: None }).unwrap();
        }
    }

    /// A timer that is due, by a scheduler whose clock is a little ahead.
    fn fire(&mut self) {
        let Some((due_at_ms, name)) = self.driver.next_timer() else { return };
        if due_at_ms <= self.now_ms + 500 {
            self.fire_named(&name);
        }
    }

    fn fire_named(&mut self, name: &str) {
        self.driver.fire(self.now_ms, name).unwrap();
        self.learn();
    }

    /// Somebody outside answers, late or in vain; an answer may come twice.
    fn perform(&mut self) {
        let due: Vec<_> = self
            .driver
            .waiting()
            .take_while(|(due_at_ms, _)| *due_at_ms <= self.now_ms)
            .take(20)
            .map(|(_, id)| id.clone())
            .collect();
        let Some(effect) = self.chance.pick(&due).cloned() else { return };
        let is_given_up = self.chance.percent(4);
        self.perform_one(&effect, is_given_up);
    }

    pub(crate) fn perform_one(&mut self, effect: &EffectId, is_given_up: bool) {
        let ask: Effect = serde_json::from_str(&self.driver.effect(effect).unwrap().ask).unwrap();
        let mut shown = None;
        let reply = match &ask {
            Effect::Nearest { place, excluded } => Reply::Nearest(self.look(*place, excluded)),
            Effect::MakeLink { payment, amount_cents, live_ms, .. } => {
                let session = self.provider.make(payment, *amount_cents);
                shown = Some(session.clone());
                let url = format!("https://pay.example/{session}");
                Reply::Link { session, url, until_ms: self.now_ms + live_ms }
            }
            Effect::EndLink { session, .. } => self.provider.end(session),
        };
        if matches!(reply, Reply::LinkPaid { .. }) && !is_given_up {
            self.meet("paid_while_ending");
        }
        let failed = Failed { tries: 12, reason: "503".to_owned() };
        let reply = if is_given_up { Err(failed) } else { Ok(reply) };
        let input = Input::Replied { effect: effect.clone(), reply };
        self.feed(&input).unwrap();
        if let Some(session) = shown {
            if is_given_up {
                self.meet("link_given_up");
            } else {
                self.provider.sessions.get_mut(&session).unwrap().is_shown = true;
            }
        }
        if self.chance.percent(20) {
            let rows = self.driver.events().len();
            self.feed(&input).unwrap();
            assert_eq!(self.driver.events().len(), rows, "{}", self.place_in_run());
        }
        self.check_links(&ask);
    }

    /// Nobody asks any more; everything that is under way comes to its end.
    pub(crate) fn drain(&mut self) {
        loop {
            self.hear();
            let timer = self.driver.next_timer();
            let effect = self.driver.next_effect();
            match (timer, effect) {
                (Some((due_at_ms, name)), effect) if effect.as_ref().is_none_or(|it| due_at_ms <= it.0) => {
                    self.now_ms = self.now_ms.max(due_at_ms);
                    self.fire_named(&name);
                }
                (_, Some((due_at_ms, effect))) => {
                    self.now_ms = self.now_ms.max(due_at_ms);
                    self.perform_one(&effect, false);
                }
                (_, None) => break,
            }
        }
        self.settle_payments();
        self.count();
    }

    /// Counts how requests, offers and rides ended.
    fn count(&mut self) {
        let mut met = Vec::new();
        for request in self.known.requests.values() {
            met.push(match request.status {
                RequestStatus::Completed => "completed",
                RequestStatus::NoMatch => "no_match",
                RequestStatus::Cancelled => "cancelled",
                _ => "open",
            });
            met.extend(request.offers.iter().map(|offer| match offer.answer {
                Some(OfferAnswer::Accepted) => "accepted",
                Some(OfferAnswer::Rejected) => "rejected",
                Some(OfferAnswer::Silent) => "silent",
                Some(OfferAnswer::GivenBack) => "given_back",
                Some(OfferAnswer::Revoked) => "revoked",
                None => "unanswered",
            }));
        }
        met.extend(self.known.rides.values().filter_map(|ride| match ride.flag? {
            RideFlag::NeverStarted => Some("never_started"),
            RideFlag::NeverEnded => Some("never_ended"),
        }));
        met.into_iter().for_each(|what| self.meet(what));
        assert_eq!(
            (self.met.get("open"), self.met.get("unanswered")),
            (None, None),
            "{}",
            self.place_in_run()
        );
    }
}
