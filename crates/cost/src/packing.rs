//! How many presses share a request to SQS: expected from the load, or measured by a running game.

use crate::counters::Counters;
use crate::deployed::{BILLED_BYTES, HANDLER_LOOPS_MAX, HEAD_BYTES, MESSAGES_PER_REQUEST, SEND_BYTES};
use crate::inputs::Inputs;

/// Mean numbers of commands, envelopes and partitions per request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Packing {
    /// Commands in one send to the inbox: those that arrived during the previous send.
    pub commands_per_send: f64,
    /// Envelopes in one send: one for each partition that has commands.
    pub envelopes_per_send: f64,
    pub envelope_bytes: f64,
    /// Envelopes returned by one receive.
    pub envelopes_per_receive: f64,
    /// Partitions that these envelopes belong to; each is deleted with a request of its own.
    pub partitions_per_receive: f64,
}

/// Billed requests to SQS per command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requests {
    pub send: f64,
    pub receive: f64,
    pub delete: f64,
}

impl Requests {
    /// The sum.
    pub fn total(self) -> f64 {
        self.send + self.receive + self.delete
    }
}

/// Mean number of commands per turn, if a mean of `arrivals` arrive during the previous turn and a turn waits for at least
/// one: E[max(1, N)] = λ + e^−λ for N ~ Poisson(λ).
fn gathered(arrivals: f64) -> f64 {
    arrivals + (-arrivals).exp()
}

impl Packing {
    /// The expected packing. Presses arrive evenly over the window, the nodes and the partitions. Each node has one send
    /// in flight, and the next send takes the presses that arrived meanwhile.
    pub fn expected(inputs: &Inputs) -> Self {
        let per_node_s = inputs.presses_per_s() / inputs.ingest_nodes;
        let arrivals = per_node_s * inputs.linger_ms / 1000.0;
        let commands_per_send = gathered(arrivals);
        // Partitions that have at least one press, of P with λ/P each. After a pause it is the first press's partition.
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

    /// The best possible packing: every envelope and every request is full.
    pub fn full(inputs: &Inputs) -> Self {
        let envelopes_per_send = (SEND_BYTES / BILLED_BYTES).floor();
        Self {
            commands_per_send: envelopes_per_send * Self::room(inputs),
            envelopes_per_send,
            envelope_bytes: BILLED_BYTES,
            envelopes_per_receive: MESSAGES_PER_REQUEST,
            partitions_per_receive: 1.0,
        }
    }

    /// The packing that a running game has counted. What none of the processes counted is taken from
    /// [`expected`](Self::expected).
    pub fn measured(counters: &Counters, inputs: &Inputs) -> Self {
        let commands_per_send = counters.commands / counters.sends;
        let per_envelope = counters.commands / counters.envelopes;
        let mut packing = Self {
            commands_per_send,
            // Retries are billed too.
            envelopes_per_send: counters.sent_envelopes / counters.sends,
            envelope_bytes: HEAD_BYTES + inputs.press_bytes * per_envelope,
            ..Self::expected(inputs)
        };
        if counters.batches > 0.0 {
            // A batch is what one receive returned of one partition. The embedded inbox returns more than SQS can.
            let envelopes = counters.batch_commands / counters.batches / per_envelope;
            packing.envelopes_per_receive = envelopes.clamp(1.0, MESSAGES_PER_REQUEST);
            packing.partitions_per_receive = 1.0;
        }
        packing
    }

    /// Presses in a full envelope.
    fn room(inputs: &Inputs) -> f64 {
        ((BILLED_BYTES - HEAD_BYTES) / inputs.press_bytes).floor().max(1.0)
    }

    /// Commands that the handler applies in one transaction: those received of one partition.
    pub fn commands_per_commit(&self) -> f64 {
        let received = self.envelopes_per_receive / self.partitions_per_receive;
        received * self.commands_per_send / self.envelopes_per_send
    }

    /// Billed requests per command. A request counts once per 64 KiB of payload; a batch of ten messages is one request,
    /// and a delete has hardly any payload.
    pub fn requests_per_command(&self) -> Requests {
        let bytes = self.envelopes_per_send * self.envelope_bytes;
        let requests =
            (self.envelopes_per_send / MESSAGES_PER_REQUEST).max(bytes / SEND_BYTES).ceil().max(1.0);
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

/// Envelopes returned by one receive, and the partitions they belong to, when `envelopes_s` arrive per second. A loop gets
/// what arrived since its last receive. If more arrives than it can receive, partitions have a backlog, and SQS fills a
/// receive with messages of one of them.
fn received(inputs: &Inputs, envelopes_s: f64) -> (f64, f64) {
    let loops = inputs.handlers * inputs.partitions.min(HANDLER_LOOPS_MAX);
    let loops = loops.min(inputs.partitions);
    let come = envelopes_s * inputs.turn_ms / 1000.0 / loops;
    if come >= MESSAGES_PER_REQUEST {
        return (MESSAGES_PER_REQUEST, 1.0);
    }
    let envelopes = gathered(come).min(MESSAGES_PER_REQUEST);
    (envelopes, envelopes.min((inputs.partitions / loops).max(1.0)))
}
