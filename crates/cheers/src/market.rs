//! What all rules of a market share.

use kind::{At, Halt, Rows};

use crate::bounds::is_text;
use crate::frame::{PARTNERS, user_topic};
use crate::id::new_id;
use crate::{
    Act, CheerRequest, CheerUser, Cheers, CheersFrame, Command, Partner, PartnerChange, PartnerStatus,
};

/// One command in its market.
pub(crate) struct Market<'m, 'w> {
    pub(crate) name: &'m str,
    pub(crate) at: &'m At<'m, Cheers>,
    pub(crate) rows: &'m mut Rows<'w, Cheers>,
}

impl Market<'_, '_> {
    /// The id of what this command makes. Rows of one table only: a command makes at most one of each.
    pub(crate) fn new_id(&self) -> String {
        new_id(self.name, self.at.id)
    }

    pub(crate) fn set_timer(&mut self, name: &str, due_at_ms: i64, act: Act) -> Result<(), Halt> {
        self.rows.timer(name, due_at_ms, &Command { market: self.name.to_owned(), act })
    }

    /// Tells the user where the request stands.
    pub(crate) fn tell_user(&mut self, id: &str, request: &CheerRequest) {
        let frame = CheersFrame::RequestStatus { request_id: id.to_owned(), status: request.status };
        self.rows.publish(&user_topic(&request.user), &frame);
    }

    /// Sets a partner's status, and tells presence. Whoever becomes AVAILABLE is free since now.
    pub(crate) fn set_partner(&mut self, id: &String, mut partner: Partner, status: PartnerStatus) {
        if status == PartnerStatus::Available {
            partner.free_since_ms = self.at.ms;
        }
        partner.status = status;
        self.rows.put(id, &partner);
        let Partner { status, free_since_ms, .. } = partner;
        self.rows.publish(PARTNERS, &PartnerChange { partner: id.clone(), status, free_since_ms });
    }

    /// Moves a partner on from one status, if the partner still has it.
    pub(crate) fn move_partner(
        &mut self,
        id: &String,
        from: &PartnerStatus,
        to: PartnerStatus,
    ) -> Result<(), Halt> {
        if let Some(partner) = self.rows.get::<Partner>(id)?.filter(|partner| partner.status == *from) {
            self.set_partner(id, partner, to);
        }
        Ok(())
    }

    /// Lets a user ask again, if this request is the open one.
    pub(crate) fn free_user(&mut self, user: &String, request: &str) -> Result<(), Halt> {
        if let Some(row) =
            self.rows.get::<CheerUser>(user)?.filter(|it| it.request.as_deref() == Some(request))
        {
            self.rows.put(user, &CheerUser { request: None, ..row });
        }
        Ok(())
    }
}

/// Refuses a text that the edge should have refused.
pub(crate) fn check_text(name: &str, text: &str, chars_max: usize) -> Result<(), Halt> {
    if is_text(text, chars_max) {
        return Ok(());
    }
    Err(Halt::Fault(format!("{name} must have 1 to {chars_max} characters")))
}
