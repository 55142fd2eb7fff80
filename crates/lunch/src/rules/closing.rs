//! The close of a poll: who stands in which group.

use std::collections::{BTreeMap, BTreeSet};

use kind::Halt;

use super::polls::{PollEvent, close_timer};
use super::{POLLS_TOPIC, Step};
use crate::grouping::{Penalties, divide, weight};
use crate::random::Draws;
use crate::{
    ClosedPoll, Errand, LunchChannel, LunchGroup, MealTime, Met, Poll, PollAnswer, PollState, Tab, Team, Word,
};

/// People who said yes to one time, sorted by id.
struct Comers {
    time: MealTime,
    users: Vec<String>,
}

impl Step<'_, '_, '_> {
    /// Closes a poll, forms its groups and tells them, in one commit. `present` are the people of the channel now, `None`
    /// if they are too many to be listed. The word is for the closer.
    pub(super) fn close(
        &mut self,
        id: &String,
        errand: &Errand,
        is_by_timer: bool,
        present: Option<&Vec<String>>,
    ) -> Result<Option<Word>, Halt> {
        let channel = errand.channel.clone().unwrap_or_default();
        self.rows.want::<Team>(&());
        self.rows.want::<Tab>(&());
        self.rows.want::<LunchChannel>(&channel);
        let Some(mut poll) = self.rows.get::<Poll>(id)? else { return Ok(Some(Word::NoPoll { channel })) };
        if poll.state == PollState::Closed {
            return Ok((!is_by_timer).then_some(Word::PollWasClosed { channel }));
        }
        let present: Option<BTreeSet<_>> = present.map(|users| users.iter().collect());
        // The timer keeps the creator's promise to those who were asked, whether or not the creator is still there.
        let is_exempt = is_by_timer || errand.asker.is_reminder;
        if !is_exempt && present.as_ref().is_some_and(|present| !present.contains(&errand.asker.user)) {
            return Ok(Some(Word::NotAMember { channel }));
        }
        // All of them, whatever the rules allow by now.
        let answers = self.rows.list::<PollAnswer>(id, poll.tally.values().sum())?;
        let comers: Vec<_> = poll.choices.iter().map(|time| comers(time, &answers)).collect();
        let users: BTreeSet<_> = comers.iter().flat_map(|it| it.users.iter().cloned()).collect();
        users.iter().for_each(|user| self.rows.want::<Met>(user));
        poll.tab = self.put_on_tab(&poll, &users)?;
        let groups = self.form_groups(id, &poll, &comers, present.as_ref())?;

        poll.state = PollState::Closed;
        self.rows.put(id, &poll);
        self.rows.cancel(&close_timer(id));
        if let Some(mut latest) = self.rows.get::<LunchChannel>(&channel)?.filter(|it| it.poll == *id) {
            latest.is_closed = true;
            self.rows.put(&channel, &latest);
        }
        let created_at_ms = poll.created_at_ms;
        let closed = ClosedPoll { poll: id.clone(), created_by: poll.created_by, created_at_ms, groups };
        self.rows.put(&(channel.clone(), ClosedPoll::order(created_at_ms), id.clone()), &closed);
        self.rows.publish(POLLS_TOPIC, &PollEvent::Closed { poll: id.clone(), groups });
        Ok(match (answers.is_empty(), groups) {
            (true, _) => Some(Word::NobodyAnswered { channel }),
            (false, 0) => Some(Word::AllSaidNo { channel }),
            _ => None,
        })
    }

    /// Forms the groups of each time, notes who met whom and asks for the messages. Gives the number of groups.
    fn form_groups(
        &mut self,
        id: &str,
        poll: &Poll,
        comers: &[Comers],
        present: Option<&BTreeSet<&String>>,
    ) -> Result<u64, Halt> {
        let mut met = self.read_met(comers)?;
        let in_channel = self.rows.get::<Team>(&())?.is_none_or(|team| team.notify_in_channel);
        let mut draws = Draws::new(self.at.seed);
        let mut number = 0;
        for Comers { time, users } in comers {
            let penalties = self.penalties(users, &met);
            let swaps_max = self.at.rules.swaps_max;
            for places in divide(users.len(), poll.group_size, &penalties, draws.next(), swaps_max) {
                let mut user_ids: Vec<_> = places.into_iter().map(|place| users[place].clone()).collect();
                user_ids.sort_unstable();
                let is_here = |user: &&String| present.is_none_or(|present| present.contains(*user));
                let here: Vec<_> = user_ids.iter().filter(is_here).cloned().collect();
                let picker = here.get(draws.below(here.len())).filter(|_| here.len() > 1).cloned();
                for user in &user_ids {
                    self.note_meeting(met.entry(user.clone()).or_default(), user, &user_ids);
                }
                let group = LunchGroup { response: time.clone(), user_ids, here, picker };
                self.tell_group(id, number, &poll.channel_id, &group, in_channel);
                self.rows.put(&(id.to_owned(), number), &group);
                number += 1;
            }
        }
        for (user, met) in met {
            self.rows.put(&user, &met);
        }
        Ok(number)
    }

    /// Whom these people met lately.
    fn read_met(&mut self, comers: &[Comers]) -> Result<BTreeMap<String, Met>, Halt> {
        let mut met = BTreeMap::new();
        for user in comers.iter().flat_map(|it| &it.users) {
            met.insert(user.clone(), self.rows.get::<Met>(user)?.unwrap_or_default());
        }
        Ok(met)
    }

    fn penalties(&self, users: &[String], met: &BTreeMap<String, Met>) -> Penalties {
        let (now_ms, half_life_ms) = (self.at.ms, self.at.rules.meeting_half_life_ms);
        let place = |user: &String| users.binary_search(user).ok();
        let pairs = users.iter().enumerate().flat_map(|(a, user)| {
            let with = met.get(user).map_or(&[][..], |met| &met.with);
            with.iter().filter_map(move |(other, at_ms)| {
                Some((a, place(other)?, weight(now_ms - at_ms, half_life_ms)))
            })
        });
        Penalties::new(users.len(), pairs)
    }

    fn note_meeting(&self, met: &mut Met, user: &String, group: &[String]) {
        let others = group.iter().filter(|other| *other != user);
        let mut with: Vec<_> = others.map(|other| (other.clone(), self.at.ms)).collect();
        with.extend(met.with.drain(..).filter(|(other, _)| !group.contains(other)));
        with.truncate(self.at.rules.met_max);
        met.with = with;
    }
}

fn comers(time: &MealTime, answers: &[((String, String), PollAnswer)]) -> Comers {
    let choice = time.choice();
    let yes = answers.iter().filter(|(_, answer)| answer.response == choice);
    let mut users: Vec<_> = yes.map(|((_, user), _)| user.clone()).collect();
    users.sort_unstable();
    Comers { time: time.clone(), users }
}
