//! Offers: to whom, for how long, and what they answer.

use kind::{Failed, Halt};

use crate::frame::partner_topic;
use crate::market::Market;
use crate::requests::request_timer;
use crate::{
    Act, Candidate, CheerRequest, CheersFrame, Denial, Effect, Nearest, NoMatch, Offer, OfferAnswer, Outcome,
    Partner, PartnerStatus, RequestStatus,
};

/// The timer of a request's open offers.
fn offers_timer(request: &str) -> String {
    format!("offers {request}")
}

impl Market<'_, '_> {
    /// Says that the rows of the candidates will be read.
    pub(crate) fn want_candidates(&mut self, nearest: &Nearest) {
        for candidate in nearest.candidates.iter().take(self.at.rules.candidates_max) {
            self.rows.want::<Partner>(&candidate.partner);
        }
    }

    /// Asks the first free ones of those who are near, or looks for others, or ends the search. The request is PENDING.
    ///
    /// What presence knows is older than the rows: only the rows say who is free, and since when.
    pub(crate) fn consider(
        &mut self,
        id: &str,
        request: &mut CheerRequest,
        nearest: &Nearest,
    ) -> Result<(), Halt> {
        self.want_candidates(nearest);
        let rules = self.at.rules;
        let excluded: Vec<_> = request.excluded().cloned().collect();
        let (mut free, mut passed) = (Vec::new(), Vec::new());
        for candidate in nearest.candidates.iter().take(rules.candidates_max) {
            if candidate.distance_m > rules.radius_m || excluded.contains(&candidate.partner) {
                continue;
            }
            match self.rows.get::<Partner>(&candidate.partner)? {
                Some(partner) if partner.status == PartnerStatus::Available => {
                    let free_since_ms = candidate.free_since_ms.max(partner.free_since_ms);
                    free.push(Candidate { free_since_ms, ..candidate.clone() });
                }
                _ => passed.push(candidate.partner.clone()),
            }
        }
        free.sort_by(|a, b| a.order(rules).cmp(&b.order(rules)));
        if free.is_empty() {
            return self.look_on(id, request, passed, nearest.is_somebody_held);
        }
        let room = rules.offers_max.saturating_sub(request.offers.len());
        free.truncate(rules.offers_at_once.max(1).min(room));
        if free.is_empty() {
            return self.give_up(id, request, NoMatch::TooManyOffers);
        }
        self.offer(id, request, &free)
    }

    /// Nobody of those who are near was free.
    fn look_on(
        &mut self,
        id: &str,
        request: &mut CheerRequest,
        passed: Vec<String>,
        is_somebody_held: bool,
    ) -> Result<(), Halt> {
        let rules = self.at.rules;
        let are_others_unknown = !passed.is_empty();
        request.passed.extend(passed);
        if are_others_unknown && request.passed.len() < rules.passed_max {
            // Others may stand behind those who were passed over.
            return self.look(id, request, self.at.ms);
        }
        if is_somebody_held || !request.passed.is_empty() {
            request.passed.clear();
            return self.look(id, request, self.at.ms.saturating_add(rules.look_again_ms));
        }
        let reason = if request.offers.is_empty() { NoMatch::NobodyNear } else { NoMatch::NobodyLeft };
        self.give_up(id, request, reason)
    }

    /// Asks presence who is near, not before `due_at_ms`. The request is PENDING.
    fn look(&mut self, id: &str, request: &mut CheerRequest, due_at_ms: i64) -> Result<(), Halt> {
        request.looks += 1;
        let excluded = request.excluded().chain(&request.passed).cloned().collect();
        let ask = Effect::Nearest { place: request.location, excluded };
        self.rows.effect(&format!("look {id} {}", request.looks), &format!("look {id}"), due_at_ms, &ask);
        self.rows.put(&id.to_owned(), request);
        Ok(())
    }

    /// The answer of presence. Only that to the last question counts, and only while the request is PENDING.
    pub(crate) fn found_near(
        &mut self,
        id: &str,
        look: u32,
        found: Result<&Nearest, &Failed>,
    ) -> Result<(), Halt> {
        if let Ok(nearest) = found {
            self.want_candidates(nearest);
        }
        let Some(mut request) = self.rows.get::<CheerRequest>(&id.to_owned())? else { return Ok(()) };
        if request.status != RequestStatus::Pending || request.looks != look {
            return Ok(());
        }
        if request.until_ms <= self.at.ms {
            return self.give_up(id, &mut request, NoMatch::Expired);
        }
        match found {
            Ok(nearest) => self.consider(id, &mut request, nearest),
            Err(_) => {
                let due_at_ms = self.at.ms.saturating_add(self.at.rules.look_again_ms);
                self.look(id, &mut request, due_at_ms)
            }
        }
    }

    fn offer(&mut self, id: &str, request: &mut CheerRequest, to: &[Candidate]) -> Result<(), Halt> {
        let until_ms = self.at.ms.saturating_add(self.at.rules.offer_ms).min(request.until_ms);
        for Candidate { partner, distance_m, .. } in to {
            let row = self.rows.get::<Partner>(partner)?;
            // A candidate who stands in the list twice is asked once.
            let Some(row) = row.filter(|row| row.status == PartnerStatus::Available) else { continue };
            self.set_partner(partner, row, PartnerStatus::Offered { request: id.to_owned() });
            request.offers.push(Offer {
                partner: partner.clone(),
                distance_m: *distance_m,
                offered_at_ms: self.at.ms,
                until_ms,
                answer: None,
                answered_at_ms: None,
            });
            self.rows.publish(&partner_topic(partner), &request.offer_frame(id, *distance_m, until_ms));
        }
        request.status = RequestStatus::Offered;
        request.passed.clear();
        self.rows.put(&id.to_owned(), request);
        self.tell_user(id, request);
        // An offer that lasts as long as the request is revoked with it.
        if until_ms < request.until_ms {
            self.set_timer(&offers_timer(id), until_ms, Act::OffersDue { request: id.to_owned() })?;
        }
        Ok(())
    }

    pub(crate) fn answer_offer(
        &mut self,
        partner: &String,
        id: &String,
        accept: bool,
    ) -> Result<Outcome, Halt> {
        self.rows.want::<Partner>(partner);
        let Some(mut request) = self.rows.get::<CheerRequest>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRequest));
        };
        let Some(n) = request.offers.iter().rposition(|offer| offer.partner == *partner) else {
            return Ok(Outcome::Denied(Denial::NotOffered));
        };
        let denial = match (request.offers[n].answer, accept) {
            (None, _) if request.offers[n].until_ms <= self.at.ms => Denial::OfferExpired,
            (None, true) => return self.accept(id, request, n),
            (None, false) => {
                self.end_offer(id, &mut request, n, OfferAnswer::Rejected)?;
                self.search_on(id, &mut request)?;
                return Ok(Outcome::Rejected);
            }
            (Some(OfferAnswer::Accepted), true) => match request.ride {
                Some(ride) => return Ok(Outcome::Accepted { ride }),
                None => Denial::NotOffered,
            },
            (Some(OfferAnswer::Rejected), false) => return Ok(Outcome::Rejected),
            (Some(OfferAnswer::Silent), _) => Denial::OfferExpired,
            (Some(OfferAnswer::Revoked), _) => match request.status {
                RequestStatus::Matched | RequestStatus::Completed => Denial::OfferTaken,
                RequestStatus::Cancelled => Denial::OfferWithdrawn,
                _ => Denial::OfferExpired,
            },
            (Some(_), _) => Denial::NotOffered,
        };
        Ok(Outcome::Denied(denial))
    }

    /// Offers that nobody answered in time, whoever sent this.
    pub(crate) fn offers_due(&mut self, id: &String) -> Result<Outcome, Halt> {
        let Some(mut request) = self.rows.get::<CheerRequest>(id)? else { return Ok(Outcome::Done) };
        let is_over = |offer: &Offer| offer.answer.is_none() && offer.until_ms <= self.at.ms;
        let over: Vec<_> = (0..request.offers.len()).filter(|n| is_over(&request.offers[*n])).collect();
        for n in &over {
            self.rows.want::<Partner>(&request.offers[*n].partner);
        }
        for n in &over {
            self.end_offer(id, &mut request, *n, OfferAnswer::Silent)?;
        }
        if !over.is_empty() {
            self.search_on(id, &mut request)?;
        }
        Ok(Outcome::Done)
    }

    /// After an offer ended without a match.
    fn search_on(&mut self, id: &str, request: &mut CheerRequest) -> Result<(), Halt> {
        if request.open_offers().next().is_some() {
            self.rows.put(&id.to_owned(), request);
            return Ok(());
        }
        self.rows.cancel(&offers_timer(id));
        self.make_pending(id, request)
    }

    /// Begins another round, within the request's time.
    pub(crate) fn make_pending(&mut self, id: &str, request: &mut CheerRequest) -> Result<(), Halt> {
        if request.until_ms <= self.at.ms {
            return self.give_up(id, request, NoMatch::Expired);
        }
        request.status = RequestStatus::Pending;
        self.tell_user(id, request);
        self.look(id, request, self.at.ms)
    }

    /// Ends an open offer, and frees its partner.
    fn end_offer(
        &mut self,
        id: &str,
        request: &mut CheerRequest,
        n: usize,
        answer: OfferAnswer,
    ) -> Result<(), Halt> {
        let held = PartnerStatus::Offered { request: id.to_owned() };
        self.move_partner(&request.offers[n].partner, &held, PartnerStatus::Available)?;
        request.offers[n].answer = Some(answer);
        request.offers[n].answered_at_ms = Some(self.at.ms);
        Ok(())
    }

    /// Revokes the open offers, and cancels the timers of the search.
    pub(crate) fn stop_search(&mut self, id: &str, request: &mut CheerRequest) -> Result<(), Halt> {
        let open: Vec<_> =
            (0..request.offers.len()).filter(|n| request.offers[*n].answer.is_none()).collect();
        for n in &open {
            self.rows.want::<Partner>(&request.offers[*n].partner);
        }
        for n in open {
            self.end_offer(id, request, n, OfferAnswer::Revoked)?;
            let frame = CheersFrame::OfferRevoked { request_id: id.to_owned() };
            self.rows.publish(&partner_topic(&request.offers[n].partner), &frame);
        }
        request.passed.clear();
        self.rows.cancel(&offers_timer(id));
        self.rows.cancel(&request_timer(id));
        Ok(())
    }
}
