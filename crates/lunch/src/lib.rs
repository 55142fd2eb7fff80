//! Lunch: polls in Slack that become small groups. The rules, without any I/O; docs/lunch.md is their source.
//!
//! A workspace is a route. The edge checks signatures, reads deliveries by [`deliveries`], queues commands, performs effects
//! by [`Effect::slack`] and [`stripe`] and gives the replies back. Everything that the bot says is an [`Word`] until
//! it is sent; [`texts`] has the wording.

mod calendar;
mod commands;
pub mod deliveries;
mod effects;
mod grammar;
mod grouping;
mod limits;
mod random;
mod rules;
pub mod slack;
pub mod stripe;
mod tables;
pub mod texts;

pub use commands::{Asker, Command, Installation, MessageRef, OrderPlace, Outcome};
pub use effects::{
    AnswerNote, Effect, InvoiceAsk, Question, Reply, Summary, SummaryGroup, SummaryPoll, Word, effect_name,
};
pub use grammar::{
    MealTime, Order, PollOptions, SUMMARY_DAYS_MAX, TIMES_MAX, Unreadable, WhyUnreadable, order_of_mention,
    order_of_message, order_to_create,
};
pub use grouping::{GROUP_MAX, GROUP_SIZES, group_sizes};
pub use limits::Rules;
pub use rules::{Lunch, POLLS_TOPIC, PollEvent, SLASH_CHANNEL, would_bill_cents};
pub use slack::is_person;
pub use tables::{
    ClosedPoll, Diner, Errand, ErrandKind, Invoice, LunchChannel, LunchGroup, Met, Poll, PollAnswer,
    PollState, Tab, Team,
};
