//! A fresh inbox, a crowd that is a tally, and a way on which answers get lost.

mod site;
pub(crate) mod tally;
pub(crate) mod way;

use engine::clock::Clock;
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder};
use queue::{AccessKey, Options, Queue, Service};
use servers::sqs;
pub(crate) use site::{ALL, NOW, NOW_MS, Site, VISIBILITY_MS, in_time, unlock};
use tempfile::TempDir;

impl Site {
    /// With an inbox in SQS, which is reached at this address or directly. Its leases run out for us by the clock of
    /// the test, and for the server by its own.
    pub(crate) async fn sqs(address: Option<&str>, visibility_ms: i64) -> Self {
        Self::sqs_by(Clock::manual(NOW_MS), address, visibility_ms).await
    }

    /// The same, by another clock.
    pub(crate) async fn sqs_by(clock: Clock, address: Option<&str>, visibility_ms: i64) -> Self {
        let server = sqs::server();
        let made = Box::pin(server.make("game", sqs::QueueOptions::default())).await;
        let service = Service {
            queue_url: made.queue_url,
            endpoint_url: Some(address.unwrap_or(server.address()).to_owned()),
            region: Some(sqs::REGION.to_owned()),
            access_key: Some(AccessKey { id: sqs::KEY.to_owned(), secret: sqs::KEY.to_owned() }),
        };
        let options = Options { visibility_ms, ..Options::default() };
        let queue = Box::pin(Queue::open_sqs(&service, options, clock.as_fn())).await.unwrap();
        Self { clock, queue, folder: TempDir::new().unwrap() }
    }

    /// An envelope of this inbox with these payloads.
    pub(crate) fn envelope(&self, partitions: u16, id: &str, payloads: &[&str]) -> String {
        let mut builder = EnvelopeBuilder::new(self.queue.inbox_id(), partitions, id, ENVELOPE_BYTES_MAX);
        for payload in payloads {
            builder.push(None, NOW_MS, payload.as_bytes()).unwrap();
        }
        builder.finish()
    }
}
