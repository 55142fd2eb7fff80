//! List prices. They stand in one file, each with what it is for and where it was read; another file can be given.

use serde::Deserialize;

/// The prices that come with the program.
const EMBEDDED: &str = include_str!("prices.json");

/// One price.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "PriceJson")]
pub struct Price {
    /// Dollars.
    pub usd: f64,
    /// What one has for that.
    pub per: String,
    /// Where it was read.
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

/// All prices that the formulas use. Names end with what the price is for one of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// When they were so.
    pub as_of: String,
    /// Where they are so.
    pub region: String,
    /// API Gateway, HTTP API.
    pub http_api_request_million: Price,
    /// Lambda, invocations.
    pub lambda_request_million: Price,
    /// Lambda, time.
    pub lambda_gb_second: Price,
    /// SQS, standard queues.
    pub sqs_standard_request_million: Price,
    /// SQS, FIFO queues.
    pub sqs_fifo_request_million: Price,
    /// A Network Load Balancer that stands there.
    pub nlb_hour: Price,
    /// What a Network Load Balancer does.
    pub nlb_capacity_unit_hour: Price,
    /// What an Application Load Balancer does.
    pub alb_capacity_unit_hour: Price,
    /// A public address.
    pub public_ipv4_hour: Price,
    /// Fargate, processors.
    pub fargate_vcpu_hour: Price,
    /// Fargate, memory.
    pub fargate_gb_hour: Price,
    /// Aurora Serverless v2, capacity.
    pub aurora_capacity_unit_hour: Price,
    /// Aurora, I/O.
    pub aurora_io_million: Price,
    /// Aurora, storage.
    pub aurora_storage_gb_month: Price,
    /// ElastiCache Serverless, data.
    pub valkey_gb_hour: Price,
    /// ElastiCache Serverless, commands.
    pub valkey_ecpu_million: Price,
    /// To the internet.
    pub egress_gb: Price,
    /// To another zone.
    pub zone_transfer_gb: Price,
    /// An interface endpoint that stands there.
    pub endpoint_hour: Price,
    /// Through an interface endpoint.
    pub endpoint_gb: Price,
    /// Secrets Manager.
    pub secret_month: Price,
    /// KMS.
    pub kms_key_month: Price,
    /// CloudWatch, alarms.
    pub alarm_month: Price,
    /// CloudWatch, metrics that AWS does not bring.
    pub metric_month: Price,
    /// CloudWatch, dashboards.
    pub dashboard_month: Price,
    /// CloudWatch, logs.
    pub log_gb: Price,
    /// ECR.
    pub image_gb_month: Price,
}

impl Prices {
    /// The prices that come with the program.
    ///
    /// # Errors
    /// None in practice: a test reads them.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        Self::parse(EMBEDDED)
    }

    /// Reads a file of prices; it must hold all of them and nothing else.
    ///
    /// # Errors
    /// What is missing, unknown or no price, by name or line.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
