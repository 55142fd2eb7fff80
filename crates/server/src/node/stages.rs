//! The tasks of a process, grouped by the stage of the shutdown in which they end.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::NodeError;
use crate::bounds::{FLUSH_STOP_MAX, HTTP_STOP_MAX};
use crate::roles::Task;

/// The stages of a shutdown, in order. Each begins when the tasks of the previous stage have
/// ended, or when the time of that stage is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopStage {
    /// No new requests; those in progress are answered.
    Http,
    /// Accepted commands are flushed into the inbox.
    Flush,
    /// The handler acks its commits; the other loops end.
    Loops,
    /// Committed changes reach the ranks.
    Ranks,
}

impl StopStage {
    const ALL: [Self; 4] = [Self::Http, Self::Flush, Self::Loops, Self::Ranks];

    /// The stage at whose beginning this stage's tasks are cancelled. Loops are cancelled at once, which also ends live
    /// responses; the process waits for them later.
    fn cancelled_with(self) -> Self {
        match self {
            Self::Loops => Self::Http,
            other => other,
        }
    }

    /// How long later stages wait for this one, and the warning after a timeout. `None`: as long as the whole stop may
    /// take.
    fn wait_max(self) -> Option<(Duration, &'static str)> {
        match self {
            // A phone that does not read its response must not delay flushes and acks.
            Self::Http => Some((HTTP_STOP_MAX, "some connections were cut off")),
            // An inbox that hangs must not keep commits from the ranks.
            Self::Flush => Some((
                FLUSH_STOP_MAX,
                "the inbox did not accept the last flush in time: unanswered commands may be lost",
            )),
            Self::Loops | Self::Ranks => None,
        }
    }
}

/// The tasks of a process.
pub(super) struct Stages([Stage; 4]);

#[derive(Default)]
struct Stage {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), NodeError>>,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self(Default::default())
    }

    /// Cancelled when the tasks of this stage must stop.
    pub(super) fn token(&self, stage: StopStage) -> CancellationToken {
        self.0[stage as usize].stop.clone()
    }

    pub(super) fn spawn(&mut self, stage: StopStage, task: Task) {
        let Stage { stop, tasks } = &mut self.0[stage as usize];
        tasks.spawn(task(stop.clone()));
    }

    /// Waits until a task fails.
    pub(super) async fn failed(&mut self) -> NodeError {
        loop {
            match self.ended().await {
                (StopStage::Loops, Ok(Ok(()))) => {}
                (_, Ok(Err(error))) => return error,
                // Other tasks end only when they are cancelled. Anything else is a panic, and requests would hang.
                (_, ended) => broken(ended.err()),
            }
        }
    }

    /// The next task that ends.
    async fn ended(&mut self) -> (StopStage, Result<Result<(), NodeError>, JoinError>) {
        poll_fn(|cx| {
            for stage in StopStage::ALL {
                if let Poll::Ready(Some(ended)) = self.0[stage as usize].tasks.poll_join_next(cx) {
                    return Poll::Ready((stage, ended));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Stops all tasks, stage by stage.
    pub(super) async fn stop(&mut self) {
        for stage in StopStage::ALL {
            for told in StopStage::ALL.into_iter().filter(|told| told.cancelled_with() == stage) {
                self.0[told as usize].stop.cancel();
            }
            let tasks = &mut self.0[stage as usize].tasks;
            let ended = async { while tasks.join_next().await.is_some() {} };
            let Some((wait_max, warning)) = stage.wait_max() else {
                ended.await;
                continue;
            };
            if tokio::time::timeout(wait_max, ended).await.is_err() {
                warn!("{warning}");
            }
        }
    }
}

/// Aborts after a panic in a task: the process must not go on half working. Nothing that was acked is lost by this.
fn broken(panic: Option<JoinError>) -> ! {
    let panic = panic.map(|error| error.to_string()).unwrap_or_default();
    error!(panic, "a part of the process failed");
    crate::telemetry::flush();
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::sync::{mpsc, oneshot};
    use tokio_util::sync::CancellationToken;

    use super::{Stages, StopStage};
    use crate::bounds::SHUTDOWN_MS_MAX;

    fn spawn<F>(
        stages: &mut Stages,
        stage: StopStage,
        task: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        stages.spawn(stage, Box::new(|stop| task(stop).map(Ok).boxed()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_keeps_nobody_behind_it_from_being_told() {
        let (told, ended) = oneshot::channel();
        let mut stages = Stages::new();
        spawn(&mut stages, StopStage::Http, |_| std::future::pending());
        spawn(&mut stages, StopStage::Flush, |_| std::future::pending());
        spawn(&mut stages, StopStage::Ranks, |stop| async move {
            stop.cancelled().await;
            told.send(()).expect("the test listens");
        });
        let stopped = tokio::time::timeout(Duration::from_millis(SHUTDOWN_MS_MAX), stages.stop());
        stopped.await.expect("it ends before the stop is cut short");
        ended.await.expect("the ranks are told");
    }

    #[tokio::test]
    async fn loops_are_told_with_http_and_waited_for_behind_the_flush() {
        let (seen, mut order) = mpsc::unbounded_channel();
        let [http, flush, loops, ranks] = [(); 4].map(|()| {
            let seen = seen.clone();
            move |what: &'static str| seen.send(what).expect("the test listens")
        });
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let mut stages = Stages::new();
        spawn(&mut stages, StopStage::Ranks, |stop| async move {
            stop.cancelled().await;
            ranks("ranks");
        });
        spawn(&mut stages, StopStage::Loops, |stop| async move {
            stop.cancelled().await;
            loops("loops are told");
            tell.send(()).expect("HTTP waits for it");
            ended.await.expect("the flush ends");
            loops("loops");
        });
        spawn(&mut stages, StopStage::Flush, |stop| async move {
            stop.cancelled().await;
            flush("flush");
            end.send(()).expect("the loops wait for it");
        });
        spawn(&mut stages, StopStage::Http, |stop| async move {
            stop.cancelled().await;
            told.await.expect("the loops are told");
            http("http");
        });
        assert!(stages.failed().now_or_never().is_none(), "nothing has ended");
        stages.stop().await;
        order.close();
        let mut all = Vec::new();
        while let Some(what) = order.recv().await {
            all.push(what);
        }
        assert_eq!(all, ["loops are told", "http", "flush", "loops", "ranks"]);
    }
}
