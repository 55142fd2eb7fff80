//! Logs when embedded files are deleted, moved or replaced under a running process. It only informs the operator:
//! `queue` and `store` make sure that no write to such files counts as stored.

use std::time::Duration;

use queue::Queue;
use store::Reader;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::bounds::FILES_WATCH_MS;

/// Until `stop`, logs when the files of the inbox or of the store are no longer those that were opened, and when they
/// are back.
pub(super) async fn watch(queue: Option<Queue>, reader: Option<Reader>, stop: CancellationToken) {
    let (mut inbox, mut store) = (Place::of("inbox"), Place::of("store"));
    let pause = || tokio::time::sleep(Duration::from_millis(FILES_WATCH_MS));
    while stop.run_until_cancelled(pause()).await.is_some() {
        if let Some(queue) = &queue {
            inbox.note(&queue.in_place());
        }
        if let Some(reader) = &reader {
            store.note(&reader.in_place());
        }
    }
}

/// The files of the inbox or of the store.
struct Place {
    name: &'static str,
    /// The result of the last check.
    in_place: bool,
}

impl Place {
    fn of(name: &'static str) -> Self {
        Self { name, in_place: true }
    }

    fn note<E: std::error::Error>(&mut self, found: &Result<(), E>) {
        let Self { name, in_place } = self;
        match found {
            Err(error) if *in_place => error!(
                reason = serve::chain(error),
                "files of the {name} were deleted or replaced: no command is accepted or applied until they are back"
            ),
            Ok(()) if !*in_place => info!("the files of the {name} are back"),
            _ => {}
        }
        *in_place = found.is_ok();
    }
}
