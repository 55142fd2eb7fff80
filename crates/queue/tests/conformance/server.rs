//! The SQS servers that the suite runs on.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use aws_sdk_sqs::Client;
use queue::{AccessKey, Options, Service};
use servers::sqs;

use crate::fake::Fake;

/// A server; stops on drop.
pub(crate) enum Server {
    /// In this process, with the test's clock.
    Fake(Fake),
    /// In its own process, with its own clock; shared by the checks.
    Shared(&'static sqs::Server),
}

impl Server {
    pub(crate) async fn fake(clock: &Arc<AtomicI64>) -> Self {
        Self::Fake(Fake::start(Arc::clone(clock)).await)
    }

    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Fake(fake) => fake.address(),
            Self::Shared(server) => server.address(),
        }
    }

    /// The server in this process.
    pub(crate) fn as_fake(&self) -> &Fake {
        match self {
            Self::Fake(fake) => fake,
            Self::Shared(_) => panic!("the server is another process"),
        }
    }

    /// An SQS client, as an operator would use.
    pub(crate) async fn client(&self) -> Client {
        sqs::client(self.address()).await
    }

    /// Makes an inbox, and returns how to connect to it.
    pub(crate) async fn make(&self, options: &Options) -> Service {
        let options = sqs::QueueOptions { receive_max: options.receive_max };
        let made = sqs::make(self.address(), "inbox", options).await;
        service(self.address(), made.queue_url)
    }
}

/// How to connect to a queue.
pub(crate) fn service(address: &str, queue_url: String) -> Service {
    Service {
        queue_url,
        endpoint_url: Some(address.to_owned()),
        region: Some(sqs::REGION.to_owned()),
        access_key: Some(AccessKey { id: sqs::KEY.to_owned(), secret: sqs::KEY.to_owned() }),
    }
}
