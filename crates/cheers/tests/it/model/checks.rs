//! What holds after each step, and in the end.

use cheers::{
    Act, CheckoutLink, CheerRequest, Effect, OfferAnswer, PartnerStatus, PaymentStatus, RequestStatus, Ride,
    RideFlag, RideStatus,
};
use kind::{AskState, EffectId, RowId, decode_key, encode_key};

use crate::model::provider::Page;
use crate::model::state::Model;
use crate::world::MARKET;

impl Model {
    /// The rows that changed agree with those that they name.
    pub(crate) fn check(&self, touched: &[RowId]) {
        for id in touched {
            let (_, key) = decode_key::<String>(&id.key).unwrap();
            let is_right = match id.table {
                "user" => self.is_user_right(&key),
                "partner" => self.is_partner_right(&key),
                "request" => self.is_request_right(&key, &self.known.requests[&key]),
                "ride" => self.is_ride_right(&key, &self.known.rides[&key]),
                "payment" => self.is_payment_right(&key),
                _ => true,
            };
            let body = self.driver.body(id);
            assert!(is_right, "{}: {} {key} {body:?}", self.place_in_run(), id.table);
        }
    }

    fn is_user_right(&self, id: &str) -> bool {
        let Some(request) = &self.known.users[id].request else { return true };
        let row = &self.known.requests[request];
        row.user == id && (row.is_waiting() || row.status == RequestStatus::Matched)
    }

    fn is_partner_right(&self, id: &str) -> bool {
        match &self.known.partners[id].status {
            PartnerStatus::Offered { request } => {
                let open = self.known.requests[request].open_offers();
                open.filter(|offer| offer.partner == id).count() == 1
            }
            PartnerStatus::Busy { ride } => {
                let ride = &self.known.rides[ride];
                ride.partner == id && is_live(ride)
            }
            PartnerStatus::Available | PartnerStatus::Offline => true,
        }
    }

    fn is_request_right(&self, id: &str, row: &CheerRequest) -> bool {
        let rules = self.driver.rules();
        let open: Vec<_> = row.open_offers().collect();
        let held = PartnerStatus::Offered { request: id.to_owned() };
        let are_held = open.iter().all(|offer| self.known.partners[&offer.partner].status == held);
        let is_bounded = open.len() <= rules.offers_at_once
            && row.offers.len() <= rules.offers_max
            && row.passed.len() < rules.passed_max
            && open.iter().all(|offer| offer.until_ms <= row.until_ms);
        // Nobody who said no, or nothing, is asked again.
        let is_last = |n: usize| row.offers[n + 1..].iter().all(|it| it.partner != row.offers[n].partner);
        let mut final_answers = (0..row.offers.len()).filter(|n| {
            use OfferAnswer::{GivenBack, Rejected, Silent};
            matches!(row.offers[*n].answer, Some(Rejected | Silent | GivenBack))
        });
        let is_open_for_user = self.known.users[&row.user].request.as_deref() == Some(id);
        are_held
            && is_bounded
            && final_answers.all(is_last)
            && open.is_empty() == (row.status != RequestStatus::Offered)
            && is_open_for_user == (row.is_waiting() || row.status == RequestStatus::Matched)
            && self.does_request_go_on(id, row)
    }

    /// A request that has not ended has something that will move it.
    fn does_request_go_on(&self, id: &str, row: &CheerRequest) -> bool {
        let timer = |name: &str| {
            self.driver.timer(&encode_key(MARKET, &format!("{name} {id}"))).map(|timer| timer.due_at_ms)
        };
        let has_request_timer = timer("request") == Some(row.until_ms);
        match row.status {
            RequestStatus::Pending => {
                let name = format!("look {id} {}", row.looks);
                let look = EffectId { route: MARKET.to_owned(), name };
                has_request_timer
                    && self.driver.effect(&look).is_some_and(|ask| ask.state == AskState::Waiting)
            }
            RequestStatus::Offered => {
                let first = row.open_offers().map(|offer| offer.until_ms).min();
                has_request_timer && (first == timer("offers") || first == Some(row.until_ms))
            }
            RequestStatus::Matched => {
                let ride = row.ride.as_ref().map(|ride| &self.known.rides[ride]);
                timer("request").is_none() && ride.is_some_and(|ride| is_live(ride) && ride.request == id)
            }
            RequestStatus::Completed => {
                let ride = row.ride.as_ref().map(|ride| &self.known.rides[ride]);
                ride.is_some_and(|ride| {
                    ride.status == RideStatus::Ended || ride.flag == Some(RideFlag::NeverEnded)
                })
            }
            RequestStatus::NoMatch => row.no_match.is_some() && timer("request").is_none(),
            RequestStatus::Cancelled => timer("request").is_none(),
        }
    }

    fn is_ride_right(&self, id: &str, row: &Ride) -> bool {
        let busy = PartnerStatus::Busy { ride: id.to_owned() };
        let is_busy = self.known.partners[&row.partner].status == busy;
        let names_it = self.known.requests[&row.request].ride.as_deref() == Some(id);
        let has_timer = self.driver.timer(&encode_key(MARKET, &format!("ride {id}"))).is_some();
        let payments = self.known.payments_of.get(id);
        let payment = payments.and_then(|payments| payments.first());
        let has_ended = row.status == RideStatus::Ended;
        payments.map_or(0, |payments| payments.len()) == usize::from(has_ended)
            && row.payment.as_ref() == payment
            && is_live(row) == is_busy
            && is_live(row) == has_timer
            && (!is_live(row) || names_it)
            && (!has_ended || self.is_fare_right(row))
    }

    fn is_fare_right(&self, row: &Ride) -> bool {
        let duration_ms = row.ended_at_ms.unwrap() - row.started_at_ms.unwrap();
        let payment = &self.known.payments[row.payment.as_ref().unwrap()];
        let steps = (1..).find(|steps| duration_ms <= steps * 300_000).unwrap();
        row.fare_cents == Some(steps * 1_000) && payment.amount_cents == steps * 1_000
    }

    fn is_payment_right(&self, id: &str) -> bool {
        let row = &self.known.payments[id];
        let paid = self.provider.of(id).filter(|(_, session)| session.page == Page::Paid).count();
        let waiting = ["make_link", "end_link"].map(|what| {
            let call = |n| EffectId { route: MARKET.to_owned(), name: format!("{what} {id} {n}") };
            let is_waiting =
                |n: &u32| self.driver.effect(&call(*n)).is_some_and(|ask| ask.state == AskState::Waiting);
            (1..=row.calls).filter(is_waiting).count()
        });
        let is_link_awaited = matches!(row.link, CheckoutLink::Asked | CheckoutLink::Expiring { .. });
        // No report says PAID of what nobody paid, and nobody pays twice.
        (row.status < PaymentStatus::Paid || paid == 1)
            && paid <= 1
            && waiting[0] + waiting[1] == usize::from(is_link_awaited)
            && row.reports.len() <= self.driver.rules().reports_max
    }

    /// Never two links of a payment by which somebody could pay.
    pub(crate) fn check_links(&self, ask: &Effect) {
        let (Effect::MakeLink { payment, .. } | Effect::EndLink { payment, .. }) = ask else { return };
        let shown = self.provider.of(payment).filter(|(_, session)| session.is_shown);
        let payable: Vec<_> =
            shown.filter(|(_, it)| matches!(it.page, Page::Open | Page::Underway)).map(|it| it.0).collect();
        let paid = self.provider.of(payment).filter(|(_, it)| it.page == Page::Paid).count();
        let are_right = payable.len() <= 1 && (paid == 0 || payable.is_empty());
        assert!(are_right, "{}: {payment} {payable:?} {paid}", self.place_in_run());
    }

    /// Everybody who has a page to pay by pays, and whoever has none asks for one; then all reports come.
    pub(crate) fn settle_payments(&mut self) {
        let ids: Vec<_> = self.known.payments.keys().cloned().collect();
        for _ in 0..6 {
            for id in &ids {
                self.settle_payment(id);
            }
            while let Some(report) = self.provider.reports.pop() {
                self.report(report);
            }
            while let Some((_, effect)) = self.driver.next_effect() {
                self.perform_one(&effect, false);
            }
        }
    }

    fn settle_payment(&mut self, id: &str) {
        let shown = self.provider.of(id).filter(|(_, session)| session.is_shown);
        let payable = shown.filter(|(_, it)| matches!(it.page, Page::Open | Page::Underway));
        let payable: Vec<_> = payable.map(|(name, _)| name.clone()).collect();
        if let Some(session) = payable.first() {
            self.provider.turn(session, Page::Paid, Some(PaymentStatus::Paid));
            return;
        }
        let row = &self.known.payments[id];
        let (user, request) = (row.user.clone(), row.request.clone());
        self.send(Act::NewLink { user, request }).unwrap();
    }

    pub(crate) fn check_end(&self) {
        let place = self.place_in_run();
        let known = &self.known;
        assert_eq!((self.driver.next_timer(), self.driver.next_effect()), (None, None), "{place}");
        assert!(known.users.values().all(|user| user.request.is_none()), "{place}");
        assert!(known.rides.values().all(|ride| !is_live(ride)), "{place}");
        let is_free =
            |status: &PartnerStatus| matches!(status, PartnerStatus::Available | PartnerStatus::Offline);
        assert!(known.partners.values().all(|partner| is_free(&partner.status)), "{place}");
        let fares: i64 = known.rides.values().filter_map(|ride| ride.fare_cents).sum();
        let owed: i64 = known.payments.values().map(|payment| payment.amount_cents).sum();
        let sessions = self.provider.sessions.values();
        let paid: i64 = sessions.filter(|it| it.page == Page::Paid).map(|it| it.amount_cents).sum();
        assert_eq!((fares, owed), (owed, paid), "{place}");
        let unpaid = known.payments.values().find(|payment| payment.status < PaymentStatus::Paid);
        assert_eq!(unpaid, None, "{place}");
        for (id, row) in &known.requests {
            assert!(self.is_request_right(id, row), "{place}: {id} {row:?}");
        }
        for (id, row) in &known.rides {
            assert!(self.is_ride_right(id, row), "{place}: {id} {row:?}");
        }
    }
}

fn is_live(ride: &Ride) -> bool {
    matches!(ride.status, RideStatus::Accepted | RideStatus::Started)
}
