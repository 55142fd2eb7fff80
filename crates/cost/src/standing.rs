//! Fixed costs: what a month costs even if nobody presses.

use serde::Serialize;

use crate::HOURS_PER_MONTH;
use crate::deployed::{GAUGES_MS, HANDLER_LOOPS_MAX, RECEIVE_WAIT_MS};
use crate::inputs::Inputs;
use crate::presses::{GB, GB_PER_VCPU, node_hour};
use crate::prices::Prices;

/// Capacity of Aurora Serverless v2 that is always in use: it could pause at 0, but every process queries it several times
/// a second.
const ACU_AWAKE_MIN: f64 = 0.5;
/// Bytes of a player's row with its index.
const PLAYER_BYTES: f64 = 400.0;
/// Bytes of a player in the sorted set of ranks, measured.
const STANDING_BYTES: f64 = 110.0;
/// Minimum that ElastiCache Serverless for Valkey bills (<https://aws.amazon.com/elasticache/pricing/>).
const BOARD_GB_MIN: f64 = 0.1;
/// Schedulers among the other nodes: one, and one in reserve.
const SCHEDULERS: f64 = 2.0;
/// Ten container images of 0.03 GB.
const IMAGES_GB: f64 = 0.3;

/// A fixed cost.
#[derive(Debug, Clone, Serialize)]
pub struct StandingCost {
    pub name: &'static str,
    /// Dollars per month.
    pub usd: f64,
    /// Whether only the packed design has it.
    pub packed_only: bool,
}

/// The fixed costs.
pub fn lines(inputs: &Inputs, prices: &Prices) -> Vec<StandingCost> {
    let packed = |name, usd| StandingCost { name, usd, packed_only: true };
    let both = |name, usd| StandingCost { name, usd, packed_only: false };
    vec![
        packed(
            "interface endpoints",
            inputs.endpoints * inputs.zones * prices.endpoint_hour.usd * HOURS_PER_MONTH,
        ),
        packed("ingest and handlers", ingest_and_handlers(inputs, prices)),
        packed("schedulers, push, live", inputs.other_nodes * small_node(prices, inputs.other_vcpu)),
        packed("load balancer, its addresses", load_balancer(inputs, prices)),
        packed("SQS, asked while it is empty", polling(inputs, prices)),
        both("database, at its least", database(inputs, prices)),
        both("database, what it stores", storage(inputs, prices)),
        both("board, what it stores", board(inputs, prices)),
        both("secrets and their key", inputs.secrets * prices.secret_month.usd + prices.kms_key_month.usd),
        both(
            "alarms, metrics, logs, images",
            inputs.alarms * prices.alarm_month.usd
                + inputs.metrics * prices.metric_month.usd
                + prices.dashboard_month.usd
                + inputs.log_gb * prices.log_gb.usd
                + IMAGES_GB * prices.image_gb_month.usd,
        ),
    ]
}

/// Dollars per month: all costs, and those of the packed design only.
pub fn totals(lines: &[StandingCost]) -> (f64, f64) {
    let only = lines.iter().filter(|line| line.packed_only).map(|line| line.usd);
    (lines.iter().map(|line| line.usd).sum(), only.sum())
}

fn ingest_and_handlers(inputs: &Inputs, prices: &Prices) -> f64 {
    let ingest = node_hour(prices, inputs.node_vcpu, inputs.ingest_gb) * HOURS_PER_MONTH;
    inputs.ingest_nodes * ingest + inputs.handlers * small_node(prices, inputs.node_vcpu)
}

/// A month of a process with the minimum of memory.
fn small_node(prices: &Prices, vcpu: f64) -> f64 {
    node_hour(prices, vcpu, vcpu * GB_PER_VCPU) * HOURS_PER_MONTH
}

/// One load balancer, with a public address in each zone.
fn load_balancer(inputs: &Inputs, prices: &Prices) -> f64 {
    (prices.nlb_hour.usd + inputs.zones * prices.public_ipv4_hour.usd) * HOURS_PER_MONTH
}

/// Requests to an empty queue. For its gauges, every process with the inbox asks for the size of the queue, and all but
/// ingest also for that of the dead letters. Every handler loop receives, with the longest wait that SQS allows.
fn polling(inputs: &Inputs, prices: &Prices) -> f64 {
    let ms_per_month = HOURS_PER_MONTH * 3_600_000.0;
    let queues = inputs.ingest_nodes + 2.0 * (inputs.handlers + SCHEDULERS.min(inputs.other_nodes));
    let gauges = queues * ms_per_month / GAUGES_MS;
    let loops = inputs.handlers * inputs.partitions.min(HANDLER_LOOPS_MAX);
    let receives = loops * ms_per_month / RECEIVE_WAIT_MS;
    (gauges * prices.sqs_standard_request_million.usd + receives * prices.sqs_fifo_request_million.usd) / 1e6
}

fn database(inputs: &Inputs, prices: &Prices) -> f64 {
    inputs.acu_min.max(ACU_AWAKE_MIN) * prices.aurora_capacity_unit_hour.usd * HOURS_PER_MONTH
}

/// Rows of players, and the journal of all commands.
fn storage(inputs: &Inputs, prices: &Prices) -> f64 {
    let journal = inputs.journal_months * inputs.presses_per_month() * inputs.press_bytes;
    (inputs.players * PLAYER_BYTES + journal) / GB * prices.aurora_storage_gb_month.usd
}

fn board(inputs: &Inputs, prices: &Prices) -> f64 {
    (inputs.players * STANDING_BYTES / GB).max(BOARD_GB_MIN) * prices.valkey_gb_hour.usd * HOURS_PER_MONTH
}
