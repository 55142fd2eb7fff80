//! What the commands of a team do, and what follows from the replies to its effects.

mod billing;
mod closing;
mod errands;
mod notices;
mod polls;
mod summary;
mod teams;

use kind::{At, EffectId, Failed, Halt, Kind, Rows};

pub use self::billing::would_bill_cents;
use crate::{Asker, Command, Effect, Installation, Outcome, Reply, Rules, Team, Word};

/// The channel that slash commands mean.
pub const SLASH_CHANNEL: &str = "lunch_buddies";

/// The topic on which [`PollEvent`]s are published, for the operators' page.
pub const POLLS_TOPIC: &str = "polls";

pub use self::polls::PollEvent;

/// The kind: no value of it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lunch;

impl Kind for Lunch {
    type Command = Command;
    type Outcome = Outcome;
    type Effect = Effect;
    type Reply = Reply;
    type Rules = Rules;

    const NAME: &'static str = "lunch";

    fn route(command: &Command) -> &str {
        match command {
            Command::Install(Installation { team, .. })
            | Command::Disable { team, .. }
            | Command::Configure { team, .. }
            | Command::Order { team, .. }
            | Command::Answer { team, .. }
            | Command::CloseOnTime { team, .. }
            | Command::Bill { team } => team,
        }
    }

    fn apply(at: &At<'_, Self>, command: &Command, rows: &mut Rows<'_, Self>) -> Result<Outcome, Halt> {
        Step { at, rows, team: Self::route(command) }.apply(command)
    }

    fn replied(
        at: &At<'_, Self>,
        effect: &EffectId,
        reply: &Result<Reply, Failed>,
        rows: &mut Rows<'_, Self>,
    ) -> Result<(), Halt> {
        Step { at, rows, team: &effect.route }.replied(&effect.name, reply)
    }
}

/// One entry of the inbox while it is applied.
struct Step<'s, 'a, 'w> {
    at: &'s At<'a, Lunch>,
    rows: &'s mut Rows<'w, Lunch>,
    team: &'s str,
}

impl Step<'_, '_, '_> {
    fn apply(&mut self, command: &Command) -> Result<Outcome, Halt> {
        match command {
            Command::Install(installation) => self.install(installation),
            Command::Disable { at_ms, .. } => self.disable(*at_ms),
            Command::Configure { notify_in_channel, invoicing, .. } => {
                self.configure(*notify_in_channel, *invoicing)
            }
            Command::Bill { .. } => self.bill(),
            Command::Order { asker, place, order, .. } => {
                self.with_team(|step| step.order(asker, place, order))
            }
            Command::Answer { poll, user, choice, clicked_at_ms, message, .. } => self.with_team(|step| {
                step.answer(poll, user, choice, *clicked_at_ms, message.as_ref()).map(Outcome::Noted)
            }),
            Command::CloseOnTime { poll, .. } => self.with_team(|step| step.close_on_time(poll)),
        }
    }

    /// Goes on if the team has the app.
    fn with_team(&mut self, apply: impl FnOnce(&mut Self) -> Result<Outcome, Halt>) -> Result<Outcome, Halt> {
        let team = self.rows.get::<Team>(&())?;
        if team.is_none_or(|team| team.disabled_at_ms.is_some()) {
            return Ok(Outcome::UnknownTeam);
        }
        apply(self)
    }

    /// The name of an effect is what it is for and, after a space, what it belongs to.
    fn replied(&mut self, name: &str, reply: &Result<Reply, Failed>) -> Result<(), Halt> {
        if let Ok(Reply::Revoked { install }) = reply {
            self.revoked(*install)?;
        }
        match name.split_once(' ') {
            Some((look @ ("channel" | "zone" | "people"), errand)) => self.looked(look, errand, reply),
            Some(("group", group)) => self.group_posted(group, reply),
            Some(("open", group)) => self.group_opened(group, reply),
            Some(("customer", install)) => self.customer_created(install, None, reply),
            Some(("bill", tab)) => self.customer_created(tab, tab.parse().ok(), reply),
            Some(("invoice", tab)) => self.invoiced(tab, reply),
            // Nothing follows from the other messages.
            _ => Ok(()),
        }
    }

    /// Asks for a call of Slack's Web API that is no post. They are limited by method.
    fn call(&mut self, name: &str, method: &str, effect: &Effect) {
        self.rows.effect(name, method, self.at.ms, effect);
    }

    /// Asks for a post. They are limited by the channel or person that gets it.
    fn post(&mut self, name: &str, to: &str, thread: Option<&str>, word: Word) {
        let effect = Effect::Post { to: to.to_owned(), thread: thread.map(str::to_owned), word };
        self.rows.effect(name, to, self.at.ms, &effect);
    }

    /// Tells one person in the direct message. A reminder has none: the channel is told, if it is known.
    fn tell(&mut self, asker: &Asker, channel: Option<&str>, word: Word) {
        let to = if asker.is_reminder { channel } else { Some(asker.user.as_str()) };
        if let Some(to) = to {
            self.post(&format!("word {}", self.at.id), to, None, word);
        }
    }
}

/// The reply is not one of those that the effect can have: a fault of the edge.
fn unexpected(name: &str, reply: &Reply) -> Halt {
    Halt::Fault(format!("{reply:?} is no reply to the effect {name}"))
}
