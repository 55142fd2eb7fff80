//! Every bound of the server, with its unit. Bounds common to all crowds are in `engine`, those of HTTP in
//! `serve::bounds`.

use std::time::Duration;

/// Timeout of a stop for requests in progress.
pub const HTTP_STOP_MAX: Duration = Duration::from_secs(5);
/// Timeout of a stop for flushing accepted commands into the inbox, after that.
pub const FLUSH_STOP_MAX: Duration = Duration::from_secs(2);
/// How often ranks are compared with the store.
pub const RANKS_COMPARE: Duration = Duration::from_millis(250);
/// Maximum interval of the live feed's polls, in milliseconds; also the minimum interval of board events.
pub const LIVE_POLL_MS: i64 = 250;
/// Minimum time from one poll to the next poll for rounds after a commit.
pub const LIVE_ROUNDS_PAUSE: Duration = Duration::from_millis(20);
/// Rows of the board in a live event.
pub const LIVE_BOARD_ROWS: usize = 10;
/// Idle time after which a live connection gets a comment that keeps it open.
pub const LIVE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Wait of one receive, in milliseconds.
pub const RECEIVE_WAIT_MS: u64 = 1_000;
/// Wait of one receive from SQS, in milliseconds: the longest that SQS allows, because every request costs.
pub const RECEIVE_WAIT_SQS_MS: u64 = 20_000;
/// Timeout of a statement of the store, in milliseconds; shorter if the visibility is short.
pub const STATEMENT_MS_MAX: u64 = 10_000;
/// Timeout of an idle transaction of the store, in milliseconds; shorter if the visibility is short.
pub const IDLE_MS_MAX: u64 = 5_000;
/// Read connections of one process to PostgreSQL.
pub const POSTGRES_READERS: u32 = 8;
/// Maximum number of parallel handler loops; each holds one partition at a time.
pub const HANDLER_LOOPS_MAX: u16 = 4;
/// Maximum interval of the scheduler's looks at its table.
pub const SCHEDULE_POLL: Duration = Duration::from_millis(250);
/// How much earlier than the lead the scheduler starts to announce, in milliseconds, so that it finishes in time.
pub const ANNOUNCE_MARGIN_MS: i64 = 300;
/// Minimum lead with an embedded inbox, in milliseconds.
pub const LEAD_MS_MIN: i64 = 100;
/// A drawn round that opens later than this many times the mean wait was drawn by a fast clock: a correct clock draws
/// such a round with probability e^-40.
pub const DRAW_MEANS_MAX: i64 = 40;
/// Maximum difference between the clocks of a game's processes before a warning, in milliseconds.
pub const CLOCKS_DIFFER_MS_MAX: i64 = 5_000;
/// Minimum step of the clock that is logged, in milliseconds.
pub const CLOCK_SET_MS_MIN: i64 = 1_000;
/// Maximum lead of an operator's round, in milliseconds: one hour.
pub const LEAD_MS_MAX: i64 = 3_600_000;
/// Delay of a tick after its cutoff, in milliseconds, so that presses in transit are ahead of it in the inbox.
pub const TICK_DELAY_MS: i64 = 500;
/// Maximum number of tries to open an operator's round while other schedulers interfere.
pub const OPEN_TRIES_MAX: usize = 8;
/// Devices that the push worker reads and sends at a time.
pub const PUSH_PAGE: u32 = 500;
/// Duration of a push worker's lease on a row, in milliseconds.
pub const PUSH_LEASE_MS: i64 = 30_000;
/// Maximum interval of the push worker's looks for rows.
pub const PUSH_POLL: Duration = Duration::from_millis(250);
/// Interval of updates of the gauges, in milliseconds.
pub const GAUGES_MS: u64 = 1_000;
/// Interval of checks that the embedded files are still the ones that were opened, in milliseconds.
pub const FILES_WATCH_MS: u64 = 500;
/// Number of consecutive rejected logins to the store before the process ends.
pub const LOGIN_TRIES: u32 = 5;
/// The pause between two of these tries, in milliseconds.
pub const LOGIN_PAUSE_MS: u64 = 1_000;
/// Timeout of a graceful stop, in milliseconds.
pub const SHUTDOWN_MS_MAX: u64 = 9_000;
/// Maximum size of log lines waiting to be written, in bytes: 1 MiB. Further lines are dropped and counted.
pub const LOG_BYTES_MAX: usize = 1 << 20;
/// Timeout for writing the last log lines when a process ends.
pub const LOG_FLUSH_MAX: Duration = Duration::from_millis(500);
