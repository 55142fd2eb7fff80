//! Every bound of the server, with its unit, in one place; those of what all crowds have in common are the engine's, those
//! of HTTP are `serve::bounds`.

use std::time::Duration;

/// How long requests in progress may take to end after a stop was asked for.
pub const HTTP_STOP_MAX: Duration = Duration::from_secs(5);
/// How long what was taken may take to be flushed into the inbox after that.
pub const FLUSH_STOP_MAX: Duration = Duration::from_secs(2);
/// How often ranks are compared with the store.
pub const RANKS_COMPARE: Duration = Duration::from_millis(250);
/// How often live connections are fed from the store at the least, in milliseconds; the board changes at most so often.
pub const LIVE_POLL_MS: i64 = 250;
/// How long after a look the next commit may cause another one for rounds.
pub const LIVE_ROUNDS_PAUSE: Duration = Duration::from_millis(20);
/// Rows of the board in a live event.
pub const LIVE_BOARD_ROWS: usize = 10;
/// Silence after which a live connection gets a comment that keeps it open.
pub const LIVE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long one receive waits for a message, in milliseconds.
pub const RECEIVE_WAIT_MS: u64 = 1_000;
/// How long one receive from SQS waits, in milliseconds: the longest that SQS allows, since every request costs.
pub const RECEIVE_WAIT_SQS_MS: u64 = 20_000;
/// How long a statement of the store may take, in milliseconds; less where the visibility is short.
pub const STATEMENT_MS_MAX: u64 = 10_000;
/// How long a transaction of the store may stand still, in milliseconds; less where the visibility is short.
pub const IDLE_MS_MAX: u64 = 5_000;
/// Connections to PostgreSQL on which one process reads.
pub const POSTGRES_READERS: u32 = 8;
/// Loops of the handler that work side by side, at most; each holds one partition at a time.
pub const HANDLER_LOOPS_MAX: u16 = 4;
/// How often the scheduler looks at its table at the least.
pub const SCHEDULE_POLL: Duration = Duration::from_millis(250);
/// How much earlier than the lead the scheduler begins to announce, so that it is done by then, in milliseconds.
pub const ANNOUNCE_MARGIN_MS: i64 = 300;
/// Shortest lead with an embedded inbox, in milliseconds.
pub const LEAD_MS_MIN: i64 = 100;
/// A drawn round that opens later than this many times the mean wait was drawn by a clock that was ahead: a correct clock
/// draws such a round with probability e^-40.
pub const DRAW_MEANS_MAX: i64 = 40;
/// How far the clocks of the processes of a game may differ without anybody being warned of it, in milliseconds.
pub const CLOCKS_DIFFER_MS_MAX: i64 = 5_000;
/// By how much the clock must be set at once for the log to say so, in milliseconds.
pub const CLOCK_SET_MS_MIN: i64 = 1_000;
/// Longest lead that an operator may ask for, in milliseconds: one hour.
pub const LEAD_MS_MAX: i64 = 3_600_000;
/// How long after a cutoff its tick is sent, so that presses which are on their way stand before it, in milliseconds.
pub const TICK_DELAY_MS: i64 = 500;
/// How often an operator's round is tried when schedulers get in between.
pub const OPEN_TRIES_MAX: usize = 8;
/// Devices that the push worker reads and hands over at a time.
pub const PUSH_PAGE: u32 = 500;
/// How long a push worker has a row to itself, in milliseconds.
pub const PUSH_LEASE_MS: i64 = 30_000;
/// How often the push worker looks for rows at the least.
pub const PUSH_POLL: Duration = Duration::from_millis(250);
/// How often gauges are brought up to date, in milliseconds.
pub const GAUGES_MS: u64 = 1_000;
/// How often it is looked whether the embedded files are still the ones that were opened, in milliseconds.
pub const FILES_WATCH_MS: u64 = 500;
/// How often in a row a login to the store is refused before the process ends.
pub const LOGIN_TRIES: u32 = 5;
/// The pause between two of these tries, in milliseconds.
pub const LOGIN_PAUSE_MS: u64 = 1_000;
/// How long a graceful stop may take before it is cut short, in milliseconds.
pub const SHUTDOWN_MS_MAX: u64 = 9_000;
/// Lines of the log that wait to be written, in bytes together, at most: 1 MiB. What comes then is dropped and counted.
pub const LOG_BYTES_MAX: usize = 1 << 20;
/// How long the end of a process waits for the last lines of its log to be written.
pub const LOG_FLUSH_MAX: Duration = Duration::from_millis(500);
