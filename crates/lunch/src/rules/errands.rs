//! Orders. Most must ask Slack first; an [`Errand`] keeps the order until Slack replies.

use kind::{Failed, Halt};

use super::{SLASH_CHANNEL, Step, unexpected};
use crate::{
    Asker, Effect, Errand, ErrandKind, LunchChannel, Order, OrderPlace, Outcome, Reply, Team, Word, calendar,
};

impl Step<'_, '_, '_> {
    pub(super) fn order(
        &mut self,
        asker: &Asker,
        place: &OrderPlace,
        order: &Order,
    ) -> Result<Outcome, Halt> {
        let channel = if let OrderPlace::Channel(channel) = place { Some(channel.clone()) } else { None };
        let what = match order {
            Order::Help => {
                self.tell(asker, channel.as_deref(), Word::Help);
                return Ok(Outcome::Accepted);
            }
            Order::Unreadable(part) => {
                self.tell(asker, channel.as_deref(), Word::Unreadable(part.clone()));
                return Ok(Outcome::Accepted);
            }
            _ if *place == OrderPlace::Direct => {
                self.tell(asker, None, Word::OnlyInChannels);
                return Ok(Outcome::Accepted);
            }
            Order::Create(options) => ErrandKind::Create { options: options.clone(), closes_at_ms: None },
            Order::Close => ErrandKind::Close { poll: None, is_by_timer: false },
            Order::Summary { days } => ErrandKind::Summary { days: *days },
        };
        let errand = Errand { asker: asker.clone(), at_ms: self.at.ms, channel, what };
        let id = self.at.id.to_owned();
        if errand.channel.is_some() {
            self.begin(&id, errand)?;
        } else {
            let effect = Effect::FindChannel { name: SLASH_CHANNEL.to_owned() };
            self.call(&format!("channel {id}"), "conversations.list", &effect);
            self.rows.put(&id, &errand);
        }
        Ok(Outcome::Accepted)
    }

    /// Begins an errand whose channel is known.
    fn begin(&mut self, id: &String, mut errand: Errand) -> Result<(), Halt> {
        let channel = errand.channel.clone().unwrap_or_default();
        let latest = self.rows.get::<LunchChannel>(&channel)?;
        let open_ms = self.at.rules.poll_open_ms;
        let is_recent = |it: &LunchChannel| errand.at_ms - it.created_at_ms < open_ms;
        let latest = latest.filter(is_recent);
        match &mut errand.what {
            ErrandKind::Create { options, .. } => {
                if latest.is_some_and(|it| !it.is_closed) {
                    return self.end(id, &errand, Some(Word::PollIsOpen { channel }));
                }
                // From here on a second poll of the channel is refused.
                let claim = LunchChannel { poll: id.clone(), created_at_ms: errand.at_ms, is_closed: false };
                self.rows.put(&channel, &claim);
                if options.closes.is_some() {
                    self.find_zone(id, &errand.asker)?;
                } else {
                    self.list_people(id, &channel);
                }
            }
            ErrandKind::Close { poll, .. } => match latest {
                None => return self.end(id, &errand, Some(Word::NoPoll { channel })),
                Some(it) if it.is_closed => {
                    return self.end(id, &errand, Some(Word::PollWasClosed { channel }));
                }
                Some(it) => {
                    *poll = Some(it.poll);
                    self.list_people(id, &channel);
                }
            },
            ErrandKind::Summary { .. } => self.find_zone(id, &errand.asker)?,
        }
        self.rows.put(id, &errand);
        Ok(())
    }

    /// Begins the close of a poll by its timer.
    pub(super) fn close_by_timer(&mut self, poll: &str, channel: &str, creator: &Asker) {
        let id = self.at.id.to_owned();
        let what = ErrandKind::Close { poll: Some(poll.to_owned()), is_by_timer: true };
        let channel_id = Some(channel.to_owned());
        self.rows.put(&id, &Errand { asker: creator.clone(), at_ms: self.at.ms, channel: channel_id, what });
        self.list_people(&id, channel);
    }

    fn list_people(&mut self, id: &str, channel: &str) {
        let effect = Effect::ListPeople { channel: channel.to_owned() };
        self.call(&format!("people {id}"), "conversations.members", &effect);
    }

    /// A reminder has no zone: that of the person who installed the app serves.
    fn find_zone(&mut self, id: &str, asker: &Asker) -> Result<(), Halt> {
        let installed_by = self.rows.get::<Team>(&())?.map(|team| team.installed_by);
        let of_installer = installed_by.filter(|_| asker.is_reminder);
        let effect = Effect::FindZone { user: of_installer.unwrap_or_else(|| asker.user.clone()) };
        self.call(&format!("zone {id}"), "users.info", &effect);
        Ok(())
    }

    /// Goes on with an errand after a look at Slack.
    pub(super) fn looked(&mut self, look: &str, id: &str, reply: &Result<Reply, Failed>) -> Result<(), Halt> {
        let id = id.to_owned();
        let Some(mut errand) = self.rows.get::<Errand>(&id)? else { return Ok(()) };
        let channel = errand.channel.clone();
        match (look, reply) {
            (_, Err(_)) => {
                let is_timer = matches!(errand.what, ErrandKind::Close { is_by_timer: true, .. });
                let channel = channel.filter(|_| is_timer);
                let word = channel.map_or(Word::SlackFailed, |channel| Word::CouldNotClose { channel });
                self.end(&id, &errand, Some(word))
            }
            // Nobody can be told.
            (_, Ok(Reply::Revoked { .. } | Reply::TeamDisabled)) => self.end(&id, &errand, None),
            ("people", Ok(Reply::Refused { .. })) => {
                let word = Word::HiddenChannel { channel: channel.unwrap_or_default() };
                self.end(&id, &errand, Some(word))
            }
            (_, Ok(Reply::Refused { .. })) => self.end(&id, &errand, Some(Word::SlackFailed)),
            ("channel", Ok(Reply::Channel { id: None })) => {
                let word = Word::NoSuchChannel { name: SLASH_CHANNEL.to_owned() };
                self.end(&id, &errand, Some(word))
            }
            ("channel", Ok(Reply::Channel { id: Some(channel) })) => {
                errand.channel = Some(channel.clone());
                self.begin(&id, errand)
            }
            ("zone", Ok(Reply::Zone { utc_offset_minutes })) => {
                self.zone_found(&id, errand, *utc_offset_minutes)
            }
            ("people", Ok(Reply::People { users })) => self.people_found(&id, &errand, Some(users)),
            ("people", Ok(Reply::TooManyPeople)) => self.people_found(&id, &errand, None),
            (_, Ok(reply)) => Err(unexpected(look, reply)),
        }
    }

    fn zone_found(&mut self, id: &String, mut errand: Errand, utc_offset_minutes: i32) -> Result<(), Halt> {
        match &mut errand.what {
            ErrandKind::Create { options, closes_at_ms } => {
                let Some(closes) = &options.closes else { return Ok(()) };
                let due_ms = calendar::on_day_of(errand.at_ms, utc_offset_minutes, closes.minutes());
                if due_ms <= self.at.ms {
                    let word = Word::CloseTimePassed { closes: closes.clone() };
                    return self.end(id, &errand, Some(word));
                }
                *closes_at_ms = Some(due_ms);
                self.list_people(id, errand.channel.as_deref().unwrap_or_default());
                self.rows.put(id, &errand);
                Ok(())
            }
            ErrandKind::Summary { days } => {
                let days = *days;
                self.summarize(&errand, days, utc_offset_minutes)?;
                self.end(id, &errand, None)
            }
            ErrandKind::Close { .. } => self.end(id, &errand, None),
        }
    }

    /// `None`: there are too many people to be listed.
    fn people_found(
        &mut self,
        id: &String,
        errand: &Errand,
        users: Option<&Vec<String>>,
    ) -> Result<(), Halt> {
        let word = match &errand.what {
            ErrandKind::Create { options, closes_at_ms } => {
                let refusal = self.open(id, errand, options, *closes_at_ms, users)?;
                if refusal.is_none() {
                    // The claim of the channel is the poll's from here on.
                    self.rows.remove::<Errand>(id);
                    return Ok(());
                }
                refusal
            }
            ErrandKind::Close { poll: Some(poll), is_by_timer } => {
                self.close(poll, errand, *is_by_timer, users)?
            }
            ErrandKind::Close { poll: None, .. } | ErrandKind::Summary { .. } => None,
        };
        self.end(id, errand, word)
    }

    /// Removes an errand, releases its claim of the channel, and tells the asker the word.
    fn end(&mut self, id: &String, errand: &Errand, word: Option<Word>) -> Result<(), Halt> {
        self.rows.remove::<Errand>(id);
        if let (ErrandKind::Create { .. }, Some(channel)) = (&errand.what, &errand.channel) {
            let claim = self.rows.get::<LunchChannel>(channel)?;
            if claim.is_some_and(|claim| claim.poll == *id) {
                self.rows.remove::<LunchChannel>(channel);
            }
        }
        if let Some(word) = word {
            self.tell(&errand.asker, errand.channel.as_deref(), word);
        }
        Ok(())
    }
}
