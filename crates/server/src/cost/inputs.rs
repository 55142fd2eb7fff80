//! What is known or assumed of a game and of its deployment.

/// What a price is worked out for. Each field is a flag of `buttonparty cost`: see [`FLAGS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Players.
    pub players: f64,
    /// Rounds a day.
    pub rounds_per_day: f64,
    /// The part of the players that presses in a round, 0 to 1.
    pub share_that_presses: f64,
    /// Seconds over which the presses of a round are spread evenly.
    pub window_s: f64,
    /// How often a player asks for the own state for each press.
    pub reads_per_press: f64,
    /// Processes that take presses.
    pub ingest_nodes: f64,
    /// Processes that apply them.
    pub handlers: f64,
    /// vCPU of each of these.
    pub node_vcpu: f64,
    /// Other processes: schedulers, push, live.
    pub other_nodes: f64,
    /// vCPU of each of these.
    pub other_vcpu: f64,
    /// Partitions of the inbox.
    pub partitions: f64,
    /// How long a send to the inbox takes, in milliseconds: so long do presses gather.
    pub linger_ms: f64,
    /// How long a handler's loop takes from one receive to the next, in milliseconds.
    pub turn_ms: f64,
    /// Bytes of one press in an envelope.
    pub press_bytes: f64,
    /// Bytes of a request to press, with its head.
    pub request_bytes: f64,
    /// Bytes of the answer, with its head.
    pub answer_bytes: f64,
    /// Availability zones.
    pub zones: f64,
    /// Interface endpoints of the VPC.
    pub endpoints: f64,
    /// Capacity units that the database has when nothing happens.
    pub acu_min: f64,
    /// Secrets.
    pub secrets: f64,
    /// Alarms.
    pub alarms: f64,
    /// Metrics of our own.
    pub metrics: f64,
    /// Logs a month, in GB.
    pub log_gb: f64,
    /// Months of the journal that are kept.
    pub journal_months: f64,
    /// Whether the load balancer ends TLS, and every press is a new connection.
    pub tls: bool,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            // Everybody presses: 10 000 a second, what API Gateway takes at the most unless one asks for more.
            players: 1_000_000.0,
            share_that_presses: 1.0,
            window_s: 100.0,
            // The mean gap between openings is 13 600 s.
            rounds_per_day: 6.35,
            reads_per_press: 1.0,
            ingest_nodes: 2.0,
            handlers: 2.0,
            node_vcpu: 0.5,
            other_nodes: 6.0,
            other_vcpu: 0.25,
            partitions: 16.0,
            // A send to SQS takes 10 to 20 ms.
            linger_ms: 15.0,
            // A receive and a delete as long as a send, and a commit.
            turn_ms: 40.0,
            // Measured, as `tests/it/cost.rs` does: 65 and 229 with usernames of 14 bytes.
            press_bytes: 65.0,
            answer_bytes: 229.0,
            // What a phone's HTTP library sends, estimated.
            request_bytes: 350.0,
            zones: 2.0,
            // SQS, Secrets Manager, logs, and two of the registry of images. S3's gateway endpoint is free.
            endpoints: 5.0,
            acu_min: 0.5,
            // The owner's and one for each of the four roles.
            secrets: 5.0,
            alarms: 16.0,
            // What is counted in logs.
            metrics: 5.0,
            log_gb: 1.0,
            journal_months: 12.0,
            tls: false,
        }
    }
}

/// One number of [`Inputs`] as a flag.
pub struct Flag {
    /// Its name, without dashes in front.
    pub name: &'static str,
    /// The least and the most that it may be.
    pub range: (f64, f64),
    /// What it is measured in.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Where it stands.
    pub field: fn(&mut Inputs) -> &mut f64,
}

impl Flag {
    const fn new(
        name: &'static str,
        range: (f64, f64),
        unit: &'static str,
        meaning: &'static str,
        field: fn(&mut Inputs) -> &mut f64,
    ) -> Self {
        Self { name, range, unit, meaning, field }
    }

    /// Its value in these inputs.
    pub fn of(&self, inputs: &Inputs) -> f64 {
        *(self.field)(&mut inputs.clone())
    }

    /// Its value without the flag.
    pub fn default(&self) -> f64 {
        self.of(&Inputs::default())
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(&self, text: &str) -> Result<f64, String> {
        let (least, most) = self.range;
        // Digits, perhaps a point, perhaps an exponent: `str::parse` takes a sign in front and names such as `inf` too.
        match text.parse::<f64>() {
            Ok(value)
                if text.starts_with(|first: char| first.is_ascii_digit())
                    && (least..=most).contains(&value) =>
            {
                Ok(value)
            }
            _ => Err(format!("must be a number from {least} to {most} ({})", self.unit)),
        }
    }
}

const COUNT: (f64, f64) = (0.0, 1e6);
const AT_LEAST_ONE: (f64, f64) = (1.0, 1e6);
const BYTES: (f64, f64) = (1.0, 65_536.0);

/// All numbers of [`Inputs`]. The number of partitions has a flag already: the game's setting.
pub const FLAGS: &[Flag] = &[
    Flag::new("players", (1.0, 1e10), "count", "players", |i| &mut i.players),
    Flag::new("rounds-per-day", (0.0, 1e5), "count", "rounds a day", |i| &mut i.rounds_per_day),
    Flag::new(
        "share-that-presses",
        (0.0, 1.0),
        "part of 1",
        "the part of the players that presses in a round",
        |i| &mut i.share_that_presses,
    ),
    Flag::new("window-s", (0.001, 1e6), "seconds", "over which the presses of a round are spread", |i| {
        &mut i.window_s
    }),
    Flag::new("reads-per-press", (0.0, 1e4), "count", "how often /fetch/self is asked for each press", |i| {
        &mut i.reads_per_press
    }),
    Flag::new("ingest-nodes", AT_LEAST_ONE, "count", "processes that take presses", |i| &mut i.ingest_nodes),
    Flag::new("handlers", AT_LEAST_ONE, "count", "processes that apply presses", |i| &mut i.handlers),
    Flag::new("node-vcpu", (0.25, 16.0), "vCPU", "of each of these", |i| &mut i.node_vcpu),
    Flag::new("other-nodes", COUNT, "count", "other processes: schedulers, push, live", |i| {
        &mut i.other_nodes
    }),
    Flag::new("other-vcpu", (0.25, 16.0), "vCPU", "of each of these", |i| &mut i.other_vcpu),
    Flag::new(
        "linger-ms",
        (0.01, 60_000.0),
        "milliseconds",
        "a send to the inbox; so long do presses gather",
        |i| &mut i.linger_ms,
    ),
    Flag::new(
        "turn-ms",
        (0.01, 60_000.0),
        "milliseconds",
        "from one receive of a handler's loop to the next",
        |i| &mut i.turn_ms,
    ),
    Flag::new("press-bytes", BYTES, "bytes", "one press in an envelope", |i| &mut i.press_bytes),
    Flag::new("request-bytes", BYTES, "bytes", "a request to press, with its head", |i| &mut i.request_bytes),
    Flag::new("answer-bytes", BYTES, "bytes", "its answer, with its head", |i| &mut i.answer_bytes),
    Flag::new("zones", (1.0, 6.0), "count", "availability zones", |i| &mut i.zones),
    Flag::new("endpoints", COUNT, "count", "interface endpoints of the VPC", |i| &mut i.endpoints),
    Flag::new("acu-min", (0.0, 256.0), "ACU", "what the database has when nothing happens", |i| {
        &mut i.acu_min
    }),
    Flag::new("secrets", COUNT, "count", "secrets", |i| &mut i.secrets),
    Flag::new("alarms", COUNT, "count", "alarms", |i| &mut i.alarms),
    Flag::new("own-metrics", COUNT, "count", "metrics of our own", |i| &mut i.metrics),
    Flag::new("log-gb", COUNT, "GB a month", "logs", |i| &mut i.log_gb),
    Flag::new("journal-months", (0.0, 1200.0), "months", "of the journal that the store holds", |i| {
        &mut i.journal_months
    }),
];

impl Inputs {
    /// Presses a second while a round is lit.
    pub fn presses_per_s(&self) -> f64 {
        self.players * self.share_that_presses / self.window_s
    }

    /// Presses a month.
    pub fn presses_per_month(&self) -> f64 {
        self.players * self.share_that_presses * self.rounds_per_day * super::HOURS_PER_MONTH / 24.0
    }
}
