//! Servers that speak the protocol of SQS, and making queues there.
