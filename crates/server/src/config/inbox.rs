//! The ordered inbox.

use std::fmt;
use std::path::{Path, PathBuf};

use settings::{Given, Role, Setting, StoreAddress, embedded_file, settings};

/// The roles that open the inbox.
const ROLES: &[Role] = &[Role::Ingest, Role::Handler, Role::Scheduler, Role::Tool];

settings! {
    /// The ordered inbox.
    pub struct InboxSettings {
        pub address: QueueAddress = address, Setting::new(
            "QUEUE_URL", "embedded, sqlite:PATH or sqs:URL",
            "the ordered inbox; with SQS, region, keys and endpoint come from the SDK's AWS_* variables",
        ).default("embedded").roles(ROLES);
        pub partitions: u16 = partitions, Setting::new(
            "PARTITIONS", "count; auto: 1 with inbox and store embedded, else 16",
            "number of partitions of the inbox; fixed for a game, `repartition` changes it while the \
             game is stopped",
        ).default("auto").within(1, game::bounds::PARTITIONS_MAX as i64);
        /// How long the lease of a handler on a partition lasts, in milliseconds.
        pub visibility_ms: i64 = visibility_ms, Setting::new(
            "VISIBILITY_MS", "milliseconds; auto: 5000 with an embedded inbox, else 30000",
            "how long a handler that died keeps its partitions before another takes over",
        ).default("auto").dev("2000").within(1_000, 43_200_000);
        pub envelope_bytes_max: usize = Given::number, Setting::new(
            "ENVELOPE_BYTES_MAX", "bytes",
            "maximum size of an inbox message; a larger batch is split",
        ).default("65536").within(32_768, 262_144).roles(&[Role::Ingest]);
        pub file_bytes_max: u64 = Given::number, Setting::new(
            "INBOX_BYTES_MAX", "bytes",
            "maximum size of the embedded inbox's file",
        ).default("17179869184").within(1 << 20, 1 << 44).roles(ROLES);
    }
}

/// Location of the ordered inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAddress {
    /// A file on this machine.
    File(PathBuf),
    /// The URL of an SQS FIFO queue. Region, credentials and endpoint come from AWS's SDK.
    Sqs(String),
}

impl QueueAddress {
    fn parse(text: &str, data: &Path) -> Result<Self, String> {
        if let Some(path) = embedded_file(text, data, "inbox.sqlite") {
            return Ok(Self::File(path));
        }
        match text.strip_prefix("sqs:").filter(|url| is_web(url)) {
            Some(url) => Ok(Self::Sqs(url.to_owned())),
            None => {
                Err("must be `embedded`, `sqlite:PATH` or `sqs:` and the https URL of a FIFO queue"
                    .to_owned())
            }
        }
    }

    /// Whether it is a file on this machine.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Sqs(url) => f.write_str(url),
        }
    }
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.contains('/') && url.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn address(given: Given<'_>) -> Result<QueueAddress, String> {
    QueueAddress::parse(given.text()?, Path::new(given.other("DATA")))
}

/// Whether the inbox is a service. An invalid address counts as a file.
fn is_service(given: Given<'_>) -> bool {
    matches!(QueueAddress::parse(given.other("QUEUE_URL"), Path::new("")), Ok(QueueAddress::Sqs(_)))
}

fn partitions(given: Given<'_>) -> Result<u16, String> {
    // A process that only reads may not know the inbox, so the store counts too.
    let store = StoreAddress::parse(given.other("STORE_URL"), Path::new(""));
    let services = is_service(given) || matches!(store, Ok(StoreAddress::Postgres(_)));
    given.number_or(if services { 16 } else { 1 })
}

fn visibility_ms(given: Given<'_>) -> Result<i64, String> {
    given.number_or(if is_service(given) { 30_000 } else { 5_000 })
}
