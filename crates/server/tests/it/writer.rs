//! The writer loop over a crowd of numbers: it knows no button, and applies each message exactly once.

mod burying;
mod pair;
mod random;
mod reading_on;
mod several;
mod steps;

use std::ops::Deref;
use std::sync::Arc;

use queue::{DeadLetter, Options};
use server::writer::{Identity, Step, StepError, Writer};

use crate::support::tally::Tally;
use crate::support::{NOW, Site, VISIBILITY_MS};

/// An inbox, a tally behind it, and how many partitions there are.
struct Bench {
    site: Site,
    tally: Arc<Tally>,
    partitions: u16,
    visibility_ms: i64,
}

impl Deref for Bench {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Bench {
    async fn new(partitions: u16) -> Self {
        let site = Site::with(Options { visibility_ms: VISIBILITY_MS, ..Options::default() }).await;
        Self::at(site, partitions, VISIBILITY_MS)
    }

    async fn sqs(partitions: u16, visibility_ms: i64) -> Self {
        Self::at(Site::sqs(None, visibility_ms).await, partitions, visibility_ms)
    }

    fn at(site: Site, partitions: u16, visibility_ms: i64) -> Self {
        let tally = Arc::new(Tally::new(site.queue.clone(), site.clock.clone()));
        Self { site, tally, partitions, visibility_ms }
    }

    fn writer(&self) -> Writer<Tally> {
        self.writer_of(1)
    }

    /// A writer that takes its inbox for the one of this generation.
    fn writer_of(&self, generation: u32) -> Writer<Tally> {
        let inbox_id = self.queue.inbox_id().to_owned();
        let identity = Identity { inbox_id, generation, partitions: self.partitions };
        let (queue, tally, clock) = (self.queue.clone(), Arc::clone(&self.tally), self.clock.clone());
        Writer::new(queue, tally, clock, identity, self.visibility_ms)
    }

    /// Sends one message with these payloads.
    async fn send(&self, partition: u16, id: &str, payloads: &[&str]) {
        let body = self.site.envelope(self.partitions, id, payloads);
        self.send_body(partition, id, &body).await;
    }

    /// Sends a message for each number.
    async fn send_numbers(&self, partition: u16, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            let text = number.to_string();
            self.send(partition, &format!("{partition}-{text}"), &[&text]).await;
        }
    }

    /// Steps until nothing is there.
    async fn drain(&self, writer: &mut Writer<Tally>) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            match writer.step(NOW).await {
                Ok(Step::Idle) => return steps,
                Ok(step) => steps.push(step),
                // Tried a few times before anything is buried.
                Err(StepError::Store(store::Error::Refused { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        self.queue.dead_letters(None, 10_000).await.unwrap()
    }
}

fn applied(messages: usize, commands: usize) -> Step {
    Step::Applied { messages, commands }
}

async fn fails(writer: &mut Writer<Tally>) -> StepError {
    writer.step(NOW).await.unwrap_err()
}
