//! The kind, and which rule each command and each reply goes to.

use kind::{At, EffectId, Failed, Halt, Kind, Rows};

use crate::market::Market;
use crate::payments::{END_LINK, MAKE_LINK};
use crate::{Act, Command, Effect, Outcome, Reply, Rules};

/// The kind: no value of it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cheers;

impl Kind for Cheers {
    type Command = Command;
    type Outcome = Outcome;
    type Effect = Effect;
    type Reply = Reply;
    type Rules = Rules;

    const NAME: &'static str = "cheers";

    fn route(command: &Command) -> &str {
        &command.market
    }

    fn apply(at: &At<'_, Self>, command: &Command, rows: &mut Rows<'_, Self>) -> Result<Outcome, Halt> {
        Market { name: &command.market, at, rows }.apply(&command.act)
    }

    fn replied(
        at: &At<'_, Self>,
        effect: &EffectId,
        reply: &Result<Reply, Failed>,
        rows: &mut Rows<'_, Self>,
    ) -> Result<(), Halt> {
        let unknown = || Halt::Fault(format!("no rule asks for the effect {}", effect.name));
        let mut words = effect.name.split(' ');
        let (Some(what), Some(id), Some(number)) = (words.next(), words.next(), words.next()) else {
            return Err(unknown());
        };
        let number = number.parse().map_err(|_| unknown())?;
        let mut market = Market { name: &effect.route, at, rows };
        match (what, reply) {
            ("look", Ok(Reply::Nearest(nearest))) => market.found_near(id, number, Ok(nearest)),
            ("look", Err(failed)) => market.found_near(id, number, Err(failed)),
            (MAKE_LINK | END_LINK, _) => market.called(what, &id.to_owned(), reply.as_ref()),
            _ => Err(unknown()),
        }
    }
}

impl Market<'_, '_> {
    fn apply(&mut self, act: &Act) -> Result<Outcome, Halt> {
        match act {
            Act::Register { email, name, password_hash } => {
                self.register(email, name.as_ref(), password_hash)
            }
            Act::AddPartner { email, name, partner_type, phone, password_hash } => {
                self.add_partner(email, (name, partner_type.as_ref(), phone.as_ref()), password_hash)
            }
            Act::GoOnline { partner } => self.go_online(partner),
            Act::Request { user, location, request_type, nearest } => {
                self.request(user, *location, request_type, nearest)
            }
            Act::CancelRequest { user, request } => self.cancel_request(user, request),
            Act::AnswerOffer { partner, request, accept } => self.answer_offer(partner, request, *accept),
            Act::StartRide { partner, ride, pin } => self.start_ride(partner, ride, pin.as_deref()),
            Act::EndRide { partner, ride } => self.end_ride(partner, ride),
            Act::CancelRide { by, id, ride, reason } => self.cancel_ride(*by, id, ride, reason.as_ref()),
            Act::NewLink { user, request } => self.new_link(user, request),
            Act::ReportPayment(report) => self.report_payment(report),
            Act::Redrive { request, nearest } => self.redrive(request, nearest),
            Act::EndFlagged { ride, ended_at_ms } => self.end_flagged(ride, *ended_at_ms),
            Act::OffersDue { request } => self.offers_due(request),
            Act::RequestDue { request } => self.request_due(request),
            Act::RideDue { ride } => self.ride_due(ride),
        }
    }
}
