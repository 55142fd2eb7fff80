//! Searches for the commands that the store refuses, so that only they are buried.

use ledger::Committed;
use tracing::error;

use super::settler::{Ending, Settler};
use super::{Crowd, Refusal, StepError, Work};
use crate::bounds::FENCED_TRIES_MAX;
use crate::chain;

impl<C: Crowd> Settler<C> {
    /// Marks every command that makes the store refuse the batch: rehearses ever longer prefixes of it, by binary
    /// search. A message that is refused even without commands is marked whole.
    pub(super) async fn find_refused(
        &self,
        partition: u16,
        works: &mut [Work<C::Command>],
    ) -> Result<(), StepError> {
        for index in 0..works.len() {
            // The messages before this one are accepted by now; they are only rehearsed with it.
            while let Some(reason) = self.refusal(partition, &mut works[..=index], None).await? {
                let commands = works[index].commands.len();
                let (mut passes, mut refused) = (None, commands);
                while refused > passes.map_or(0, |passes| passes + 1) {
                    let middle = (passes.map_or(0, |passes| passes + 1) + refused) / 2;
                    match self.refusal(partition, &mut works[..=index], Some(middle)).await? {
                        None => passes = Some(middle),
                        Some(_) => refused = middle,
                    }
                }
                let sequence = works[index].message.sequence;
                error!(partition, %sequence, reason, "the store refuses a command");
                let reason = Refusal::new(format_args!("the store refuses it: {reason}"));
                works[index].refuse(refused.checked_sub(1), reason);
            }
        }
        Ok(())
    }

    /// Why the store refuses these messages, with only the first `commands` of the last one; `None` if it accepts
    /// them.
    async fn refusal(
        &self,
        partition: u16,
        works: &mut [Work<C::Command>],
        commands: Option<usize>,
    ) -> Result<Option<String>, StepError> {
        if let Some(last) = works.last_mut() {
            last.only_first(commands);
        }
        let refused = self.rehearse(partition, works).await;
        if let Some(last) = works.last_mut() {
            last.only_first(None);
        }
        refused
    }

    async fn rehearse(
        &self,
        partition: u16,
        works: &mut [Work<C::Command>],
    ) -> Result<Option<String>, StepError> {
        for _ in 0..FENCED_TRIES_MAX {
            let Some(mut prepared) = self.prepare(partition, works).await? else { return Ok(None) };
            match self.write(&mut prepared, Ending::Rehearsal).await {
                Err(error @ ledger::Error::Refused { .. }) => return Ok(Some(chain(&error))),
                Err(error) => return Err(error.into()),
                Ok(Committed::Done) => return Ok(None),
                // Another handler moved the position, which says nothing about the commands.
                Ok(Committed::Fenced) => {}
            }
        }
        Err(queue::Error::LeaseLost.into())
    }
}
