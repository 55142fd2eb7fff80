//! How a group hears of itself.

use kind::{Failed, Halt};

use super::{Step, unexpected};
use crate::{Effect, LunchGroup, Poll, Reply, Word};

/// What the effects of a group belong to: the number of the group, then the poll.
fn group_name(poll: &str, number: u64) -> String {
    format!("{number} {poll}")
}

impl Step<'_, '_, '_> {
    /// Tells a group that has just been formed.
    pub(super) fn tell_group(
        &mut self,
        poll: &str,
        number: u64,
        channel: &str,
        group: &LunchGroup,
        in_channel: bool,
    ) {
        let name = group_name(poll, number);
        let (time, users) = (group.response.clone(), group.here.clone());
        match group.here.as_slice() {
            [] => {}
            [alone] if group.user_ids.len() == 1 => {
                self.post(&format!("alone {name}"), alone, None, Word::NobodyElse { time });
            }
            [left] => self.post(&format!("alone {name}"), left, None, Word::OthersLeft { time }),
            _ if in_channel => {
                self.post(&format!("group {name}"), channel, None, Word::Group { time, users });
            }
            _ => self.open_group(&name, users),
        }
    }

    fn open_group(&mut self, name: &str, users: Vec<String>) {
        self.call(&format!("open {name}"), "conversations.open", &Effect::OpenGroup { users });
    }

    fn read_group(&mut self, name: &str) -> Result<Option<(String, LunchGroup)>, Halt> {
        let Some((number, poll)) = name.split_once(' ') else { return Ok(None) };
        let Ok(number) = number.parse::<u64>() else { return Ok(None) };
        let group = self.rows.get::<LunchGroup>(&(poll.to_owned(), number))?;
        Ok(group.map(|group| (poll.to_owned(), group)))
    }

    /// The group stands in the channel: who picks comes in its thread. If Slack refuses the post, because the bot is no
    /// member or the channel is archived, the group gets a conversation of its own.
    pub(super) fn group_posted(&mut self, name: &str, reply: &Result<Reply, Failed>) -> Result<(), Halt> {
        let ts = match reply {
            Ok(Reply::Posted { ts }) => Some(ts),
            Ok(Reply::Refused { .. }) => None,
            Err(_) | Ok(Reply::Revoked { .. } | Reply::TeamDisabled) => return Ok(()),
            Ok(reply) => return Err(unexpected("group", reply)),
        };
        let Some((poll, LunchGroup { picker: Some(user), here, .. })) = self.read_group(name)? else {
            return Ok(());
        };
        let Some(ts) = ts else {
            self.open_group(name, here);
            return Ok(());
        };
        if let Some(poll) = self.rows.get::<Poll>(&poll)? {
            let word = Word::Picker { user };
            self.post(&format!("picker {name}"), &poll.channel_id, Some(ts), word);
        }
        Ok(())
    }

    /// The group has a conversation of its own.
    pub(super) fn group_opened(&mut self, name: &str, reply: &Result<Reply, Failed>) -> Result<(), Halt> {
        let channel = match reply {
            Ok(Reply::Opened { channel }) => channel,
            Err(_) | Ok(Reply::Refused { .. } | Reply::Revoked { .. } | Reply::TeamDisabled) => return Ok(()),
            Ok(reply) => return Err(unexpected("open", reply)),
        };
        if let Some((_, group)) = self.read_group(name)? {
            let LunchGroup { response: time, here: users, picker, .. } = group;
            let picker = picker.unwrap_or_default();
            self.post(&format!("private {name}"), channel, None, Word::PrivateGroup { time, users, picker });
        }
        Ok(())
    }
}
