//! Finding the commands that the store refuses, so that they are buried alone and their neighbours are applied.

use tracing::error;

use super::settler::{Prepared, Settler};
use super::{Crowd, StepError, Work, batch};

impl<C: Crowd> Settler<C> {
    /// Marks every command that makes the store refuse the batch, by rehearsing ever longer beginnings of it. A message
    /// that is refused without any of its commands is marked whole.
    pub(super) async fn find_refused(
        &self,
        partition: u16,
        works: &mut [Work<C::Command>],
    ) -> Result<(), StepError> {
        for index in 0..works.len() {
            // Everything before this message passes by now: it is only rehearsed with it.
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
                works[index].refuse(refused.checked_sub(1), format!("the store refuses it: {reason}"));
            }
        }
        Ok(())
    }

    /// Why the store refuses these messages, of the last one only its first `commands`; `None` when it takes them.
    async fn refusal(
        &self,
        partition: u16,
        works: &mut [Work<C::Command>],
        commands: Option<usize>,
    ) -> Result<Option<String>, StepError> {
        if let Some(last) = works.last_mut() {
            last.only_first(commands);
        }
        let prepared = self.prepare(partition, works).await;
        let refused = match prepared {
            Err(error) => Err(error),
            Ok(Prepared { works: [], .. }) => Ok(None),
            Ok(Prepared { from, to, batch, works, .. }) => {
                let buried: Vec<_> = works.iter().map(Work::buried_indices).collect();
                let journal = batch::journal(works, &buried);
                match self.crowd.rehearse(partition, &batch, from, to, &journal).await {
                    Err(error @ store::Error::Refused { .. }) => Ok(Some(serve::chain(&error))),
                    Err(error) => Err(error.into()),
                    Ok(_) => Ok(None),
                }
            }
        };
        if let Some(last) = works.last_mut() {
            last.only_first(None);
        }
        refused
    }
}
