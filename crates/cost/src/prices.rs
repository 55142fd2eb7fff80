//! List prices, from one JSON file. Each price has its unit and its source. `--prices` names another file.

use serde::Deserialize;

const EMBEDDED: &str = include_str!("prices.json");

/// A price, with its unit and the page that it was read from.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "PriceJson")]
pub struct Price {
    pub usd: f64,
    pub per: String,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceJson {
    usd: f64,
    per: String,
    source: String,
}

impl TryFrom<PriceJson> for Price {
    type Error = String;

    fn try_from(PriceJson { usd, per, source }: PriceJson) -> Result<Self, String> {
        if usd.is_finite() && usd >= 0.0 {
            Ok(Self { usd, per, source })
        } else {
            Err(format!("usd of \"{per}\" must be 0 or more"))
        }
    }
}

/// All prices that the formulas use. The name of a field ends with its unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The date of the prices, for the report.
    pub as_of: String,
    pub region: String,
    pub http_api_request_million: Price,
    pub lambda_request_million: Price,
    pub lambda_gb_second: Price,
    pub sqs_standard_request_million: Price,
    pub sqs_fifo_request_million: Price,
    pub nlb_hour: Price,
    pub nlb_capacity_unit_hour: Price,
    pub alb_capacity_unit_hour: Price,
    pub public_ipv4_hour: Price,
    pub fargate_vcpu_hour: Price,
    pub fargate_gb_hour: Price,
    pub aurora_capacity_unit_hour: Price,
    pub aurora_io_million: Price,
    pub aurora_storage_gb_month: Price,
    pub valkey_gb_hour: Price,
    pub valkey_ecpu_million: Price,
    pub egress_gb: Price,
    pub zone_transfer_gb: Price,
    pub endpoint_hour: Price,
    pub endpoint_gb: Price,
    pub secret_month: Price,
    pub kms_key_month: Price,
    pub alarm_month: Price,
    pub metric_month: Price,
    pub dashboard_month: Price,
    pub log_gb: Price,
    pub image_gb_month: Price,
}

impl Prices {
    /// The prices that are compiled in.
    ///
    /// # Errors
    /// None in practice: a test parses them.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        Self::parse(EMBEDDED)
    }

    /// Parses a file of prices. It must have every field and no other.
    ///
    /// # Errors
    /// Names the field that is missing, unknown or not a price.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
