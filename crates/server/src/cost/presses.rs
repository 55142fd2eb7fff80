//! What a million presses cost, line by line, on both ways: packed (load balancer → ingest → envelopes → handler), and
//! with one message for each press (API Gateway → SQS → Lambda). Only what more presses cost more; what stands there
//! while nothing happens is in `standing`.

use serde::Serialize;

use super::inputs::Inputs;
use super::packing::Packing;
use super::prices::Prices;

/// Bytes of a GB, as AWS bills them.
pub const GB: f64 = 1_073_741_824.0;
const MILLION: f64 = 1e6;
const SECONDS_PER_HOUR: f64 = 3600.0;
/// Memory that Fargate gives with a vCPU at the least: 2 GB (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
pub const GB_PER_VCPU: f64 = 2.0;
/// Presses a second that one vCPU takes, or applies. Measured on both cores of a small machine with the load generator
/// beside: 75 000 taken and 68 000 applied; less than half of that is left for signing requests to SQS and talking to
/// PostgreSQL.
pub const PRESSES_PER_VCPU_S: f64 = 30_000.0;
/// Capacity units that have the power of a vCPU: an ACU is 2 GiB with processors to match, and AWS's memory-optimised
/// machines have 8 GiB for a vCPU.
const ACU_PER_VCPU: f64 = 4.0;
/// Rows that PostgreSQL writes in batches on one vCPU in a second: measured, 1 000 a batch.
const ROWS_PER_VCPU_S: f64 = 83_000.0;
/// Single statements that PostgreSQL does on one vCPU in a second: measured, prepared UPDATEs.
const STATEMENTS_PER_VCPU_S: f64 = 4_600.0;
/// Statements of one commit of the handler: players are read, and everything is written.
const STATEMENTS_PER_COMMIT: f64 = 2.0;
/// Bytes of the database's log that a commit writes, and that each press in it adds: measured on PostgreSQL 15 without
/// full pages, which Aurora does not write; 20 000 presses in 5 900 and in 714 commits.
const LOG_BYTES: (f64, f64) = (900.0, 220.0);
/// Aurora bills a write for each 4 KiB of the log, and each commit is at least one
/// (<https://aws.amazon.com/rds/aurora/faqs/>).
const WRITE_BYTES: f64 = 4096.0;
/// Bytes between handler and database for one press: the row read and the row written.
const ROW_BYTES: f64 = 300.0;
/// ECPU of one press: a member of the sorted set removed and another added, in a script.
const ECPU: f64 = 3.0;

/// New connections a second, open connections and bytes an hour that one capacity unit of a load balancer is
/// (<https://aws.amazon.com/elasticloadbalancing/pricing/>).
struct CapacityUnit {
    new_s: f64,
    open: f64,
    gb: f64,
}

const NLB_TCP: CapacityUnit = CapacityUnit { new_s: 800.0, open: 100_000.0, gb: 1.0 };
const NLB_TLS: CapacityUnit = CapacityUnit { new_s: 50.0, open: 3_000.0, gb: 1.0 };
const ALB: CapacityUnit = CapacityUnit { new_s: 25.0, open: 3_000.0, gb: 1.0 };
/// How long a phone's connection stays open: the server closes it after 10 to 20 s of silence.
const CONNECTION_S: f64 = 15.0;
/// What a Network Load Balancer counts beside the payload: eight packets with 40 bytes of headers each; three to open,
/// the request, its answer, three to close.
const PACKET_BYTES: f64 = 320.0;
/// A full TLS handshake, from the server and to it: mostly the certificates.
const HANDSHAKE_BYTES: (f64, f64) = (4_500.0, 500.0);

impl CapacityUnit {
    /// Unit-hours of one connection that carries this: the largest of the three counts.
    fn hours(&self, bytes: f64) -> f64 {
        let new = 1.0 / self.new_s / SECONDS_PER_HOUR;
        let open = CONNECTION_S / self.open / SECONDS_PER_HOUR;
        new.max(open).max(bytes / GB / self.gb)
    }
}

/// One line of what a million presses cost.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What is paid for.
    pub name: &'static str,
    /// Dollars when presses are packed.
    pub packed_usd: f64,
    /// Dollars with one message for each press; `None`: not counted there.
    pub each_usd: Option<f64>,
}

/// The lines of a million presses.
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
        line("compute", compute(prices), each::compute(prices)),
        line("database", database(prices, packing), each::database(prices)),
        line("egress", egress(inputs, prices), each::egress(prices)),
        alone("board of ranks", ECPU * prices.valkey_ecpu_million.usd / MILLION),
        alone("between zones, endpoints", inside(inputs, prices)),
    ]
}

/// Dollars of these lines together: packed, and one message for each press.
pub fn totals(lines: &[Line]) -> (f64, f64) {
    let packed = lines.iter().map(|line| line.packed_usd).sum();
    (packed, lines.iter().filter_map(|line| line.each_usd).sum())
}

/// Bytes of a press on its connection.
fn connection_bytes(inputs: &Inputs) -> f64 {
    let handshake = if inputs.tls { HANDSHAKE_BYTES.0 + HANDSHAKE_BYTES.1 } else { 0.0 };
    inputs.request_bytes + inputs.answer_bytes + PACKET_BYTES + handshake
}

/// The load balancer, a new connection for each press.
fn front(inputs: &Inputs, prices: &Prices) -> f64 {
    let unit = if inputs.tls { NLB_TLS } else { NLB_TCP };
    unit.hours(connection_bytes(inputs)) * prices.nlb_capacity_unit_hour.usd
}

/// Dollars a million presses that an Application Load Balancer would cost for its capacity units.
pub fn application_load_balancer(inputs: &Inputs, prices: &Prices) -> f64 {
    ALB.hours(connection_bytes(inputs)) * prices.alb_capacity_unit_hour.usd * MILLION
}

/// Send, receive and delete of envelopes, on a FIFO queue.
fn sqs(prices: &Prices, packing: &Packing) -> f64 {
    packing.requests_per_command().total() * prices.sqs_fifo_request_million.usd / MILLION
}

/// One vCPU-hour with its memory.
pub fn vcpu_hour(prices: &Prices) -> f64 {
    prices.fargate_vcpu_hour.usd + GB_PER_VCPU * prices.fargate_gb_hour.usd
}

/// The time that taking and applying need, as if it were billed by the second: it is what nodes must be added for when
/// presses grow.
fn compute(prices: &Prices) -> f64 {
    2.0 / PRESSES_PER_VCPU_S / SECONDS_PER_HOUR * vcpu_hour(prices)
}

/// So many seconds of a vCPU of the database.
fn database_s(prices: &Prices, vcpu_s: f64) -> f64 {
    vcpu_s * ACU_PER_VCPU / SECONDS_PER_HOUR * prices.aurora_capacity_unit_hour.usd
}

/// Rows and log are written batch by batch.
fn database(prices: &Prices, packing: &Packing) -> f64 {
    let presses = packing.commands_per_commit();
    let vcpu_s = 1.0 / ROWS_PER_VCPU_S + STATEMENTS_PER_COMMIT / STATEMENTS_PER_VCPU_S / presses;
    let writes = ((LOG_BYTES.0 + LOG_BYTES.1 * presses) / WRITE_BYTES).max(1.0) / presses;
    database_s(prices, vcpu_s) + writes * prices.aurora_io_million.usd / MILLION
}

/// The answers; packets' headers are counted on neither way.
fn egress(inputs: &Inputs, prices: &Prices) -> f64 {
    let handshake = if inputs.tls { HANDSHAKE_BYTES.0 } else { 0.0 };
    (inputs.answer_bytes + handshake) / GB * prices.egress_gb.usd
}

/// Envelopes go through SQS's endpoint twice. Rows cross zones where handler and database are not in the same: both
/// directions are billed on both sides.
fn inside(inputs: &Inputs, prices: &Prices) -> f64 {
    let elsewhere = 1.0 - 1.0 / inputs.zones;
    let endpoint = 2.0 * inputs.press_bytes / GB * prices.endpoint_gb.usd;
    endpoint + elsewhere * 2.0 * ROW_BYTES / GB * prices.zone_transfer_gb.usd
}

/// The way with one message for each press. Its SQS queue is a standard one, which keeps no order.
mod each {
    use super::{GB, MILLION, Prices, STATEMENTS_PER_VCPU_S, database_s};

    /// Messages that Lambda is given at a time, by default
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
    const BATCH: f64 = 10.0;
    /// GB of memory and seconds of one invocation: ten presses, one after the other, of 9 ms each.
    const INVOCATION: (f64, f64) = (0.25, 0.09);
    /// Statements of one press: the player is read, and written.
    const STATEMENTS: f64 = 2.0;
    /// Bytes of API Gateway's answer with its head.
    const ANSWER_BYTES: f64 = 350.0;

    /// Each press is sent alone; receives and deletes are of ten.
    pub(super) fn sqs(prices: &Prices) -> f64 {
        (1.0 + 2.0 / BATCH) * prices.sqs_standard_request_million.usd / MILLION
    }

    pub(super) fn compute(prices: &Prices) -> f64 {
        let gb_s = INVOCATION.0 * INVOCATION.1;
        (prices.lambda_request_million.usd / MILLION + gb_s * prices.lambda_gb_second.usd) / BATCH
    }

    /// Each press is a commit of its own, and so at least one write.
    pub(super) fn database(prices: &Prices) -> f64 {
        database_s(prices, STATEMENTS / STATEMENTS_PER_VCPU_S) + prices.aurora_io_million.usd / MILLION
    }

    pub(super) fn egress(prices: &Prices) -> f64 {
        ANSWER_BYTES / GB * prices.egress_gb.usd
    }
}

/// Dollars of a million reads of `/fetch/self` through API Gateway and the fetch Lambda: 256 MB for 5 ms, an answer of
/// 550 bytes.
pub fn reads(prices: &Prices) -> f64 {
    let lambda = prices.lambda_request_million.usd + 0.25 * 0.005 * prices.lambda_gb_second.usd * MILLION;
    prices.http_api_request_million.usd + lambda + 550.0 / GB * prices.egress_gb.usd * MILLION
}
