//! A market in memory, with a presence and a payment provider that do what they are told.

use std::collections::BTreeMap;

use cheers::{
    Act, CheerRequest, CheerUser, Cheers, CheersFrame, Command, Denial, Effect, EndedRide, Location, Nearest,
    Outcome, Partner, PartnerPosition, PartnerStatus, Payment, Reply, RequestStatus, Ride, Rules, nearest,
};
use kind::{EffectId, EventWhat, Halt, Table, encode_key};

use crate::driver::Driver;

pub(crate) const MARKET: &str = "main";
/// Where the user of docs/cheers.md stands, and three partners at 608 m, 5 185 m and 28 005 m.
pub(crate) const USER: (f64, f64) = (12.9716, 77.5946);
pub(crate) const P1: (f64, f64) = (12.9750, 77.5990);
pub(crate) const P2: (f64, f64) = (12.9352, 77.6245);
pub(crate) const P3: (f64, f64) = (13.1986, 77.7066);

pub(crate) fn at((lat, lon): (f64, f64)) -> Location {
    Location::new(lat, lon).unwrap()
}

pub(crate) struct World {
    pub(crate) play: Driver,
    pub(crate) now_ms: i64,
    /// What presence knows: the place, when it was told, and whether the partner is on.
    pub(crate) positions: BTreeMap<String, (Location, i64, bool)>,
    accounts: u32,
    /// How many links were made.
    pub(crate) links: u32,
    /// Whether the payment provider answers.
    pub(crate) is_provider_up: bool,
}

impl World {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            play: Driver::new(rules),
            now_ms: 1_000_000,
            positions: BTreeMap::new(),
            accounts: 0,
            links: 0,
            is_provider_up: true,
        }
    }

    /// The user and the three partners of docs/cheers.md, all on.
    pub(crate) fn with_three(rules: Rules) -> (Self, String, [String; 3]) {
        let mut world = Self::new(rules);
        let user = world.user();
        let partners = [P1, P2, P3].map(|place| world.partner(place));
        (world, user, partners)
    }

    pub(crate) fn send(&mut self, act: Act) -> Outcome {
        self.try_send(act).unwrap()
    }

    pub(crate) fn try_send(&mut self, act: Act) -> Result<Outcome, Halt> {
        self.play.send(self.now_ms, Command { market: MARKET.to_owned(), act })
    }

    pub(crate) fn user(&mut self) -> String {
        self.accounts += 1;
        let email = format!("u{}@example.org", self.accounts);
        let act = Act::Register { email, name: None, password_hash: "$argon2id$".to_owned() };
        let Outcome::Registered { user } = self.send(act) else { panic!() };
        user
    }

    /// A partner who is on at a place.
    pub(crate) fn partner(&mut self, place: (f64, f64)) -> String {
        self.accounts += 1;
        let act = Act::AddPartner {
            email: format!("p{}@example.org", self.accounts),
            name: format!("Partner {}", self.accounts),
            partner_type: None,
            phone: None,
            password_hash: "$argon2id$".to_owned(),
        };
        let Outcome::PartnerAdded { partner } = self.send(act) else { panic!() };
        self.positions.insert(partner.clone(), (at(place), self.now_ms, true));
        partner
    }

    pub(crate) fn set_on(&mut self, partner: &str, is_on: bool) {
        self.positions.get_mut(partner).unwrap().2 = is_on;
    }

    /// Who is near, by what the edge knows: the rows' status and the partners' positions. Partners who are on keep their
    /// position fresh.
    pub(crate) fn look(&self, place: Location, excluded: &[String]) -> Nearest {
        let positions: Vec<_> = self
            .positions
            .iter()
            .map(|(id, (location, at_ms, is_on))| {
                let row = self.partner_row(id);
                PartnerPosition {
                    partner: id.clone(),
                    location: *location,
                    at_ms: *at_ms,
                    status: if *is_on { row.status } else { PartnerStatus::Offline },
                    free_since_ms: row.free_since_ms,
                }
            })
            .collect();
        nearest(&positions, place, excluded, self.now_ms, self.play.rules())
    }

    pub(crate) fn try_ask(&mut self, user: &str) -> Outcome {
        let location = at(USER);
        let nearest = self.look(location, &[]);
        let request_type = "cheer".to_owned();
        self.send(Act::Request { user: user.to_owned(), location, request_type, nearest })
    }

    /// Asks for a partner at [`USER`].
    pub(crate) fn ask(&mut self, user: &str) -> String {
        let Outcome::Requested { request, .. } = self.try_ask(user) else { panic!() };
        request
    }

    pub(crate) fn answer(&mut self, partner: &str, request: &str, accept: bool) -> Outcome {
        let (partner, request) = (partner.to_owned(), request.to_owned());
        let outcome = self.send(Act::AnswerOffer { partner, request, accept });
        self.settle();
        outcome
    }

    /// Accepts, and gives the ride.
    pub(crate) fn accept(&mut self, partner: &str, request: &str) -> String {
        match self.answer(partner, request, true) {
            Outcome::Accepted { ride } => ride,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn start(&mut self, partner: &str, ride: &str) -> Outcome {
        self.send(Act::StartRide { partner: partner.to_owned(), ride: ride.to_owned(), pin: None })
    }

    pub(crate) fn end(&mut self, partner: &str, ride: &str) -> Outcome {
        let outcome = self.send(Act::EndRide { partner: partner.to_owned(), ride: ride.to_owned() });
        self.settle();
        outcome
    }

    /// A ride from the request to its end, after so many milliseconds.
    pub(crate) fn whole_ride(&mut self, user: &str, partner: &str, ms: i64) -> (String, String, EndedRide) {
        let request = self.ask(user);
        let ride = self.accept(partner, &request);
        self.start(partner, &ride);
        self.pass(ms);
        let Outcome::Ended(ended) = self.end(partner, &ride) else { panic!() };
        (request, ride, ended)
    }

    /// Performs every effect that is due, until none is.
    pub(crate) fn settle(&mut self) {
        while let Some(effect) = self.next_effect(self.now_ms).map(|(_, effect)| effect) {
            self.perform(&effect);
        }
    }

    fn perform(&mut self, effect: &EffectId) {
        let reply = match self.ask_of(effect) {
            Effect::Nearest { place, excluded } => Reply::Nearest(self.look(place, &excluded)),
            Effect::MakeLink { live_ms, .. } => {
                self.links += 1;
                let session = format!("cs_{}", self.links);
                let url = format!("https://pay.example/{session}");
                Reply::Link { session, url, until_ms: self.now_ms + live_ms }
            }
            Effect::EndLink { .. } => Reply::LinkEnded,
        };
        self.play.reply(self.now_ms, effect.clone(), Ok(reply)).unwrap();
    }

    pub(crate) fn ask_of(&self, effect: &EffectId) -> Effect {
        serde_json::from_str(&self.play.effect(effect).unwrap().ask).unwrap()
    }

    /// The first effect that waits and is due until then.
    fn next_effect(&self, until_ms: i64) -> Option<(i64, EffectId)> {
        let is_up = |id: &EffectId| self.is_provider_up || id.name.starts_with("look ");
        let due = self.play.waiting().take_while(|(due_at_ms, _)| *due_at_ms <= until_ms);
        due.into_iter().find(|(_, id)| is_up(id)).cloned()
    }

    /// Lets time go by: timers fire and effects are performed when they are due, and partners who are on stay fresh.
    pub(crate) fn pass(&mut self, ms: i64) {
        self.settle();
        let until_ms = self.now_ms + ms;
        loop {
            let timer = self.play.next_timer().map(|(due_at_ms, _)| due_at_ms);
            let effect = self.next_effect(until_ms).map(|(due_at_ms, _)| due_at_ms);
            let next = timer.into_iter().chain(effect).min().filter(|next| *next <= until_ms);
            self.now_ms = next.unwrap_or(until_ms).max(self.now_ms);
            for (_, at_ms, is_on) in self.positions.values_mut() {
                if *is_on {
                    *at_ms = self.now_ms;
                }
            }
            self.play.advance(self.now_ms);
            self.settle();
            if next.is_none() {
                return;
            }
        }
    }

    fn row<T: Table<Kind = Cheers, Key = String>>(&self, id: &str) -> T {
        self.play.row(MARKET, &id.to_owned()).unwrap_or_else(|| panic!("no {} {id}", T::NAME))
    }

    pub(crate) fn request(&self, id: &str) -> CheerRequest {
        self.row(id)
    }

    pub(crate) fn ride(&self, id: &str) -> Ride {
        self.row(id)
    }

    pub(crate) fn payment(&self, id: &str) -> Payment {
        self.row(id)
    }

    pub(crate) fn partner_row(&self, id: &str) -> Partner {
        self.row(id)
    }

    pub(crate) fn user_row(&self, id: &str) -> CheerUser {
        self.row(id)
    }

    pub(crate) fn status(&self, request: &str) -> RequestStatus {
        self.request(request).status
    }

    pub(crate) fn is_free(&self, partner: &str) -> bool {
        self.partner_row(partner).status == PartnerStatus::Available
    }

    /// Everything that a topic was told, as JSON.
    pub(crate) fn told(&self, topic: &str) -> Vec<String> {
        let of_topic = |what: &EventWhat| match what {
            EventWhat::Publish { topic: it, event } if *it == encode_key(MARKET, &topic.to_owned()) => {
                Some(event.clone())
            }
            _ => None,
        };
        self.play.events().iter().filter_map(|event| of_topic(&event.what)).collect()
    }

    /// The frames that a topic was told.
    pub(crate) fn frames(&self, topic: &str) -> Vec<CheersFrame> {
        self.told(topic).iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    /// All rows as text: to see that nothing changed.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.play.rows().map(|(id, body)| format!("{} {} {body}", id.table, id.key)).collect()
    }
}

/// An outcome that denies.
pub(crate) fn denied(denial: Denial) -> Outcome {
    Outcome::Denied(denial)
}

/// Whether the long forms of random tests were asked for: `FULL=1 cargo test -p cheers`.
pub(crate) fn is_full() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test process is told by the one that starts it")]
    std::env::var_os("FULL").is_some()
}
