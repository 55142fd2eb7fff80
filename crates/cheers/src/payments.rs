//! Payments: made at the end of a ride, paid by a link, moved forward by reports of the provider.

use kind::{Failed, Halt};

use crate::bounds::REFERENCE_CHARS_MAX;
use crate::market::{Market, check_text};
use crate::{
    CheckoutLink, CheerRequest, Denial, Effect, Outcome, Payment, PaymentName, PaymentReport, PaymentStatus,
    ProviderReport, Reply, Ride,
};

/// What the provider is asked to do with a link: the first word of the effect's name.
pub(crate) const MAKE_LINK: &str = "make_link";
pub(crate) const END_LINK: &str = "end_link";

impl Market<'_, '_> {
    /// Makes the payment of a ride and asks for its link. Gives its id.
    pub(crate) fn make_payment(&mut self, ride_id: &str, ride: &Ride, amount_cents: i64) -> String {
        let id = self.new_id();
        let mut payment = Payment {
            ride: ride_id.to_owned(),
            request: ride.request.clone(),
            user: ride.user.clone(),
            amount_cents,
            status: PaymentStatus::Pending,
            made_at_ms: self.at.ms,
            link: CheckoutLink::Closed,
            calls: 0,
            reference: None,
            reports: Vec::new(),
        };
        self.make_link(&id, &mut payment);
        self.rows.put(&id, &payment);
        id
    }

    /// Asks for a link. There is no other one that can be paid.
    fn make_link(&mut self, id: &str, payment: &mut Payment) {
        payment.status = PaymentStatus::Pending;
        payment.link = CheckoutLink::Asked;
        let ask = Effect::MakeLink {
            payment: id.to_owned(),
            ride: payment.ride.clone(),
            amount_cents: payment.amount_cents,
            live_ms: self.at.rules.link_ms,
        };
        self.call(MAKE_LINK, id, payment, &ask);
    }

    /// Asks that nobody can pay by a link any more.
    fn end_link(&mut self, id: &str, payment: &mut Payment, session: String) {
        let ask = Effect::EndLink { payment: id.to_owned(), session: session.clone() };
        payment.link = CheckoutLink::Expiring { session };
        self.call(END_LINK, id, payment, &ask);
    }

    fn call(&mut self, what: &str, id: &str, payment: &mut Payment, ask: &Effect) {
        payment.calls += 1;
        let name = format!("{what} {id} {}", payment.calls);
        self.rows.effect(&name, &format!("payment {id}"), self.at.ms, ask);
    }

    pub(crate) fn new_link(&mut self, user: &str, request_id: &String) -> Result<Outcome, Halt> {
        let Some(request) = self.rows.get::<CheerRequest>(request_id)?.filter(|it| it.user == user) else {
            return Ok(Outcome::Denied(Denial::UnknownRequest));
        };
        let ride = match &request.ride {
            Some(ride) => self.rows.get::<Ride>(ride)?,
            None => None,
        };
        let Some(id) = ride.and_then(|ride| ride.payment) else {
            return Ok(Outcome::Denied(Denial::NothingToPay));
        };
        let mut payment = self.payment(&id)?;
        if payment.status >= PaymentStatus::Paid {
            return Ok(Outcome::Denied(Denial::AlreadyPaid));
        }
        match payment.link.clone() {
            CheckoutLink::Closed => self.make_link(&id, &mut payment),
            CheckoutLink::Open { session, until_ms, .. }
                if payment.status == PaymentStatus::Failed || until_ms <= self.at.ms =>
            {
                self.end_link(&id, &mut payment, session);
            }
            _ => return Ok(Outcome::Denied(Denial::LinkLives)),
        }
        self.rows.put(&id, &payment);
        Ok(Outcome::LinkAsked { payment: id })
    }

    fn payment(&mut self, id: &String) -> Result<Payment, Halt> {
        let payment = self.rows.get::<Payment>(id)?;
        payment.ok_or_else(|| Halt::Fault(format!("the payment {id} of a ride is not there")))
    }

    /// The answer to a call. No other call of the payment was made meanwhile.
    pub(crate) fn called(
        &mut self,
        what: &str,
        id: &String,
        reply: Result<&Reply, &Failed>,
    ) -> Result<(), Halt> {
        let mut payment = self.payment(id)?;
        match reply {
            Ok(Reply::Link { session, url, until_ms }) if what == MAKE_LINK => {
                check_text("session", session, REFERENCE_CHARS_MAX)?;
                if payment.status >= PaymentStatus::Paid {
                    // Paid by an older link, of which the report came late: nobody may pay again by this one.
                    self.end_link(id, &mut payment, session.clone());
                } else {
                    let until_ms = (*until_ms).min(self.at.ms.saturating_add(self.at.rules.link_ms));
                    let url = Some(url.clone());
                    payment.link = CheckoutLink::Open { session: session.clone(), url, until_ms };
                }
            }
            Err(_) if what == MAKE_LINK => {
                payment.link = CheckoutLink::Closed;
                payment.status = payment.status.max(PaymentStatus::Failed);
            }
            Ok(Reply::LinkEnded) if what == END_LINK => {
                payment.link = CheckoutLink::Closed;
                if payment.status < PaymentStatus::Paid {
                    self.make_link(id, &mut payment);
                }
            }
            Ok(Reply::LinkPaid { reference, amount_cents }) if what == END_LINK => {
                if *amount_cents != payment.amount_cents {
                    return Err(Halt::Fault(format!("the link of {id} was paid with {amount_cents} cents")));
                }
                payment.link = CheckoutLink::Closed;
                self.note(&mut payment, PaymentStatus::Paid, reference);
                self.take(&mut payment, PaymentStatus::Paid, reference)?;
            }
            Ok(Reply::LinkUnderway) | Err(_) if what == END_LINK => self.reopen(&mut payment, reply.is_ok()),
            _ => return Err(Halt::Fault(format!("{what} {id} was answered by {reply:?}"))),
        }
        self.rows.put(id, &payment);
        Ok(())
    }

    /// A link that could not be ended. While its money may be under way the user waits for a report; otherwise the user
    /// may ask again at once.
    fn reopen(&mut self, payment: &mut Payment, is_underway: bool) {
        if let CheckoutLink::Expiring { session } = payment.link.clone() {
            let live_ms = if is_underway { self.at.rules.link_ms } else { 0 };
            let until_ms = self.at.ms.saturating_add(live_ms);
            payment.link = CheckoutLink::Open { session, url: None, until_ms };
        }
        if is_underway && payment.status == PaymentStatus::Failed {
            payment.status = PaymentStatus::Pending;
        }
    }

    pub(crate) fn report_payment(&mut self, report: &ProviderReport) -> Result<Outcome, Halt> {
        let ProviderReport { of, status, reference, amount_cents, session } = report;
        check_text("reference", reference, REFERENCE_CHARS_MAX)?;
        if *status == PaymentStatus::Pending {
            return Err(Halt::Fault("no provider reports PENDING".to_owned()));
        }
        let id = match of {
            PaymentName::Payment(id) => Some(id.clone()),
            PaymentName::Ride(ride) => self.rows.get::<Ride>(ride)?.and_then(|ride| ride.payment),
        };
        let Some(id) = id else { return Ok(Outcome::Denied(Denial::UnknownPayment)) };
        let Some(mut payment) = self.rows.get::<Payment>(&id)? else {
            return Ok(Outcome::Denied(Denial::UnknownPayment));
        };
        let is_amount_required = *status == PaymentStatus::Paid;
        if amount_cents.map_or(is_amount_required, |cents| cents != payment.amount_cents) {
            return Ok(Outcome::Denied(Denial::AmountDiffers));
        }
        if self.note(&mut payment, *status, reference) {
            if *status == PaymentStatus::Failed {
                fail(&mut payment, session.as_deref());
            } else {
                self.take(&mut payment, *status, reference)?;
                self.end_other_link(&id, &mut payment, session.as_deref());
            }
            self.rows.put(&id, &payment);
        }
        Ok(Outcome::Reported { payment: id, status: payment.status })
    }

    /// Takes a report that money came or went. A payment only moves forward.
    fn take(&mut self, payment: &mut Payment, status: PaymentStatus, reference: &str) -> Result<(), Halt> {
        payment.status = payment.status.max(status);
        // The first one stands: a refund may be reported before what it refunds, under the same reference.
        payment.reference.get_or_insert_with(|| reference.to_owned());
        let request = self.rows.get::<CheerRequest>(&payment.request)?;
        if let Some(mut request) = request.filter(|request| request.paid_at_ms.is_none()) {
            request.paid_at_ms = Some(self.at.ms);
            self.rows.put(&payment.request, &request);
        }
        Ok(())
    }

    /// Remembers a report, instead of the oldest one if there are many. Says whether it is new.
    fn note(&self, payment: &mut Payment, status: PaymentStatus, reference: &str) -> bool {
        let is_known = |it: &PaymentReport| it.status == status && it.reference == reference;
        if payment.reports.iter().any(is_known) {
            return false;
        }
        let report = PaymentReport { status, reference: reference.to_owned(), at_ms: self.at.ms };
        payment.reports.push(report);
        let over = payment.reports.len().saturating_sub(self.at.rules.reports_max.max(1));
        payment.reports.drain(..over);
        true
    }

    /// After money came: nobody may pay again. The link that was paid needs no end.
    fn end_other_link(&mut self, id: &str, payment: &mut Payment, paid: Option<&str>) {
        if let CheckoutLink::Open { session, .. } = payment.link.clone() {
            if paid == Some(session.as_str()) {
                payment.link = CheckoutLink::Closed;
            } else {
                self.end_link(id, payment, session);
            }
        }
    }
}

/// Takes a report that a link failed. One about another link than the last says nothing of the payment.
fn fail(payment: &mut Payment, session: Option<&str>) {
    let last = match &payment.link {
        CheckoutLink::Open { session, .. } | CheckoutLink::Expiring { session } => session,
        CheckoutLink::Asked | CheckoutLink::Closed => return,
    };
    if payment.status == PaymentStatus::Pending && session.is_none_or(|session| session == last) {
        payment.status = PaymentStatus::Failed;
    }
}
