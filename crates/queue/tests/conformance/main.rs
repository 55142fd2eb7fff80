//! Requirements for every backend of the inbox. A check is a function over a [`Harness`](harness::Harness): a fresh
//! inbox and a manual clock. `conformance!` makes a module of tests for each backend. The list names the features that
//! a check needs; if a backend lacks one, the test prints `skipped` and why.
//!
//! Not checked here: durability when the process is killed, which needs a process.

#![expect(clippy::unwrap_used, reason = "a test that panics has said what it found")]

mod crash;
mod dead;
mod fake;
mod file;
mod harness;
mod leases;
mod messages;
mod server;
mod service;

/// Makes a module of tests for each backend from the list of checks and their needs.
macro_rules! conformance {
    ($($module:ident $variant:ident)+; $checks:tt) => {
        $(conformance! { @backend $module $variant $checks })+
    };
    (@backend $module:ident $variant:ident { $($file:ident::$check:ident [$($need:ident)*],)* }) => {
        mod $module {
            use crate::harness::Backend;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    if let Some(why) = Backend::$variant.lacks(&[$(crate::harness::Need::$need),*]) {
                        servers::skipped(&why);
                        return;
                    }
                    crate::harness::in_time(crate::$file::$check(Backend::$variant)).await;
                }
            )*
        }
    };
}

conformance! { sqlite Sqlite sqs Sqs fauxqs Fauxqs fakecloud Fakecloud; {
    messages::order_within_a_partition [Clock Batches],
    messages::partitions_are_independent [],
    messages::limits_bound_a_batch_but_one_message_always_comes [Batches],
    messages::many_envelopes_in_one_send [],
    messages::a_body_that_is_too_long_fails_alone [Batches],
    messages::unicode_and_the_longest_body_round_trip [Batches Characters LongBodies],
    messages::an_empty_body_round_trips [EmptyBodies],
    messages::a_resend_within_five_minutes_is_dropped [Clock Batches],
    messages::a_resend_is_dropped_also_after_the_ack [],
    messages::an_id_is_forgotten_after_five_minutes [Clock Batches],
    messages::the_same_id_twice_in_one_send_is_stored_once [Batches],
    messages::when_it_was_stored_stays_over_redeliveries_and_resends [],
    messages::waiting_ends_when_something_is_sent [],
    messages::waiting_ends_when_the_partition_is_released [],
    messages::waiting_ends_when_the_partition_is_acked [],
    messages::waiting_ends_when_the_lease_runs_out [],
    messages::waiting_ends_with_nothing [],
    messages::two_handles_share_one_inbox [],
    messages::figures_of_the_backlog [Clock Batches],
    messages::an_inbox_is_empty_when_everything_is_acked [Batches],
    messages::the_highest_sequence_stays_when_messages_are_gone [Highest],
    leases::a_partition_in_flight_is_invisible [],
    leases::what_is_not_acked_is_visible_again_in_order [Clock Batches],
    leases::a_lease_that_ran_out_can_do_nothing [],
    leases::a_lease_from_the_future_can_do_nothing [Clock],
    leases::a_lease_that_was_taken_over_can_do_nothing [],
    leases::a_partial_ack_keeps_the_rest_in_flight [Batches],
    leases::an_ack_never_removes_what_was_not_given [],
    leases::the_lease_ends_with_the_last_ack [],
    leases::release_makes_the_rest_visible_at_once [Batches],
    leases::extend_starts_the_visibility_anew [Clock],
    leases::reading_on_continues_without_gap_or_repeat [Batches],
    leases::what_was_read_on_comes_back_too [Batches],
    dead::a_message_received_too_often_is_buried_and_its_neighbours_go_on [],
    dead::reading_on_buries_too [Batches],
    dead::burying_twice_keeps_the_first [],
    dead::the_list_can_be_paged_while_it_is_emptied [],
    dead::every_character_of_a_letter_is_kept [Characters],
    crash::receivers_that_crash_lose_nothing_and_keep_the_order [],
    crash::calls_that_are_dropped_half_way_leave_the_inbox_whole [Clock],
}}
