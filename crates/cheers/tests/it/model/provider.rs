//! A payment provider: links that can be paid until they are ended, and reports that come late, twice and in any order.

use std::collections::BTreeMap;

use cheers::{PaymentName, PaymentStatus, ProviderReport, Reply};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// Whoever has its address can pay.
    Open,
    Paid,
    /// Used; the money comes later or never.
    Underway,
    Ended,
}

pub(crate) struct Session {
    pub(crate) payment: String,
    pub(crate) amount_cents: i64,
    pub(crate) page: Page,
    /// Whether the address has reached the user.
    pub(crate) is_shown: bool,
}

#[derive(Default)]
pub(crate) struct Provider {
    pub(crate) sessions: BTreeMap<String, Session>,
    /// By payment.
    of: BTreeMap<String, Vec<String>>,
    /// Reports that are on their way.
    pub(crate) reports: Vec<ProviderReport>,
}

impl Provider {
    pub(crate) fn make(&mut self, payment: &str, amount_cents: i64) -> String {
        let name = format!("cs_{}", self.sessions.len());
        let session =
            Session { payment: payment.to_owned(), amount_cents, page: Page::Open, is_shown: false };
        self.sessions.insert(name.clone(), session);
        self.of.entry(payment.to_owned()).or_default().push(name.clone());
        name
    }

    /// The links of a payment.
    pub(crate) fn of(&self, payment: &str) -> impl Iterator<Item = (&String, &Session)> {
        let names = self.of.get(payment).into_iter().flatten();
        names.map(|name| (name, &self.sessions[name]))
    }

    /// What the provider answers to the wish to end a link. One that was never shown to anybody is as any other.
    pub(crate) fn end(&mut self, session: &str) -> Reply {
        let row = self.sessions.get_mut(session).expect("only links that were made are ended");
        match row.page {
            Page::Open | Page::Ended => {
                row.page = Page::Ended;
                Reply::LinkEnded
            }
            Page::Paid => {
                Reply::LinkPaid { reference: format!("pi_{session}"), amount_cents: row.amount_cents }
            }
            Page::Underway => Reply::LinkUnderway,
        }
    }

    /// Moves a page on, and sends the report of it. Both references are the session's, as with Stripe.
    pub(crate) fn turn(&mut self, session: &str, page: Page, status: Option<PaymentStatus>) {
        let row = self.sessions.get_mut(session).unwrap();
        row.page = page;
        if let Some(status) = status {
            self.reports.push(ProviderReport {
                of: PaymentName::Payment(row.payment.clone()),
                status,
                reference: format!("pi_{session}"),
                amount_cents: (status == PaymentStatus::Paid).then_some(row.amount_cents),
                session: Some(session.to_owned()),
            });
        }
    }
}
