//! The push role: takes rows of the outbox under a lease, and hands each device to a sink. A cursor makes a crash
//! resumable, and several workers share the rows. A row that has expired is done: the remaining devices get no push.

use std::path::PathBuf;

use engine::clock::Clock;
use engine::metrics::{PUSHES, PUSHES_EXPIRED};
use engine::run::{LoopLog, Repeat, Rest, repeat};
use metrics::{Counter, counter};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{DeviceRow, Job, Outbox};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bounds::{PUSH_LEASE_MS, PUSH_PAGE, PUSH_POLL};

/// The target of pushes.
#[derive(Debug, Clone)]
pub enum Sink {
    /// The log: how many, never to whom.
    Log,
    /// A file of JSON lines, for tests.
    Record(PathBuf),
}

/// Why a step failed; the row is retried when its lease has run out.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("the outbox failed")]
    Store(#[from] store::Error),
    #[error("the sink failed")]
    Sink(#[from] std::io::Error),
}

#[derive(Serialize)]
struct Record<'a> {
    topic: &'a str,
    username: &'a str,
    token: &'a str,
    platform: Option<&'a str>,
    data: &'a RawValue,
}

pub struct Pusher {
    outbox: Outbox,
    sink: Sink,
    clock: Clock,
    owner: String,
    pushed: Counter,
    expired: Counter,
}

impl Pusher {
    /// A worker; `owner` is unique for each start of a process.
    pub fn new(outbox: Outbox, sink: Sink, clock: Clock, owner: String) -> Self {
        let (pushed, expired) = (counter!(PUSHES), counter!(PUSHES_EXPIRED));
        Self { outbox, sink, clock, owner, pushed, expired }
    }

    /// Processes one due row, as far as there is time before it expires; returns `false` if none is due.
    ///
    /// # Errors
    /// [`PushError`]; devices behind the cursor may get the push again.
    pub async fn step(&self) -> Result<bool, PushError> {
        let Some(mut job) = self.outbox.take(&self.owner, self.clock.now_ms(), PUSH_LEASE_MS).await? else {
            return Ok(false);
        };
        let mut devices_total = 0;
        loop {
            if job.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= self.clock.now_ms()) {
                return self.expire(&job, devices_total).await;
            }
            let devices = self.outbox.devices(job.partition, job.cursor.as_ref(), PUSH_PAGE).await?;
            let Some(last) = devices.last().map(|device| device.token.clone()) else { break };
            self.deliver(&job, &devices).await?;
            devices_total += devices.len();
            job.cursor = Some(last.clone());
            if !self.outbox.advance(&job, &last, self.clock.now_ms(), PUSH_LEASE_MS).await? {
                return Ok(true); // another worker has it now
            }
        }
        if self.outbox.done(&job, self.clock.now_ms()).await? {
            info!(topic = job.topic, partition = job.partition, devices = devices_total, "pushed");
        }
        Ok(true)
    }

    /// Gives up a row that has expired.
    async fn expire(&self, job: &Job, devices: usize) -> Result<bool, PushError> {
        if self.outbox.done(job, self.clock.now_ms()).await? {
            self.expired.increment(1);
            let (topic, partition) = (&job.topic, job.partition);
            warn!(topic, partition, devices, "push expired; the remaining devices get none");
        }
        Ok(true)
    }

    /// Steps until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let clock = self.clock.clone();
        let _ = repeat(&mut self, &clock, &stop).await; // none of its errors is fatal
    }

    async fn deliver(&self, job: &Job, devices: &[DeviceRow]) -> Result<(), PushError> {
        match &self.sink {
            Sink::Log => {
                for device in devices {
                    debug!(topic = job.topic, username = device.username.as_str(), "push");
                }
            }
            Sink::Record(path) => {
                let mut lines = Vec::new();
                for device in devices {
                    let data: &RawValue = serde_json::from_str(&job.payload).map_err(std::io::Error::from)?;
                    let record = Record {
                        topic: &job.topic,
                        username: device.username.as_str(),
                        token: device.token.as_str(),
                        platform: device.platform.map(game::Platform::code),
                        data,
                    };
                    serde_json::to_writer(&mut lines, &record).map_err(std::io::Error::from)?;
                    lines.push(b'\n');
                }
                let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
                file.write_all(&lines).await?;
                file.flush().await?;
            }
        }
        self.pushed.increment(devices.len() as u64);
        Ok(())
    }
}

impl Repeat for Pusher {
    type Error = PushError;

    const LOG: LoopLog = LoopLog::every_time("push step failed, retrying", "push worker recovered");

    async fn once(&mut self) -> Result<Rest, PushError> {
        let was_due = self.step().await?;
        Ok(if was_due { Rest::Not } else { Rest::For(PUSH_POLL) })
    }
}
