//! The inbox as an SQS FIFO queue: a partition is a message group.
//!
//! Work that SQS leaves to this crate:
//! * Order on the way in: a message of a partition is sent only when the one before it is stored.
//! * A lease covers the messages of one group that one receive returned, at most ten; more cannot be added to it.
//! * SQS may accept the receipt of an expired lease, and then deletes messages that another lease holds. So a lease
//!   also expires by this process's clock. Safety does not depend on that clock: a handler acks only applied messages,
//!   and the position fences their application.

mod connect;
mod dead;
mod lease;
mod patience;
mod receive;
mod retry;
mod send;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use tokio_util::sync::CancellationToken;

use self::patience::Patience;
use crate::bounds::LAST_LOOK_S;
use crate::error::Error;
use crate::{Backlog, NowMs, Options, Sequence};

/// The address of an SQS queue and the access to it. What is `None` is found as by every program with AWS's SDK: in
/// the environment, a profile, or the role of the machine.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The queue's URL.
    pub queue_url: String,
    /// Another endpoint than AWS's.
    pub endpoint_url: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<AccessKey>,
}

/// An access key of AWS.
#[derive(Clone)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(crate) use lease::Receipts;

/// The inbox in SQS; used through [`Queue`](crate::Queue).
#[derive(Clone)]
pub struct Sqs(Arc<Inner>);

struct Inner {
    client: Client,
    url: String,
    dead_url: String,
    inbox_id: String,
    /// The `maxReceiveCount` of the redrive policy.
    receive_max: u32,
    options: Options,
    now_ms: NowMs,
    /// When the oldest message of the last receive was sent; [`NOTHING`] if it returned none.
    oldest_sent_at_ms: AtomicI64,
    /// Counts the calls; seeds the jitter of each.
    calls: AtomicU64,
    patience: Patience,
    closed: CancellationToken,
}

/// Stands for "no message".
const NOTHING: i64 = i64::MAX;

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs")
            .field("url", &self.0.url)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Sqs {
    pub(crate) async fn open(service: &Service, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        let seed = now_ms().unsigned_abs();
        let mut inner = Inner {
            client: connect::client(service).await,
            url: service.queue_url.clone(),
            dead_url: String::new(),
            inbox_id: String::new(),
            receive_max: 0,
            options,
            now_ms,
            oldest_sent_at_ms: AtomicI64::new(NOTHING),
            calls: AtomicU64::new(seed),
            patience: Patience::new(),
            closed: CancellationToken::new(),
        };
        inner.look_up().await?;
        Ok(Self(Arc::new(inner)))
    }

    pub(crate) fn inbox_id(&self) -> &str {
        &self.0.inbox_id
    }

    pub(crate) async fn backlog(&self) -> Result<Backlog, Error> {
        const VISIBLE: Attribute = Attribute::ApproximateNumberOfMessages;
        const IN_FLIGHT: Attribute = Attribute::ApproximateNumberOfMessagesNotVisible;
        let [arn, made_at] = connect::IDENTITY;
        let alive = self.0.attributes(&self.0.url, &[VISIBLE, IN_FLIGHT, arn, made_at]).await?;
        self.0.must_be_same(&alive)?;
        let dead = self.0.attributes(&self.0.dead_url, &[VISIBLE, IN_FLIGHT]).await?;
        let in_flight = alive.number(&IN_FLIGHT)?;
        let messages = alive.number(&VISIBLE)? + in_flight;
        let oldest = Some(self.0.oldest_sent_at_ms.load(Ordering::Relaxed));
        Ok(Backlog {
            messages,
            in_flight,
            dead: dead.number(&VISIBLE)? + dead.number(&IN_FLIGHT)?,
            oldest_sent_at_ms: oldest.filter(|sent_at_ms| *sent_at_ms != NOTHING && messages > 0),
        })
    }

    /// The counts lag behind, so a receive follows that hides nothing; with long polling it asks all servers of SQS.
    pub(crate) async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.backlog().await?.messages == 0 && self.take(&self.0.url, 1, LAST_LOOK_S, 0).await?.is_empty())
    }

    /// SQS returns a sequence only with a message.
    pub(crate) fn highest_sequence(&self) -> Option<Sequence> {
        None
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.0.must_be_same(&self.0.attributes(&self.0.url, &connect::IDENTITY).await?)
    }

    pub(crate) fn close(&self) {
        self.0.closed.cancel();
    }

    fn now_ms(&self) -> i64 {
        (self.0.now_ms)()
    }
}
