//! Marginal costs: a million presses, item by item, for both designs: packed (load balancer → ingest → envelopes →
//! handler), and one message per press (API Gateway → SQS → Lambda). Fixed costs are in [`standing`](crate::standing).

use serde::Serialize;

use crate::inputs::Inputs;
use crate::packing::Packing;
use crate::prices::Prices;

/// Bytes of a GB, as AWS bills them.
pub const GB: f64 = 1_073_741_824.0;
const MILLION: f64 = 1e6;
const SECONDS_PER_HOUR: f64 = 3600.0;
/// Minimum memory of Fargate per vCPU (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
pub const GB_PER_VCPU: f64 = 2.0;
/// Presses per second that one vCPU accepts, or applies. Measured on two cores, which the load generator shared: 75 000
/// accepted and 68 000 applied. The model takes less than half of that, for signing requests to SQS and for PostgreSQL.
pub const PRESSES_PER_VCPU_S: f64 = 30_000.0;
/// Capacity units per vCPU: an ACU is 2 GiB of memory with matching CPU, and memory-optimised instances have 8 GiB per
/// vCPU.
const ACU_PER_VCPU: f64 = 4.0;
/// Rows per second that PostgreSQL writes on one vCPU, in batches of 1 000, measured.
const ROWS_PER_VCPU_S: f64 = 83_000.0;
/// Single statements per second that PostgreSQL runs on one vCPU: prepared UPDATEs, measured.
const STATEMENTS_PER_VCPU_S: f64 = 4_600.0;
/// Statements per commit of the handler: one reads the players, one writes everything.
const STATEMENTS_PER_COMMIT: f64 = 2.0;
/// Bytes of write-ahead log per commit, and per press in it. Measured on PostgreSQL 15 without full-page writes, which
/// Aurora does not do: 20 000 presses in 5 900 and in 714 commits.
const LOG_BYTES: (f64, f64) = (900.0, 220.0);
/// Bytes of log that Aurora bills as one write; a commit is at least one write
/// (<https://aws.amazon.com/rds/aurora/faqs/>).
const WRITE_BYTES: f64 = 4096.0;
/// Bytes between handler and database per press: the row read and the row written.
const ROW_BYTES: f64 = 300.0;
/// ECPU per press: a script removes a member of the sorted set and adds another.
const ECPU: f64 = 3.0;

/// One capacity unit of a load balancer: new connections per second, open connections, GB per hour
/// (<https://aws.amazon.com/elasticloadbalancing/pricing/>).
struct CapacityUnit {
    new_s: f64,
    open: f64,
    gb: f64,
}

const NLB_TCP: CapacityUnit = CapacityUnit { new_s: 800.0, open: 100_000.0, gb: 1.0 };
const NLB_TLS: CapacityUnit = CapacityUnit { new_s: 50.0, open: 3_000.0, gb: 1.0 };
const ALB: CapacityUnit = CapacityUnit { new_s: 25.0, open: 3_000.0, gb: 1.0 };
/// How long a phone's connection stays open, in seconds: the server closes it after 10 to 20 s of silence.
const CONNECTION_S: f64 = 15.0;
/// Bytes that a Network Load Balancer counts besides the payload: eight packets with 40 bytes of headers each. Three open
/// the connection, two carry request and answer, three close it.
const PACKET_BYTES: f64 = 320.0;
/// Bytes of a full TLS handshake from the server, mostly certificates, and to it.
const HANDSHAKE_BYTES: (f64, f64) = (4_500.0, 500.0);

impl CapacityUnit {
    /// Unit-hours of one connection that carries `bytes`: the largest of the three dimensions.
    fn hours(&self, bytes: f64) -> f64 {
        let new = 1.0 / self.new_s / SECONDS_PER_HOUR;
        let open = CONNECTION_S / self.open / SECONDS_PER_HOUR;
        new.max(open).max(bytes / GB / self.gb)
    }
}

/// One item of the cost of a million presses.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub name: &'static str,
    /// Dollars in the packed design.
    pub packed_usd: f64,
    /// Dollars with one message per press; `None` if that design does not have it.
    pub each_usd: Option<f64>,
}

/// The cost of a million presses.
pub fn lines(inputs: &Inputs, prices: &Prices, packing: &Packing) -> Vec<Line> {
    let line = |name, packed: f64, each: f64| Line {
        name,
        packed_usd: packed * MILLION,
        each_usd: Some(each * MILLION),
    };
    let alone = |name, packed: f64| Line { name, packed_usd: packed * MILLION, each_usd: None };
    vec![
        line("HTTP front", front(inputs, prices), prices.http_api_request_million.usd / MILLION),
        line("SQS", sqs(prices, packing), each::sqs(prices)),
        line("compute", compute(inputs, prices), each::compute(prices)),
        line("database", database(prices, packing), each::database(prices)),
        line("egress", egress(inputs, prices), each::egress(prices)),
        alone("board of ranks", ECPU * prices.valkey_ecpu_million.usd / MILLION),
        alone("between zones, endpoints", inside(inputs, prices)),
    ]
}

/// The sums in dollars: packed, and one message per press.
pub fn totals(lines: &[Line]) -> (f64, f64) {
    let packed = lines.iter().map(|line| line.packed_usd).sum();
    (packed, lines.iter().filter_map(|line| line.each_usd).sum())
}

/// Bytes of a connection that carries one press.
fn connection_bytes(inputs: &Inputs) -> f64 {
    let handshake = if inputs.tls { HANDSHAKE_BYTES.0 + HANDSHAKE_BYTES.1 } else { 0.0 };
    inputs.request_bytes + inputs.answer_bytes + PACKET_BYTES + handshake
}

/// The load balancer, with a new connection per press.
fn front(inputs: &Inputs, prices: &Prices) -> f64 {
    let unit = if inputs.tls { NLB_TLS } else { NLB_TCP };
    unit.hours(connection_bytes(inputs)) * prices.nlb_capacity_unit_hour.usd
}

/// Dollars per million presses for the capacity units of an Application Load Balancer.
pub fn application_load_balancer(inputs: &Inputs, prices: &Prices) -> f64 {
    ALB.hours(connection_bytes(inputs)) * prices.alb_capacity_unit_hour.usd * MILLION
}

/// Sends, receives and deletes of envelopes, on a FIFO queue.
fn sqs(prices: &Prices, packing: &Packing) -> f64 {
    packing.requests_per_command().total() * prices.sqs_fifo_request_million.usd / MILLION
}

/// An hour of a process with this CPU and memory.
pub fn node_hour(prices: &Prices, vcpu: f64, gb: f64) -> f64 {
    vcpu * prices.fargate_vcpu_hour.usd + gb * prices.fargate_gb_hour.usd
}

/// CPU time for accepting and applying, as if it were billed by the second: more presses need more nodes.
fn compute(inputs: &Inputs, prices: &Prices) -> f64 {
    let ingest = node_hour(prices, 1.0, inputs.ingest_gb / inputs.node_vcpu);
    let handler = node_hour(prices, 1.0, GB_PER_VCPU);
    (ingest + handler) / PRESSES_PER_VCPU_S / SECONDS_PER_HOUR
}

/// Dollars for `vcpu_s` seconds of a vCPU of the database.
fn database_s(prices: &Prices, vcpu_s: f64) -> f64 {
    vcpu_s * ACU_PER_VCPU / SECONDS_PER_HOUR * prices.aurora_capacity_unit_hour.usd
}

/// Rows and log are written in batches.
fn database(prices: &Prices, packing: &Packing) -> f64 {
    let presses = packing.commands_per_commit();
    let vcpu_s = 1.0 / ROWS_PER_VCPU_S + STATEMENTS_PER_COMMIT / STATEMENTS_PER_VCPU_S / presses;
    let writes = ((LOG_BYTES.0 + LOG_BYTES.1 * presses) / WRITE_BYTES).max(1.0) / presses;
    database_s(prices, vcpu_s) + writes * prices.aurora_io_million.usd / MILLION
}

/// The answers. Packet headers are counted in neither design.
fn egress(inputs: &Inputs, prices: &Prices) -> f64 {
    let handshake = if inputs.tls { HANDSHAKE_BYTES.0 } else { 0.0 };
    (inputs.answer_bytes + handshake) / GB * prices.egress_gb.usd
}

/// Envelopes pass the endpoint of SQS twice. Rows cross zones if handler and database are in different ones; AWS bills
/// both sides.
fn inside(inputs: &Inputs, prices: &Prices) -> f64 {
    let elsewhere = 1.0 - 1.0 / inputs.zones;
    let endpoint = 2.0 * inputs.press_bytes / GB * prices.endpoint_gb.usd;
    endpoint + elsewhere * 2.0 * ROW_BYTES / GB * prices.zone_transfer_gb.usd
}

/// The design with one message per press. Its SQS queue is a standard queue, without ordering.
mod each {
    use super::{GB, MILLION, Prices, STATEMENTS_PER_VCPU_S, database_s};

    /// Messages per invocation of Lambda, by default
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
    const BATCH: f64 = 10.0;
    /// GB of memory and seconds of one invocation: ten presses in sequence, 9 ms each.
    const INVOCATION: (f64, f64) = (0.25, 0.09);
    /// Statements per press: one reads the player, one writes it.
    const STATEMENTS: f64 = 2.0;
    /// Bytes of an answer of API Gateway, with its head.
    const ANSWER_BYTES: f64 = 350.0;

    /// Each press is sent alone; a receive or delete has ten.
    pub(super) fn sqs(prices: &Prices) -> f64 {
        (1.0 + 2.0 / BATCH) * prices.sqs_standard_request_million.usd / MILLION
    }

    pub(super) fn compute(prices: &Prices) -> f64 {
        let gb_s = INVOCATION.0 * INVOCATION.1;
        (prices.lambda_request_million.usd / MILLION + gb_s * prices.lambda_gb_second.usd) / BATCH
    }

    /// Each press is a commit, and so at least one write.
    pub(super) fn database(prices: &Prices) -> f64 {
        database_s(prices, STATEMENTS / STATEMENTS_PER_VCPU_S) + prices.aurora_io_million.usd / MILLION
    }

    pub(super) fn egress(prices: &Prices) -> f64 {
        ANSWER_BYTES / GB * prices.egress_gb.usd
    }
}

/// Dollars per million reads of `/fetch/self` through API Gateway and Lambda: 256 MB for 5 ms, an answer of 550 bytes.
pub fn reads(prices: &Prices) -> f64 {
    let lambda = prices.lambda_request_million.usd + 0.25 * 0.005 * prices.lambda_gb_second.usd * MILLION;
    prices.http_api_request_million.usd + lambda + 550.0 / GB * prices.egress_gb.usd * MILLION
}
