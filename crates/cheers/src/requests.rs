//! Requests: asked, cancelled, expired, given another time.

use kind::Halt;

use crate::bounds::REQUEST_TYPE_CHARS_MAX;
use crate::market::{Market, check_text};
use crate::{
    Act, CheerRequest, CheerUser, Denial, Location, Nearest, NoMatch, Outcome, RequestStatus, Ride,
    RideStatus,
};

/// The timer of a request's end.
pub(crate) fn request_timer(request: &str) -> String {
    format!("request {request}")
}

impl Market<'_, '_> {
    pub(crate) fn request(
        &mut self,
        user: &String,
        location: Location,
        request_type: &str,
        nearest: &Nearest,
    ) -> Result<Outcome, Halt> {
        check_text("requestType", request_type, REQUEST_TYPE_CHARS_MAX)?;
        self.want_candidates(nearest);
        if let Some(denial) = self.may_ask(user)? {
            return Ok(Outcome::Denied(denial));
        }
        let id = self.new_id();
        let mut request = CheerRequest {
            user: user.clone(),
            location,
            request_type: request_type.to_owned(),
            status: RequestStatus::Pending,
            no_match: None,
            created_at_ms: self.at.ms,
            until_ms: self.at.ms,
            offers: Vec::new(),
            looks: 0,
            passed: Vec::new(),
            ride: None,
            matched_at_ms: None,
            started_at_ms: None,
            ended_at_ms: None,
            paid_at_ms: None,
            closed_at_ms: None,
        };
        self.open(&id, &mut request, nearest)?;
        Ok(Outcome::Requested { request: id, expires_at_ms: request.until_ms })
    }

    pub(crate) fn redrive(&mut self, id: &String, nearest: &Nearest) -> Result<Outcome, Halt> {
        self.want_candidates(nearest);
        let Some(mut request) = self.rows.get::<CheerRequest>(id)? else {
            return Ok(Outcome::Denied(Denial::UnknownRequest));
        };
        if request.status != RequestStatus::NoMatch {
            return Ok(Outcome::Denied(Denial::NotUnmatched));
        }
        if let Some(denial) = self.may_ask(&request.user)? {
            return Ok(Outcome::Denied(denial));
        }
        request.no_match = None;
        request.closed_at_ms = None;
        self.open(id, &mut request, nearest)?;
        Ok(Outcome::Redriven)
    }

    /// Whether the user is there and has no open request.
    fn may_ask(&mut self, user: &String) -> Result<Option<Denial>, Halt> {
        let Some(row) = self.rows.get::<CheerUser>(user)? else { return Ok(Some(Denial::UnknownAccount)) };
        let Some(id) = row.request else { return Ok(None) };
        // The time of the open one may be over, though its timer has not fired.
        self.request_due(&id)?;
        let is_open = self.rows.get::<CheerUser>(user)?.is_some_and(|row| row.request.is_some());
        Ok(is_open.then_some(Denial::RequestOpen))
    }

    /// Begins the search. The user has no other open request.
    fn open(&mut self, id: &str, request: &mut CheerRequest, nearest: &Nearest) -> Result<(), Halt> {
        request.until_ms = self.at.ms.saturating_add(self.at.rules.request_ms);
        request.status = RequestStatus::Pending;
        if let Some(row) = self.rows.get::<CheerUser>(&request.user)? {
            self.rows.put(&request.user, &CheerUser { request: Some(id.to_owned()), ..row });
        }
        self.set_timer(&request_timer(id), request.until_ms, Act::RequestDue { request: id.to_owned() })?;
        self.consider(id, request, nearest)
    }

    pub(crate) fn cancel_request(&mut self, user: &str, id: &String) -> Result<Outcome, Halt> {
        let Some(mut request) = self.rows.get::<CheerRequest>(id)?.filter(|it| it.user == user) else {
            return Ok(Outcome::Denied(Denial::UnknownRequest));
        };
        self.rows.want::<CheerUser>(&request.user);
        match request.status {
            RequestStatus::Cancelled => Ok(Outcome::RequestCancelled),
            RequestStatus::NoMatch | RequestStatus::Completed => Ok(Outcome::Denied(Denial::RequestClosed)),
            RequestStatus::Pending | RequestStatus::Offered => {
                self.close(id, &mut request, RequestStatus::Cancelled)?;
                Ok(Outcome::RequestCancelled)
            }
            RequestStatus::Matched => self.cancel_match(id, request),
        }
    }

    fn cancel_match(&mut self, id: &str, mut request: CheerRequest) -> Result<Outcome, Halt> {
        let Some(ride_id) = request.ride.clone() else {
            return Err(Halt::Fault(format!("the request {id} is matched and has no ride")));
        };
        let Some(mut ride) = self.rows.get::<Ride>(&ride_id)? else {
            return Err(Halt::Fault(format!("the ride {ride_id} of a request is not there")));
        };
        if ride.status != RideStatus::Accepted {
            return Ok(Outcome::Denied(Denial::RideStarted));
        }
        self.leave_ride(&ride_id, &mut ride, &request, RideStatus::Cancelled)?;
        self.close(id, &mut request, RequestStatus::Cancelled)?;
        Ok(Outcome::RequestCancelled)
    }

    /// Ends the search if its time is over, whoever sent this.
    pub(crate) fn request_due(&mut self, id: &String) -> Result<Outcome, Halt> {
        if let Some(mut request) = self.rows.get::<CheerRequest>(id)?
            && request.is_waiting()
            && request.until_ms <= self.at.ms
        {
            self.rows.want::<CheerUser>(&request.user);
            self.give_up(id, &mut request, NoMatch::Expired)?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn give_up(
        &mut self,
        id: &str,
        request: &mut CheerRequest,
        reason: NoMatch,
    ) -> Result<(), Halt> {
        request.no_match = Some(reason);
        self.close(id, request, RequestStatus::NoMatch)
    }

    /// Ends a request: open offers are revoked, the user may ask again.
    pub(crate) fn close(
        &mut self,
        id: &str,
        request: &mut CheerRequest,
        status: RequestStatus,
    ) -> Result<(), Halt> {
        self.stop_search(id, request)?;
        request.status = status;
        request.closed_at_ms = Some(self.at.ms);
        self.free_user(&request.user, id)?;
        self.rows.put(&id.to_owned(), request);
        self.tell_user(id, request);
        Ok(())
    }
}
