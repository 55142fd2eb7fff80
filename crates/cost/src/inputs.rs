//! Inputs of the model: a game and its deployment.

/// The inputs of the model. Each field is a flag of the command: see [`FLAGS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    pub players: f64,
    pub rounds_per_day: f64,
    /// Share of the players that presses in a round, 0 to 1.
    pub share_that_presses: f64,
    /// Seconds over which the presses of a round are spread evenly.
    pub window_s: f64,
    /// Requests to `/fetch/self` per press.
    pub reads_per_press: f64,
    /// Processes that accept presses.
    pub ingest_nodes: f64,
    /// Memory of each of them, in GB.
    pub ingest_gb: f64,
    /// Processes that apply presses.
    pub handlers: f64,
    /// vCPU of each ingest and handler process.
    pub node_vcpu: f64,
    /// Other processes: schedulers, push, live.
    pub other_nodes: f64,
    /// vCPU of each of them.
    pub other_vcpu: f64,
    /// Partitions of the inbox.
    pub partitions: f64,
    /// Duration of a send to the inbox, in milliseconds. Presses gather meanwhile.
    pub linger_ms: f64,
    /// Time from one receive of a handler loop to its next, in milliseconds.
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
    /// Minimum capacity of the database, in ACU.
    pub acu_min: f64,
    pub secrets: f64,
    pub alarms: f64,
    /// Custom metrics.
    pub metrics: f64,
    /// Logs a month, in GB.
    pub log_gb: f64,
    /// Months of journal that the store keeps.
    pub journal_months: f64,
    /// The load balancer terminates TLS, and every press is a new connection.
    pub tls: bool,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            // Everybody presses: 10 000 a second, the default limit of API Gateway.
            players: 1_000_000.0,
            share_that_presses: 1.0,
            window_s: 100.0,
            // The mean gap between openings is 13 600 s.
            rounds_per_day: 6.35,
            reads_per_press: 1.0,
            ingest_nodes: 2.0,
            // As in the template, at each of its sizes: memory for open connections.
            ingest_gb: 2.0,
            handlers: 2.0,
            node_vcpu: 0.5,
            other_nodes: 6.0,
            other_vcpu: 0.25,
            partitions: 16.0,
            // A send to SQS takes 10 to 20 ms.
            linger_ms: 15.0,
            // A receive and a delete, each as long as a send, and a commit.
            turn_ms: 40.0,
            // Measured with usernames of 14 bytes; tests compare.
            press_bytes: 65.0,
            answer_bytes: 229.0,
            // Estimate for a phone's HTTP library.
            request_bytes: 350.0,
            zones: 2.0,
            // SQS, Secrets Manager, CloudWatch Logs, and two for ECR. The gateway endpoint of S3 is free.
            endpoints: 5.0,
            acu_min: 0.5,
            // One of the database owner, and one for each of the four database roles.
            secrets: 5.0,
            alarms: 16.0,
            // Those of the log filters.
            metrics: 5.0,
            log_gb: 1.0,
            journal_months: 12.0,
            tls: false,
        }
    }
}

/// A number of [`Inputs`] as a flag.
pub struct Flag {
    /// Without the leading dashes.
    pub name: &'static str,
    /// Minimum and maximum, inclusive.
    pub range: (f64, f64),
    pub unit: &'static str,
    pub meaning: &'static str,
    /// The field that it sets.
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

    /// Its value in `inputs`.
    pub fn of(&self, inputs: &Inputs) -> f64 {
        *(self.field)(&mut inputs.clone())
    }

    /// The default value.
    pub fn default(&self) -> f64 {
        self.of(&Inputs::default())
    }

    /// Parses a value.
    ///
    /// # Errors
    /// A text that says which values are allowed.
    pub fn parse(&self, text: &str) -> Result<f64, String> {
        let (least, most) = self.range;
        // `str::parse` would also accept a sign and names such as `inf`.
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
const VCPU: (f64, f64) = (0.25, 16.0);
const BYTES: (f64, f64) = (1.0, 65_536.0);

/// The numbers of [`Inputs`], except the number of partitions, which is an integer.
pub const FLAGS: &[Flag] = &[
    Flag::new("players", (1.0, 1e10), "count", "players", |i| &mut i.players),
    Flag::new("rounds-per-day", (0.0, 1e5), "count", "rounds a day", |i| &mut i.rounds_per_day),
    Flag::new(
        "share-that-presses",
        (0.0, 1.0),
        "part of 1",
        "share of the players that presses in a round",
        |i| &mut i.share_that_presses,
    ),
    Flag::new(
        "window-s",
        (0.001, 1e6),
        "seconds",
        "time over which the presses of a round are spread",
        |i| &mut i.window_s,
    ),
    Flag::new("reads-per-press", (0.0, 1e4), "count", "requests to /fetch/self per press", |i| {
        &mut i.reads_per_press
    }),
    Flag::new("ingest-nodes", AT_LEAST_ONE, "count", "processes that accept presses", |i| {
        &mut i.ingest_nodes
    }),
    Flag::new("ingest-gb", (0.5, 120.0), "GB", "memory of each ingest process", |i| &mut i.ingest_gb),
    Flag::new("handlers", AT_LEAST_ONE, "count", "processes that apply presses", |i| &mut i.handlers),
    Flag::new("node-vcpu", VCPU, "vCPU", "of each ingest and handler process", |i| &mut i.node_vcpu),
    Flag::new("other-nodes", COUNT, "count", "other processes: schedulers, push, live", |i| {
        &mut i.other_nodes
    }),
    Flag::new("other-vcpu", VCPU, "vCPU", "of each of the other processes", |i| &mut i.other_vcpu),
    Flag::new(
        "linger-ms",
        (0.01, 60_000.0),
        "milliseconds",
        "duration of a send to the inbox, during which presses gather",
        |i| &mut i.linger_ms,
    ),
    Flag::new(
        "turn-ms",
        (0.01, 60_000.0),
        "milliseconds",
        "time from one receive of a handler loop to its next",
        |i| &mut i.turn_ms,
    ),
    Flag::new("press-bytes", BYTES, "bytes", "one press in an envelope", |i| &mut i.press_bytes),
    Flag::new("request-bytes", BYTES, "bytes", "a request to press, with its head", |i| &mut i.request_bytes),
    Flag::new("answer-bytes", BYTES, "bytes", "its answer, with its head", |i| &mut i.answer_bytes),
    Flag::new("zones", (1.0, 6.0), "count", "availability zones", |i| &mut i.zones),
    Flag::new("endpoints", COUNT, "count", "interface endpoints of the VPC", |i| &mut i.endpoints),
    Flag::new("acu-min", (0.0, 256.0), "ACU", "minimum capacity of the database", |i| &mut i.acu_min),
    Flag::new("secrets", COUNT, "count", "secrets", |i| &mut i.secrets),
    Flag::new("alarms", COUNT, "count", "alarms", |i| &mut i.alarms),
    Flag::new("own-metrics", COUNT, "count", "custom metrics", |i| &mut i.metrics),
    Flag::new("log-gb", COUNT, "GB a month", "logs", |i| &mut i.log_gb),
    Flag::new("journal-months", (0.0, 1200.0), "months", "journal that the store keeps", |i| {
        &mut i.journal_months
    }),
];

impl Inputs {
    /// Presses per second while a round is lit.
    pub fn presses_per_s(&self) -> f64 {
        self.players * self.share_that_presses / self.window_s
    }

    /// Presses per month.
    pub fn presses_per_month(&self) -> f64 {
        self.players * self.share_that_presses * self.rounds_per_day * crate::HOURS_PER_MONTH / 24.0
    }
}
