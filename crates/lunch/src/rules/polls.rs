//! Questions and answers.

use std::collections::{BTreeMap, BTreeSet};

use kind::Halt;
use serde::{Deserialize, Serialize};

use super::{POLLS_TOPIC, Step};
use crate::{
    AnswerNote, Command, Effect, Errand, LunchChannel, MessageRef, Outcome, Poll, PollAnswer, PollOptions,
    PollState, Question, Word,
};

/// What happens to polls, for the operators' page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollEvent {
    Opened { poll: String, channel: String, asked: usize },
    Answered { poll: String, tally: BTreeMap<String, usize> },
    Closed { poll: String, groups: u64 },
}

/// Choices that say no.
const NO: &str = "no";

/// The choices of a poll: its times, and no.
pub(super) fn is_choice(poll: &Poll, choice: &str) -> bool {
    choice == NO || poll.choices.iter().any(|time| time.choice() == choice)
}

/// The timer of a poll.
pub(super) fn close_timer(poll: &str) -> String {
    format!("close {poll}")
}

impl Step<'_, '_, '_> {
    /// Opens a poll and asks everybody, in one commit. The word is why not.
    pub(super) fn open(
        &mut self,
        id: &String,
        errand: &Errand,
        options: &PollOptions,
        closes_at_ms: Option<i64>,
        users: Option<&Vec<String>>,
    ) -> Result<Option<Word>, Halt> {
        let channel = errand.channel.clone().unwrap_or_default();
        let people_max = self.at.rules.people_max;
        let Some(users) = users else { return Ok(Some(Word::TooManyPeople { channel, people_max })) };
        let users: BTreeSet<_> = users.iter().collect();
        let claim = self.rows.get::<LunchChannel>(&channel)?;
        if claim.is_none_or(|claim| claim.poll != *id) {
            return Ok(Some(Word::PollIsOpen { channel }));
        }
        if !errand.asker.is_reminder && !users.contains(&errand.asker.user) {
            return Ok(Some(Word::NotAMember { channel }));
        }
        if users.len() > people_max {
            return Ok(Some(Word::TooManyPeople { channel, people_max }));
        }
        if users.is_empty() {
            return Ok(Some(Word::NobodyToAsk { channel }));
        }
        if self.at.ms - errand.at_ms >= self.at.rules.poll_open_ms {
            return Ok(Some(Word::SlackFailed));
        }
        if let (Some(closes), Some(due_ms)) = (&options.closes, closes_at_ms) {
            if due_ms <= self.at.ms {
                return Ok(Some(Word::CloseTimePassed { closes: closes.clone() }));
            }
            self.set_close_timer(id, due_ms)?;
        }
        let poll = Poll {
            channel_id: channel.clone(),
            created_at_ms: errand.at_ms,
            created_by: errand.asker.clone(),
            state: PollState::Open,
            choices: options.times.clone(),
            group_size: options.group_size,
            closes: options.closes.clone(),
            closes_at_ms,
            asked: users.len(),
            tally: BTreeMap::new(),
            tab: None,
        };
        for user in &users {
            self.post(&format!("ask {user} {id}"), user, None, question(id, &poll, None));
        }
        self.rows.put(id, &poll);
        self.rows.publish(POLLS_TOPIC, &PollEvent::Opened { poll: id.clone(), channel, asked: users.len() });
        Ok(None)
    }

    fn set_close_timer(&mut self, id: &str, due_ms: i64) -> Result<(), Halt> {
        let close = Command::CloseOnTime { team: self.team.to_owned(), poll: id.to_owned() };
        self.rows.timer(&close_timer(id), due_ms, &close)
    }

    /// Takes an answer. Of a person's clicks the latest counts, in whatever order they arrive.
    pub(super) fn answer(
        &mut self,
        id: &String,
        user: &str,
        choice: &str,
        clicked_at_ms: i64,
        message: Option<&MessageRef>,
    ) -> Result<AnswerNote, Halt> {
        let key = (id.clone(), user.to_owned());
        self.rows.want::<PollAnswer>(&key);
        let Some(mut poll) = self.rows.get::<Poll>(id)? else { return Ok(AnswerNote::UnknownPoll) };
        let before = self.rows.get::<PollAnswer>(&key)?;
        let kept = before.as_ref().map(|answer| answer.response.clone());
        let is_over = self.at.ms - poll.created_at_ms >= self.at.rules.poll_open_ms;
        if poll.state == PollState::Closed || is_over {
            let note = AnswerNote::Closed { choice: kept };
            self.rewrite(id, &poll, user, message, note.clone());
            return Ok(note);
        }
        if !is_choice(&poll, choice) {
            return Ok(AnswerNote::UnknownChoice);
        }
        if let Some(before) = before.filter(|before| before.created_at_ms > clicked_at_ms) {
            return Ok(AnswerNote::Received { choice: before.response });
        }
        if kept.is_none() && poll.tally.values().sum::<usize>() >= self.at.rules.people_max {
            self.rewrite(id, &poll, user, message, AnswerNote::Full);
            return Ok(AnswerNote::Full);
        }
        let answer = PollAnswer { response: choice.to_owned(), created_at_ms: clicked_at_ms };
        self.rows.put(&key, &answer);
        let note = AnswerNote::Received { choice: choice.to_owned() };
        if kept.as_deref() == Some(choice) {
            return Ok(note);
        }
        if let Some(kept) = kept {
            let left = poll.tally.remove(&kept).unwrap_or(1) - 1;
            if left > 0 {
                poll.tally.insert(kept, left);
            }
        }
        *poll.tally.entry(choice.to_owned()).or_default() += 1;
        self.rows.put(id, &poll);
        self.rows.publish(POLLS_TOPIC, &PollEvent::Answered { poll: id.clone(), tally: poll.tally.clone() });
        self.rewrite(id, &poll, user, message, note.clone());
        Ok(note)
    }

    /// Rewrites the line of the question that says what was received.
    fn rewrite(&mut self, id: &str, poll: &Poll, user: &str, message: Option<&MessageRef>, note: AnswerNote) {
        let Some(message) = message.cloned() else { return };
        let effect = Effect::Update { message, word: question(id, poll, Some(note)) };
        self.call(&format!("note {user} {}", self.at.id), "chat.update", &effect);
    }

    /// The timer of a poll: closes it as if the creator had said so, unless it is closed.
    pub(super) fn close_on_time(&mut self, id: &String) -> Result<Outcome, Halt> {
        let poll = self.rows.get::<Poll>(id)?.filter(|poll| poll.state == PollState::Open);
        let Some((poll, due_ms)) = poll.and_then(|poll| poll.closes_at_ms.map(|due_ms| (poll, due_ms)))
        else {
            return Ok(Outcome::Ignored);
        };
        if self.at.ms < due_ms {
            // The clock of the inbox is behind that of the scheduler, and the timer is gone.
            self.set_close_timer(id, due_ms)?;
            return Ok(Outcome::Ignored);
        }
        self.close_by_timer(id, &poll.channel_id, &poll.created_by);
        Ok(Outcome::Accepted)
    }
}

fn question(id: &str, poll: &Poll, note: Option<AnswerNote>) -> Word {
    Word::Question(Question {
        poll: id.to_owned(),
        channel: poll.channel_id.clone(),
        times: poll.choices.clone(),
        closes: poll.closes.clone(),
        closes_at_ms: poll.closes_at_ms,
        note,
    })
}
