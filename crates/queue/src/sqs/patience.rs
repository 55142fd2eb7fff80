//! How long a request that several partitions share may take before it is divided.

use std::time::Duration;

use parking_lot::Mutex;

use crate::bounds::{ANSWER_TIMEOUT, SHARED_ANSWER_TIMEOUT, SHARED_ANSWERS_IN_TIME};

/// A timeout that grows while the service is slow for everybody, so that its slowness does not multiply the requests.
#[derive(Debug)]
pub(super) struct Patience(Mutex<State>);

#[derive(Debug)]
struct State {
    timeout: Duration,
    /// Shared requests in a row that were answered in time.
    in_time: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { timeout: SHARED_ANSWER_TIMEOUT, in_time: 0 }))
    }

    /// The timeout of the next shared request.
    pub(super) fn timeout(&self) -> Duration {
        self.0.lock().timeout
    }

    /// A shared request was answered in time. After enough of them the timeout is halved.
    pub(super) fn answered(&self) {
        let mut state = self.0.lock();
        state.in_time += 1;
        if state.in_time >= SHARED_ANSWERS_IN_TIME {
            *state = State { timeout: (state.timeout / 2).max(SHARED_ANSWER_TIMEOUT), in_time: 0 };
        }
    }

    /// A shared request was not answered in time: the next one may take twice as long.
    pub(super) fn ran_out(&self) {
        let mut state = self.0.lock();
        *state = State { timeout: (state.timeout * 2).min(ANSWER_TIMEOUT), in_time: 0 };
    }
}
