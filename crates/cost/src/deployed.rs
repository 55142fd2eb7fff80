//! Constants of the deployed program and of SQS that the model uses. The server that owns them is not linked; a test
//! compares the values.

/// Bytes that SQS bills as one request (<https://aws.amazon.com/sqs/pricing/>), which is also the size of a full
/// envelope.
pub const BILLED_BYTES: f64 = 65_536.0;
/// Bytes of an envelope without its commands: inbox, partition count and id.
pub const HEAD_BYTES: f64 = 145.0;
/// Largest number of messages in one request to SQS
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub const MESSAGES_PER_REQUEST: f64 = 10.0;
/// Largest request to send that `queue` makes, in bytes.
pub const SEND_BYTES: f64 = 262_144.0;
/// Partitions that one handler process works on at the same time.
pub const HANDLER_LOOPS_MAX: f64 = 4.0;
/// Interval of the gauges, in milliseconds. Each update asks SQS for the size of a queue.
pub const GAUGES_MS: f64 = 1_000.0;
/// How long a receive from an empty queue waits, in milliseconds.
pub const RECEIVE_WAIT_MS: f64 = 20_000.0;
