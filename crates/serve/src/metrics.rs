//! The metrics of HTTP: their names and help texts. The other metrics of a process are `engine::metrics`, which this crate
//! may not use.

use metrics::{Unit, describe_counter, describe_histogram};

/// Duration of requests, by route.
pub const REQUEST_SECONDS: &str = "buttonparty_http_request_seconds";
/// Requests answered with a problem, by kind of problem.
pub const REQUESTS_REJECTED: &str = "buttonparty_requests_rejected_total";

/// Describes both to the recorder of this process.
pub fn describe() {
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from the head of a request to its answer, by route pattern."
    );
    describe_counter!(REQUESTS_REJECTED, Unit::Count, "Requests answered with a problem, by its reason.");
}
