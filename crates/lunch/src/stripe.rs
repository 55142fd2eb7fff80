//! Effects as calls of Stripe's API.
//!
//! Stripe forgets idempotency keys after 24 h. So a try more than 23 h after the first looks for the effect's name in
//! `metadata[effect]` before it creates anything.

use kind::EffectId;

use crate::{InvoiceAsk, effect_name};

/// A call of Stripe's API: `POST {base}{path}` with the fields as a form and the key as `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeCall {
    pub path: String,
    pub fields: Vec<(&'static str, String)>,
    pub idempotency_key: String,
}

fn call(id: &EffectId, step: &str, path: String, fields: Vec<(&'static str, String)>) -> StripeCall {
    StripeCall { path, fields, idempotency_key: format!("{} {step}", effect_name(id)) }
}

/// Creates a customer. `email` is looked up at Slack and stands nowhere else.
#[must_use]
pub fn create_customer(id: &EffectId, team: &str, name: &str, email: Option<&str>) -> StripeCall {
    let mut fields = vec![
        ("name", name.to_owned()),
        ("metadata[team]", team.to_owned()),
        ("metadata[effect]", effect_name(id)),
    ];
    fields.extend(email.map(|email| ("email", email.to_owned())));
    call(id, "customer", "/v1/customers".to_owned(), fields)
}

/// Creates the invoice, empty: [`add_line`] and [`finalize`] follow.
#[must_use]
pub fn create_invoice(id: &EffectId, ask: &InvoiceAsk) -> StripeCall {
    let fields = vec![
        ("customer", ask.customer.clone()),
        ("currency", "usd".to_owned()),
        ("collection_method", "send_invoice".to_owned()),
        ("days_until_due", ask.due_days.to_string()),
        ("auto_advance", "true".to_owned()),
        ("pending_invoice_items_behavior", "exclude".to_owned()),
        ("metadata[team]", ask.team.clone()),
        ("metadata[effect]", effect_name(id)),
    ];
    call(id, "invoice", "/v1/invoices".to_owned(), fields)
}

/// Adds the line to the invoice with this id at Stripe.
#[must_use]
pub fn add_line(id: &EffectId, ask: &InvoiceAsk, invoice: &str) -> StripeCall {
    let people = if ask.people == 1 { "1 person".to_owned() } else { format!("{} people", ask.people) };
    let fields = vec![
        ("customer", ask.customer.clone()),
        ("invoice", invoice.to_owned()),
        ("currency", "usd".to_owned()),
        ("amount", ask.cents.to_string()),
        ("description", format!("{people} said yes to a lunch poll")),
    ];
    call(id, "line", "/v1/invoiceitems".to_owned(), fields)
}

/// Finalizes the invoice with this id at Stripe.
#[must_use]
pub fn finalize(id: &EffectId, invoice: &str) -> StripeCall {
    call(id, "finalize", format!("/v1/invoices/{invoice}/finalize"), Vec::new())
}
