//! What became of the closed polls of a channel.

use kind::Halt;

use super::Step;
use crate::calendar::DAY_MS;
use crate::{ClosedPoll, Errand, LunchGroup, Summary, SummaryGroup, SummaryPoll, Word};

impl Step<'_, '_, '_> {
    /// Posts the summary of the channel in which it was asked for.
    pub(super) fn summarize(
        &mut self,
        errand: &Errand,
        days: u32,
        utc_offset_minutes: i32,
    ) -> Result<(), Halt> {
        let channel = errand.channel.clone().unwrap_or_default();
        let (polls_max, people_max) = (self.at.rules.summary_polls_max, self.at.rules.summary_people_max);
        let since_ms = errand.at_ms - i64::from(days) * DAY_MS;
        let mut closed: Vec<_> = self.rows.list::<ClosedPoll>(&channel, polls_max + 1)?;
        closed.retain(|(_, poll)| poll.created_at_ms >= since_ms);
        let mut is_cut = closed.len() > polls_max;
        closed.truncate(polls_max);
        // All lists are asked for before the first that is missing halts the command.
        let groups: Vec<_> =
            closed.iter().map(|(_, poll)| self.rows.list::<LunchGroup>(&poll.poll, people_max)).collect();
        let mut people = 0;
        let mut polls = Vec::new();
        for ((_, poll), groups) in closed.into_iter().zip(groups) {
            let mut shown = Vec::new();
            for (_, group) in groups? {
                people += group.user_ids.len();
                if people <= people_max {
                    shown.push(SummaryGroup { time: group.response, users: group.user_ids });
                }
            }
            let (created_by, created_at_ms) = (poll.created_by.user, poll.created_at_ms);
            polls.push(SummaryPoll { created_by, created_at_ms, groups: shown });
            if people > people_max {
                is_cut = true;
                break;
            }
        }
        let summary = Summary { days, utc_offset_minutes, polls, is_cut };
        self.post(&format!("summary {}", self.at.id), &channel, None, Word::Summary(summary));
        Ok(())
    }
}
