//! What teams pay. A poll is put on the tab at its close; the tab becomes an invoice once a month, in one commit with the
//! effect, and a new tab begins. So no poll is billed twice, and a bill reads one row however many polls there were.

use std::collections::BTreeSet;

use kind::{Failed, Halt};

use super::{Step, unexpected};
use crate::calendar::month_start;
use crate::{Command, Diner, Effect, Invoice, InvoiceAsk, Outcome, Poll, Reply, Rules, Tab, Team};

const BILL_TIMER: &str = "bill";

/// What the invoice would come to, in cents, if it were made at this time (Unix milliseconds). `None`: there would be none.
#[must_use]
pub fn would_bill_cents(rules: &Rules, team: &Team, tab: &Tab, at_ms: i64) -> Option<u64> {
    let is_old_enough = team.created_at_ms < month_start(at_ms, -1);
    let is_billed = rules.billing && team.invoicing && is_old_enough && tab.people > 0;
    is_billed.then(|| tab.people * rules.cents_per_person)
}

impl Step<'_, '_, '_> {
    /// Sets when the next invoice is made, after now.
    pub(super) fn set_bill_timer(&mut self, team: &mut Team) -> Result<(), Halt> {
        let bills_at = |months| month_start(self.at.ms, months) + self.at.rules.bills_after_ms;
        let [this, next] = [0, 1].map(bills_at);
        team.bills_at_ms = if this > self.at.ms { this } else { next };
        self.start_bill_timer(team.bills_at_ms)
    }

    fn start_bill_timer(&mut self, due_ms: i64) -> Result<(), Halt> {
        let bill = Command::Bill { team: self.team.to_owned() };
        self.rows.timer(BILL_TIMER, due_ms, &bill)
    }

    /// Puts a poll that is being closed on the tab, unless it is free. Gives the number of the tab.
    pub(super) fn put_on_tab(&mut self, poll: &Poll, users: &BTreeSet<String>) -> Result<Option<u64>, Halt> {
        let created_at_ms = self.rows.get::<Team>(&())?.map_or(i64::MAX, |team| team.created_at_ms);
        if poll.created_at_ms.saturating_sub(created_at_ms) <= self.at.rules.free_ms {
            return Ok(None);
        }
        users.iter().for_each(|user| self.rows.want::<Diner>(user));
        let mut tab = self.rows.get::<Tab>(&())?.unwrap_or_default();
        for user in users {
            if self.rows.get::<Diner>(user)?.is_none_or(|diner| diner.tab != tab.number) {
                tab.people += 1;
                self.rows.put(user, &Diner { tab: tab.number });
            }
        }
        tab.polls += 1;
        self.rows.put(&(), &tab);
        Ok(Some(tab.number))
    }

    /// Makes the invoice of the month, if there is something to bill, and sets the timer of the next one.
    pub(super) fn bill(&mut self) -> Result<Outcome, Halt> {
        let Some(mut team) = self.rows.get::<Team>(&())? else { return Ok(Outcome::UnknownTeam) };
        let due_ms = team.bills_at_ms;
        if self.at.ms < due_ms {
            // The clock of the inbox is behind that of the scheduler, and the timer is gone.
            self.start_bill_timer(due_ms)?;
            return Ok(Outcome::Ignored);
        }
        self.set_bill_timer(&mut team)?;
        self.rows.put(&(), &team);
        let tab = self.rows.get::<Tab>(&())?.unwrap_or_default();
        let Some(cents) = would_bill_cents(self.at.rules, &team, &tab, due_ms) else {
            return Ok(Outcome::Accepted);
        };
        let Tab { number, polls, people } = tab;
        let invoice = Invoice { at_ms: self.at.ms, polls, people, cents, stripe_invoice: None };
        self.rows.put(&number, &invoice);
        self.rows.put(&(), &Tab { number: number + 1, ..Tab::default() });
        match &team.stripe_customer {
            Some(customer) => self.ask_for_invoice(number, &invoice, customer),
            None => self.create_customer(&format!("bill {number}"), &team),
        }
        Ok(Outcome::Accepted)
    }

    fn ask_for_invoice(&mut self, tab: u64, invoice: &Invoice, customer: &str) {
        let ask = InvoiceAsk {
            team: self.team.to_owned(),
            customer: customer.to_owned(),
            cents: invoice.cents,
            people: invoice.people,
            due_days: self.at.rules.due_days,
        };
        self.rows.effect(&format!("invoice {tab}"), "stripe", self.at.ms, &Effect::Invoice(ask));
    }

    /// The team is a customer at Stripe. `tab`: its invoice waits for that.
    pub(super) fn customer_created(
        &mut self,
        name: &str,
        tab: Option<u64>,
        reply: &Result<Reply, Failed>,
    ) -> Result<(), Halt> {
        let id = match reply {
            Ok(Reply::Customer { id }) => id,
            Err(_) | Ok(Reply::Refused { .. } | Reply::TeamDisabled | Reply::Revoked { .. }) => return Ok(()),
            Ok(reply) => return Err(unexpected(name, reply)),
        };
        let Some(mut team) = self.rows.get::<Team>(&())? else { return Ok(()) };
        let customer = team.stripe_customer.get_or_insert_with(|| id.clone()).clone();
        self.rows.put(&(), &team);
        if let Some(tab) = tab
            && let Some(invoice) = self.rows.get::<Invoice>(&tab)?
        {
            self.ask_for_invoice(tab, &invoice, &customer);
        }
        Ok(())
    }

    pub(super) fn invoiced(&mut self, tab: &str, reply: &Result<Reply, Failed>) -> Result<(), Halt> {
        let id = match reply {
            Ok(Reply::Invoiced { id }) => id,
            Err(_) | Ok(Reply::Refused { .. } | Reply::TeamDisabled | Reply::Revoked { .. }) => return Ok(()),
            Ok(reply) => return Err(unexpected("invoice", reply)),
        };
        let Ok(tab) = tab.parse::<u64>() else { return Ok(()) };
        if let Some(mut invoice) = self.rows.get::<Invoice>(&tab)? {
            invoice.stripe_invoice = Some(id.clone());
            self.rows.put(&tab, &invoice);
        }
        Ok(())
    }
}
