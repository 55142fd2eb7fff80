//! Rides: from the match to the end, or given back, cancelled, flagged.

use kind::Halt;

use crate::bounds::REASON_CHARS_MAX;
use crate::frame::{moves_topic, partner_topic, user_topic};
use crate::market::{Market, check_text};
use crate::requests::request_timer;
use crate::{
    AccountRole, Act, CheerRequest, CheerUser, Denial, EndedRide, OfferAnswer, Outcome, Partner,
    PartnerStatus, RequestStatus, Ride, RideFlag, RideStatus,
};

/// Pins have four digits.
const PINS: u64 = 10_000;

/// The timer of a ride.
fn ride_timer(ride: &str) -> String {
    format!("ride {ride}")
}

impl Market<'_, '_> {
    /// The partner of the open offer `n` gets the request.
    pub(crate) fn accept(&mut self, id: &str, mut request: CheerRequest, n: usize) -> Result<Outcome, Halt> {
        let partner = request.offers[n].partner.clone();
        let Some(row) = self.rows.get::<Partner>(&partner)? else {
            return Err(Halt::Fault(format!("the partner {partner} of an offer is not there")));
        };
        let ride_id = self.new_id();
        self.set_partner(&partner, row, PartnerStatus::Busy { ride: ride_id.clone() });
        request.offers[n].answer = Some(OfferAnswer::Accepted);
        request.offers[n].answered_at_ms = Some(self.at.ms);
        self.stop_search(id, &mut request)?;
        let ride = Ride {
            request: id.to_owned(),
            user: request.user.clone(),
            partner: partner.clone(),
            status: RideStatus::Accepted,
            flag: None,
            accepted_at_ms: self.at.ms,
            started_at_ms: None,
            ended_at_ms: None,
            fare_cents: None,
            pin: pin(self.at.seed),
            wrong_pins: 0,
            reason: None,
            payment: None,
        };
        request.status = RequestStatus::Matched;
        request.ride = Some(ride_id.clone());
        request.matched_at_ms = Some(self.at.ms);
        self.rows.put(&id.to_owned(), &request);
        let due_at_ms = self.at.ms.saturating_add(self.at.rules.arrive_ms);
        self.set_timer(&ride_timer(&ride_id), due_at_ms, Act::RideDue { ride: ride_id.clone() })?;
        self.tell_user(id, &request);
        self.put_ride(&ride_id, &ride, &request);
        self.rows.follow(&user_topic(&ride.user), &moves_topic(&partner));
        Ok(Outcome::Accepted { ride: ride_id })
    }

    /// Writes a ride, and tells both where it stands.
    fn put_ride(&mut self, id: &str, ride: &Ride, request: &CheerRequest) {
        self.rows.put(&id.to_owned(), ride);
        let frame = ride.frame(id, request.location);
        self.rows.publish(&user_topic(&ride.user), &frame);
        self.rows.publish(&partner_topic(&ride.partner), &frame);
    }

    /// The request of a ride. What else the end of a ride needs is read with it.
    fn request_of(&mut self, ride: &Ride) -> Result<CheerRequest, Halt> {
        self.rows.want::<Partner>(&ride.partner);
        self.rows.want::<CheerUser>(&ride.user);
        let request = self.rows.get::<CheerRequest>(&ride.request)?;
        request.ok_or_else(|| Halt::Fault(format!("the request {} of a ride is not there", ride.request)))
    }

    pub(crate) fn start_ride(
        &mut self,
        partner: &str,
        id: &String,
        pin_given: Option<&str>,
    ) -> Result<Outcome, Halt> {
        let Some(ride) = self.rows.get::<Ride>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRide));
        };
        if ride.partner != partner {
            return Ok(Outcome::Denied(Denial::NotYours));
        }
        let denial = match (ride.status, ride.started_at_ms) {
            (RideStatus::Started | RideStatus::Ended, Some(started_at_ms)) => {
                return Ok(Outcome::Started { started_at_ms });
            }
            (RideStatus::Accepted, _) if self.is_late(&ride) => {
                self.ride_due(id)?;
                Denial::RideFlagged
            }
            (RideStatus::Accepted, _) => return self.arrive(id, ride, pin_given),
            (RideStatus::Flagged, _) => Denial::RideFlagged,
            _ => Denial::RideCancelled,
        };
        Ok(Outcome::Denied(denial))
    }

    fn arrive(&mut self, id: &String, mut ride: Ride, pin_given: Option<&str>) -> Result<Outcome, Halt> {
        let mut request = self.request_of(&ride)?;
        let rules = self.at.rules;
        if rules.is_pin_needed && pin_given != Some(ride.pin.as_str()) {
            ride.wrong_pins += 1;
            if ride.wrong_pins >= rules.wrong_pins_max {
                ride.pin = next_pin(&ride.pin, self.at.seed);
                ride.wrong_pins = 0;
                // The user's client reads the request again.
                self.tell_user(&ride.request, &request);
            }
            self.rows.put(id, &ride);
            return Ok(Outcome::Denied(Denial::WrongPin));
        }
        let started_at_ms = self.at.ms;
        ride.status = RideStatus::Started;
        ride.started_at_ms = Some(started_at_ms);
        request.started_at_ms = Some(started_at_ms);
        self.rows.put(&ride.request, &request);
        let due_at_ms = started_at_ms.saturating_add(rules.ride_ms);
        self.set_timer(&ride_timer(id), due_at_ms, Act::RideDue { ride: id.clone() })?;
        self.put_ride(id, &ride, &request);
        self.rows.unfollow(&user_topic(&ride.user), &moves_topic(&ride.partner));
        Ok(Outcome::Started { started_at_ms })
    }

    pub(crate) fn end_ride(&mut self, partner: &str, id: &String) -> Result<Outcome, Halt> {
        let Some(ride) = self.rows.get::<Ride>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRide));
        };
        if ride.partner != partner {
            return Ok(Outcome::Denied(Denial::NotYours));
        }
        let denial = match ride.status {
            RideStatus::Started if self.is_late(&ride) => {
                self.ride_due(id)?;
                Denial::RideFlagged
            }
            RideStatus::Started => return self.finish(id, ride, self.at.ms),
            RideStatus::Ended => return ended(id, &ride),
            RideStatus::Accepted => Denial::RideNotStarted,
            RideStatus::Cancelled => Denial::RideCancelled,
            RideStatus::Flagged => Denial::RideFlagged,
        };
        Ok(Outcome::Denied(denial))
    }

    pub(crate) fn end_flagged(&mut self, id: &String, ended_at_ms: i64) -> Result<Outcome, Halt> {
        let Some(ride) = self.rows.get::<Ride>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRide));
        };
        match (ride.status, ride.started_at_ms) {
            (RideStatus::Ended, _) => ended(id, &ride),
            (RideStatus::Flagged, Some(started_at_ms)) => {
                if (started_at_ms..=self.at.ms).contains(&ended_at_ms) {
                    self.finish(id, ride, ended_at_ms)
                } else {
                    Ok(Outcome::Denied(Denial::WrongTime))
                }
            }
            _ => Ok(Outcome::Denied(Denial::NotFlagged)),
        }
    }

    /// Ends a ride that was started, and makes its payment in the same commit.
    fn finish(&mut self, id: &str, mut ride: Ride, ended_at_ms: i64) -> Result<Outcome, Halt> {
        let mut request = self.request_of(&ride)?;
        // Clocks of two nodes may differ by a little.
        let started_at_ms = ride.started_at_ms.unwrap_or(ended_at_ms);
        let ended_at_ms = ended_at_ms.max(started_at_ms);
        let fare_cents = self.at.rules.fare_cents(ended_at_ms - started_at_ms);
        ride.status = RideStatus::Ended;
        ride.ended_at_ms = Some(ended_at_ms);
        ride.fare_cents = Some(fare_cents);
        ride.payment = Some(self.make_payment(id, &ride, fare_cents));
        self.rows.cancel(&ride_timer(id));
        let busy = PartnerStatus::Busy { ride: id.to_owned() };
        self.move_partner(&ride.partner, &busy, PartnerStatus::Available)?;
        request.ended_at_ms = Some(ended_at_ms);
        if request.status == RequestStatus::Matched {
            self.close(&ride.request, &mut request, RequestStatus::Completed)?;
        } else {
            self.rows.put(&ride.request, &request);
        }
        self.put_ride(id, &ride, &request);
        ended(id, &ride)
    }

    pub(crate) fn cancel_ride(
        &mut self,
        by: AccountRole,
        who: &str,
        id: &String,
        reason: Option<&String>,
    ) -> Result<Outcome, Halt> {
        if let Some(reason) = reason {
            check_text("reason", reason, REASON_CHARS_MAX)?;
        }
        let Some(mut ride) = self.rows.get::<Ride>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRide));
        };
        let owner = match by {
            AccountRole::User => &ride.user,
            AccountRole::Partner => &ride.partner,
        };
        if owner != who {
            return Ok(Outcome::Denied(Denial::NotYours));
        }
        match ride.status {
            RideStatus::Accepted => {}
            RideStatus::Cancelled => return Ok(Outcome::RideCancelled),
            RideStatus::Started => return Ok(Outcome::Denied(Denial::RideStarted)),
            RideStatus::Ended => return Ok(Outcome::Denied(Denial::RideEnded)),
            RideStatus::Flagged => return Ok(Outcome::Denied(Denial::RideFlagged)),
        }
        ride.reason = reason.cloned();
        let mut request = self.request_of(&ride)?;
        match by {
            AccountRole::User => {
                self.leave_ride(id, &mut ride, &request, RideStatus::Cancelled)?;
                self.close(&ride.request, &mut request, RequestStatus::Cancelled)?;
            }
            AccountRole::Partner => self.give_back(id, &mut ride, &mut request, RideStatus::Cancelled)?,
        }
        Ok(Outcome::RideCancelled)
    }

    /// Ends a ride before its start, and frees the partner.
    pub(crate) fn leave_ride(
        &mut self,
        id: &str,
        ride: &mut Ride,
        request: &CheerRequest,
        status: RideStatus,
    ) -> Result<(), Halt> {
        ride.status = status;
        ride.ended_at_ms = Some(self.at.ms);
        self.rows.cancel(&ride_timer(id));
        let busy = PartnerStatus::Busy { ride: id.to_owned() };
        self.move_partner(&ride.partner, &busy, PartnerStatus::Available)?;
        self.put_ride(id, ride, request);
        self.rows.unfollow(&user_topic(&ride.user), &moves_topic(&ride.partner));
        Ok(())
    }

    /// Ends a ride before its start, and searches on within the request's time, without the partner.
    fn give_back(
        &mut self,
        id: &str,
        ride: &mut Ride,
        request: &mut CheerRequest,
        status: RideStatus,
    ) -> Result<(), Halt> {
        self.leave_ride(id, ride, request, status)?;
        let mut offers = request.offers.iter_mut();
        if let Some(offer) = offers.find(|offer| offer.answer == Some(OfferAnswer::Accepted)) {
            offer.answer = Some(OfferAnswer::GivenBack);
        }
        request.ride = None;
        request.matched_at_ms = None;
        if self.at.ms < request.until_ms {
            let act = Act::RequestDue { request: ride.request.clone() };
            self.set_timer(&request_timer(&ride.request), request.until_ms, act)?;
        }
        self.make_pending(&ride.request, request)
    }

    /// Whether a ride has been in its state for too long.
    fn is_late(&self, ride: &Ride) -> bool {
        let rules = self.at.rules;
        let until_ms = match (ride.status, ride.started_at_ms) {
            (RideStatus::Accepted, _) => ride.accepted_at_ms.saturating_add(rules.arrive_ms),
            (RideStatus::Started, Some(started_at_ms)) => started_at_ms.saturating_add(rules.ride_ms),
            _ => return false,
        };
        until_ms <= self.at.ms
    }

    /// Flags a ride that is late, whoever sent this.
    pub(crate) fn ride_due(&mut self, id: &String) -> Result<Outcome, Halt> {
        let Some(mut ride) = self.rows.get::<Ride>(id)? else { return Ok(Outcome::Done) };
        if !self.is_late(&ride) {
            return Ok(Outcome::Done);
        }
        let mut request = self.request_of(&ride)?;
        if ride.status == RideStatus::Accepted {
            ride.flag = Some(RideFlag::NeverStarted);
            self.give_back(id, &mut ride, &mut request, RideStatus::Flagged)?;
            return Ok(Outcome::Done);
        }
        ride.status = RideStatus::Flagged;
        ride.flag = Some(RideFlag::NeverEnded);
        self.rows.cancel(&ride_timer(id));
        let busy = PartnerStatus::Busy { ride: id.clone() };
        self.move_partner(&ride.partner, &busy, PartnerStatus::Offline)?;
        self.close(&ride.request, &mut request, RequestStatus::Completed)?;
        self.put_ride(id, &ride, &request);
        Ok(Outcome::Done)
    }
}

/// What the end of a ride told, again.
fn ended(id: &str, ride: &Ride) -> Result<Outcome, Halt> {
    let (Some(started_at_ms), Some(ended_at_ms)) = (ride.started_at_ms, ride.ended_at_ms) else {
        return Err(Halt::Fault(format!("the ride {id} has ended and has no times")));
    };
    let (Some(fare_cents), Some(payment)) = (ride.fare_cents, ride.payment.clone()) else {
        return Err(Halt::Fault(format!("the ride {id} has ended and has no payment")));
    };
    let duration_s = (ended_at_ms - started_at_ms) / 1_000;
    Ok(Outcome::Ended(EndedRide { ended_at_ms, duration_s, fare_cents, payment }))
}

fn pin(seed: u64) -> String {
    format!("{:04}", seed % PINS)
}

/// Another pin than the last one.
fn next_pin(last: &str, seed: u64) -> String {
    let last = last.parse::<u64>().unwrap_or_default();
    pin(last + 1 + seed % (PINS - 1))
}
