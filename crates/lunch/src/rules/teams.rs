//! Workspaces that have the app.

use kind::Halt;

use super::Step;
use crate::{Effect, Installation, Outcome, Team, Word};

impl Step<'_, '_, '_> {
    /// A second installation keeps what the team was, but for its token.
    pub(super) fn install(&mut self, installation: &Installation) -> Result<Outcome, Halt> {
        let Installation { name, sealed_token, installed_by, .. } = installation;
        let known = self.rows.get::<Team>(&())?;
        let is_new = known.is_none();
        let rules = self.at.rules;
        let mut team = known.unwrap_or_else(|| Team {
            name: String::new(),
            created_at_ms: self.at.ms,
            install: 0,
            installed_at_ms: 0,
            installed_by: String::new(),
            sealed_token: String::new(),
            disabled_at_ms: None,
            notify_in_channel: rules.notify_in_channel,
            invoicing: true,
            stripe_customer: None,
            bills_at_ms: 0,
        });
        team.name.clone_from(name);
        team.sealed_token.clone_from(sealed_token);
        team.installed_by.clone_from(installed_by);
        team.installed_at_ms = self.at.ms;
        team.install += 1;
        team.disabled_at_ms = None;
        if is_new {
            self.set_bill_timer(&mut team)?;
        }
        if rules.billing && team.stripe_customer.is_none() {
            self.create_customer(&format!("customer {}", team.install), &team);
        }
        self.post(&format!("welcome {}", team.install), installed_by, None, Word::Welcome);
        self.rows.put(&(), &team);
        Ok(Outcome::Accepted)
    }

    pub(super) fn create_customer(&mut self, name: &str, team: &Team) {
        let effect = Effect::CreateCustomer {
            team: self.team.to_owned(),
            name: team.name.clone(),
            contact: team.installed_by.clone(),
        };
        self.rows.effect(name, "stripe", self.at.ms, &effect);
    }

    /// Slack repeats deliveries for hours: a removal from before the last installation is over.
    pub(super) fn disable(&mut self, at_ms: i64) -> Result<Outcome, Halt> {
        let Some(mut team) = self.rows.get::<Team>(&())? else { return Ok(Outcome::UnknownTeam) };
        if team.disabled_at_ms.is_some() || at_ms < team.installed_at_ms {
            return Ok(Outcome::Ignored);
        }
        team.disabled_at_ms = Some(self.at.ms);
        self.rows.put(&(), &team);
        Ok(Outcome::Accepted)
    }

    /// Slack refused the token of an installation.
    pub(super) fn revoked(&mut self, install: u64) -> Result<(), Halt> {
        let Some(mut team) = self.rows.get::<Team>(&())? else { return Ok(()) };
        if team.install == install && team.disabled_at_ms.is_none() {
            team.disabled_at_ms = Some(self.at.ms);
            self.rows.put(&(), &team);
        }
        Ok(())
    }

    pub(super) fn configure(
        &mut self,
        notify_in_channel: Option<bool>,
        invoicing: Option<bool>,
    ) -> Result<Outcome, Halt> {
        let Some(mut team) = self.rows.get::<Team>(&())? else { return Ok(Outcome::UnknownTeam) };
        team.notify_in_channel = notify_in_channel.unwrap_or(team.notify_in_channel);
        team.invoicing = invoicing.unwrap_or(team.invoicing);
        self.rows.put(&(), &team);
        Ok(Outcome::Accepted)
    }
}
