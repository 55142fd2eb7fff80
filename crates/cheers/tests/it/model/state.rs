//! What the model knows: the rows as values, what presence has heard, and chance.

use std::collections::{BTreeMap, BTreeSet};

use cheers::{
    Act, CheerRequest, CheerUser, Cheers, Command, Location, Nearest, Outcome, PARTNERS, Partner,
    PartnerChange, PartnerPosition, PartnerStatus, Payment, Ride, Rules, nearest,
};
use kind::{EventWhat, Halt, Input, RowId, decode_key, encode_key};

use crate::driver::Driver;
use crate::model::provider::Provider;
use crate::world::MARKET;

/// SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64).try_into().unwrap()
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }
}

/// The rows, as values.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) users: BTreeMap<String, CheerUser>,
    pub(crate) partners: BTreeMap<String, Partner>,
    pub(crate) requests: BTreeMap<String, CheerRequest>,
    pub(crate) rides: BTreeMap<String, Ride>,
    pub(crate) payments: BTreeMap<String, Payment>,
    /// By ride.
    pub(crate) payments_of: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) struct Model {
    pub(crate) driver: Driver,
    pub(crate) now_ms: i64,
    pub(crate) chance: Chance,
    pub(crate) known: Known,
    /// What presence has heard, in order of registration.
    pub(crate) positions: Vec<PartnerPosition>,
    place_of: BTreeMap<String, usize>,
    /// Partners who have no socket now.
    pub(crate) off: BTreeSet<usize>,
    /// How many events presence has heard.
    heard: usize,
    pub(crate) user_ids: Vec<String>,
    pub(crate) provider: Provider,
    /// Commands that a client may send again.
    pub(crate) recent: Vec<Command>,
    /// Requests, rides and payments that commands go to: the last ones.
    pub(crate) open: Vec<String>,
    pub(crate) rides: Vec<String>,
    pub(crate) payments: Vec<String>,
    /// What the accounts were made by.
    pub(crate) accounts: Vec<(i64, String)>,
    /// What has been seen, and how often.
    pub(crate) met: BTreeMap<&'static str, u32>,
    pub(crate) seed: u64,
    pub(crate) steps: u32,
}

/// Ids that commands go to: the last of them, so that most are alive.
const TARGETS_MAX: usize = 60;
const RECENT_MAX: usize = 30;

impl Model {
    pub(crate) fn new(seed: u64, users: usize, partners: usize, rules: Rules) -> Self {
        let mut driver = Driver::new(rules);
        driver.journal = Some(Vec::new());
        let mut model = Self {
            driver,
            now_ms: 1_000_000,
            chance: Chance(seed),
            known: Known::default(),
            positions: Vec::new(),
            place_of: BTreeMap::new(),
            off: BTreeSet::new(),
            heard: 0,
            user_ids: Vec::new(),
            provider: Provider::default(),
            recent: Vec::new(),
            open: Vec::new(),
            rides: Vec::new(),
            payments: Vec::new(),
            accounts: Vec::new(),
            met: BTreeMap::new(),
            seed,
            steps: 0,
        };
        for n in 0..users {
            let email = format!("u{n}@example.org");
            let act = Act::Register { email, name: None, password_hash: "$".to_owned() };
            let Ok(Outcome::Registered { user }) = model.send(act) else { panic!() };
            model.user_ids.push(user);
        }
        for n in 0..partners {
            model.add_partner(n);
        }
        model.accounts = model.driver.journal.take().unwrap_or_default();
        model
    }

    fn add_partner(&mut self, n: usize) {
        let act = Act::AddPartner {
            email: format!("p{n}@example.org"),
            name: "P".to_owned(),
            partner_type: None,
            phone: None,
            password_hash: "$".to_owned(),
        };
        let Ok(Outcome::PartnerAdded { partner }) = self.send(act) else { panic!() };
        self.place_of.insert(partner.clone(), n);
        let location = self.place();
        self.positions.push(PartnerPosition {
            partner,
            location,
            at_ms: self.now_ms,
            status: PartnerStatus::Available,
            free_since_ms: self.now_ms,
        });
    }

    /// A place in a town of 14 by 14 km, so that a few are too far from each other.
    pub(crate) fn place(&mut self) -> Location {
        let offset = |it: usize| f64::from(u32::try_from(it).unwrap()) / 10_000.0;
        let (lat, lon) = (self.chance.below(1_260), self.chance.below(1_300));
        Location::new(12.9 + offset(lat), 77.5 + offset(lon)).unwrap()
    }

    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    pub(crate) fn send(&mut self, act: Act) -> Result<Outcome, Halt> {
        let command = Command { market: MARKET.to_owned(), act };
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(command.clone());
        let done = self.driver.send(self.now_ms, command);
        self.learn();
        done
    }

    pub(crate) fn feed(&mut self, input: &Input<Cheers>) -> Result<(), Halt> {
        let done = self.driver.feed(self.now_ms, input);
        self.learn();
        done
    }

    /// Takes in what the last entry changed, and checks it.
    pub(crate) fn learn(&mut self) {
        let touched = self.driver.touched().rows.clone();
        for id in &touched {
            self.learn_row(id);
        }
        self.check(&touched);
    }

    fn learn_row(&mut self, id: &RowId) {
        let body = self.driver.body(id).expect("no row is ever removed");
        let (_, key) = decode_key::<String>(&id.key).unwrap();
        let known = &mut self.known;
        match id.table {
            "user" => drop(known.users.insert(key, serde_json::from_str(body).unwrap())),
            "partner" => drop(known.partners.insert(key, serde_json::from_str(body).unwrap())),
            "request" => {
                if known.requests.insert(key.clone(), serde_json::from_str(body).unwrap()).is_none() {
                    keep_last(&mut self.open, key);
                }
            }
            "ride" => {
                if known.rides.insert(key.clone(), serde_json::from_str(body).unwrap()).is_none() {
                    keep_last(&mut self.rides, key);
                }
            }
            "payment" => {
                let payment: Payment = serde_json::from_str(body).unwrap();
                known.payments_of.entry(payment.ride.clone()).or_default().insert(key.clone());
                if known.payments.insert(key.clone(), payment).is_none() {
                    keep_last(&mut self.payments, key);
                }
            }
            other => assert_eq!(other, "credential"),
        }
    }

    /// Lets presence hear what was published meanwhile.
    pub(crate) fn hear(&mut self) {
        let partners = encode_key(MARKET, &PARTNERS.to_owned());
        for event in &self.driver.events()[self.heard..] {
            let EventWhat::Publish { topic, event } = &event.what else { continue };
            if *topic != partners {
                continue;
            }
            let change: PartnerChange = serde_json::from_str(event).unwrap();
            let position = &mut self.positions[self.place_of[&change.partner]];
            position.status = change.status;
            position.free_since_ms = change.free_since_ms;
        }
        self.heard = self.driver.events().len();
    }

    /// Who is near, as far as presence has heard.
    pub(crate) fn look(&self, place: Location, excluded: &[String]) -> Nearest {
        let on = self.positions.iter().enumerate().filter(|(n, _)| !self.off.contains(n));
        let on = on.map(|(_, position)| position);
        nearest(on, place, excluded, self.now_ms, self.driver.rules())
    }

    /// Where a failure was.
    pub(crate) fn place_in_run(&self) -> String {
        format!("world {} step {}", self.seed, self.steps)
    }
}

fn keep_last(ids: &mut Vec<String>, id: String) {
    if ids.len() == TARGETS_MAX {
        ids.remove(0);
    }
    ids.push(id);
}
