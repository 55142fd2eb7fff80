//! How many presses share a request to SQS: expected from the load, or measured by a game that runs.

use super::inputs::Inputs;
use super::metrics::Counters;
use crate::bounds::HANDLER_LOOPS_MAX;

/// What SQS bills as one request: 64 KiB of payload (<https://aws.amazon.com/sqs/pricing/>).
const BILLED_BYTES: f64 = 65_536.0;
/// Messages of one request, at most, as in `queue`.
const MESSAGES_PER_REQUEST: f64 = 10.0;
/// Bytes of one request to send, at most, as in `queue`.
const REQUEST_BYTES: f64 = 262_144.0;
/// Bytes of an envelope without its entries: its inbox, partitions and id.
pub const HEAD_BYTES: f64 = 145.0;

/// How commands are packed, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Packing {
    /// Commands of one send to the inbox: all that gathered during the one before.
    pub commands_per_send: f64,
    /// Envelopes of one send: one for each partition that has something.
    pub envelopes_per_send: f64,
    /// Bytes of an envelope.
    pub envelope_bytes: f64,
    /// Envelopes that one receive returns.
    pub envelopes_per_receive: f64,
    /// Partitions of which these are; each is acked by a request of its own.
    pub partitions_per_receive: f64,
}

/// Requests to SQS that are billed for one command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requests {
    /// For sending.
    pub send: f64,
    /// For receiving.
    pub receive: f64,
    /// For deleting.
    pub delete: f64,
}

impl Requests {
    /// All of them.
    pub fn total(self) -> f64 {
        self.send + self.receive + self.delete
    }
}

/// The mean of what a turn takes when `arrivals` come on average while the one before lasts, and a turn waits for at
/// least one: E[max(1, N)] = λ + e^−λ for N ~ Poisson(λ).
fn gathered(arrivals: f64) -> f64 {
    arrivals + (-arrivals).exp()
}

impl Packing {
    /// What is to be expected: presses come evenly over the window and to all nodes and partitions alike. One send is in
    /// flight at a time, and the next takes whatever has come meanwhile.
    pub fn expected(inputs: &Inputs) -> Self {
        let per_node_s = inputs.presses_per_s() / inputs.ingest_nodes;
        let arrivals = per_node_s * inputs.linger_ms / 1000.0;
        let commands_per_send = gathered(arrivals);
        // Of P partitions with λ/P each, so many have something; after a pause it is the one of the first press.
        let partitions = inputs.partitions;
        let occupied = partitions * (1.0 - (-arrivals / partitions).exp()) + (-arrivals).exp();
        let envelopes_per_send = occupied.max(commands_per_send / Self::room(inputs));
        let envelope_bytes = HEAD_BYTES + inputs.press_bytes * commands_per_send / envelopes_per_send;
        let envelopes_s = inputs.presses_per_s() / commands_per_send * envelopes_per_send;
        let (envelopes_per_receive, partitions_per_receive) = received(inputs, envelopes_s);
        Self {
            commands_per_send,
            envelopes_per_send,
            envelope_bytes,
            envelopes_per_receive,
            partitions_per_receive,
        }
    }

    /// The least that it can be: all envelopes are full, and nothing but them is on the way.
    pub fn full(inputs: &Inputs) -> Self {
        let envelopes_per_send = (REQUEST_BYTES / BILLED_BYTES).floor();
        Self {
            commands_per_send: envelopes_per_send * Self::room(inputs),
            envelopes_per_send,
            envelope_bytes: BILLED_BYTES,
            envelopes_per_receive: MESSAGES_PER_REQUEST,
            partitions_per_receive: 1.0,
        }
    }

    /// What the counters of a game say. What none of the processes counts (handlers may be others than ingest) is as
    /// expected.
    pub fn measured(counters: &Counters, inputs: &Inputs) -> Self {
        let commands_per_send = counters.commands / counters.sends;
        let per_envelope = counters.commands / counters.envelopes;
        let mut packing = Self {
            commands_per_send,
            // What was sent again is billed again.
            envelopes_per_send: counters.sent_envelopes / counters.sends,
            envelope_bytes: HEAD_BYTES + inputs.press_bytes * per_envelope,
            ..Self::expected(inputs)
        };
        if counters.batches > 0.0 {
            // A batch of the handler is what one receive returned of one partition, or a part of it; the embedded inbox
            // returns more at a time than SQS can.
            let envelopes = counters.batch_commands / counters.batches / per_envelope;
            packing.envelopes_per_receive = envelopes.clamp(1.0, MESSAGES_PER_REQUEST);
            packing.partitions_per_receive = 1.0;
        }
        packing
    }

    /// Presses of an envelope that is full.
    fn room(inputs: &Inputs) -> f64 {
        ((BILLED_BYTES - HEAD_BYTES) / inputs.press_bytes).floor().max(1.0)
    }

    /// Commands that the handler applies in one transaction: what it received of one partition.
    pub fn commands_per_commit(&self) -> f64 {
        let received = self.envelopes_per_receive / self.partitions_per_receive;
        received * self.commands_per_send / self.envelopes_per_send
    }

    /// What SQS bills for one command: every request counts once for each 64 KiB that it carries; a batch of ten is one
    /// request. Deleting carries next to nothing.
    pub fn requests_per_command(&self) -> Requests {
        let bytes = self.envelopes_per_send * self.envelope_bytes;
        let requests =
            (self.envelopes_per_send / MESSAGES_PER_REQUEST).max(bytes / REQUEST_BYTES).ceil().max(1.0);
        let billed = |bytes: f64| (bytes / BILLED_BYTES).ceil().max(1.0);
        let send = requests * billed(bytes / requests);
        let receive = billed(self.envelopes_per_receive * self.envelope_bytes);
        let received = self.envelopes_per_receive * self.commands_per_send / self.envelopes_per_send;
        Requests {
            send: send / self.commands_per_send,
            receive: receive / received,
            delete: self.partitions_per_receive / received,
        }
    }
}

/// What a receive returns when so many envelopes come in a second, and of how many partitions that is. A loop takes what
/// has come since its last turn, of the partitions that are its own just then. When more comes than it can take,
/// partitions have a backlog, and SQS returns as many messages of one as it can.
fn received(inputs: &Inputs, envelopes_s: f64) -> (f64, f64) {
    let loops = inputs.handlers * inputs.partitions.min(f64::from(HANDLER_LOOPS_MAX));
    let loops = loops.min(inputs.partitions);
    let come = envelopes_s * inputs.turn_ms / 1000.0 / loops;
    if come >= MESSAGES_PER_REQUEST {
        return (MESSAGES_PER_REQUEST, 1.0);
    }
    let envelopes = gathered(come).min(MESSAGES_PER_REQUEST);
    (envelopes, envelopes.min((inputs.partitions / loops).max(1.0)))
}
