//! Requirements for every backend of the store, through its public types only. A check is a function over a fresh
//! database; `on_every_backend!` makes a test of it for each backend. `server` has the checks that only apply to a
//! server.
#![expect(clippy::unwrap_used, reason = "all of this crate is tests")]

mod audit;
mod batches;
mod commits;
mod devices;
mod differential;
mod harness;
mod identity;
mod outbox;
mod players;
mod reads;
mod repartition;
mod schedule;
mod server;
mod top;

macro_rules! on_every_backend {
    ($($backend:ident $variant:ident)+; $checks:tt) => {
        $(on_every_backend! { @backend $backend $variant $checks })+
    };
    (@backend $backend:ident $variant:ident { $($module:ident: $($check:ident),+;)+ }) => {
        mod $backend {
            use crate::harness::{Backend, Fresh};
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    crate::$module::$check(&Fresh::new(Backend::$variant).await).await;
                }
            )+)+
        }
    };
}

on_every_backend! { sqlite Sqlite postgres Postgres; {
    audit: audit_holds_one_moment, audit_is_consistent_while_the_writer_commits, differences_are_named;
    batches: purchases_are_known_across_batches, batch_sizes_and_partitions_change_nothing;
    top: top_is_exact_after_changes_and_renames, top_is_filled_anew_when_purchases_thin_it,
        top_merges_partitions, top_survives_another_writer;
    commits: a_stale_commit_writes_nothing, a_commit_must_move_forward, writers_see_each_other,
        a_rehearsal_writes_nothing,
        a_dropped_commit_leaves_all_or_nothing, journal_keeps_messages_as_they_were,
        a_topic_enters_the_outbox_once, an_unknown_partition_is_an_error;
    devices: a_device_belongs_to_the_greatest_claim, devices_come_in_token_order;
    identity: the_first_start_decides, one_of_many_starts_decides, another_inbox_is_adopted,
        migrating_twice_changes_nothing, many_may_migrate_at_once, a_newer_schema_that_only_adds_is_served,
        a_newer_schema_that_breaks_is_refused, an_older_schema_is_refused;
    outbox: two_pushers_share_the_rows, a_lease_that_ran_out_is_taken_over, a_lease_can_be_prolonged,
        a_lease_from_the_future_is_over, a_row_waits_until_it_is_due, a_row_says_when_it_expires;
    players: every_field_comes_back, any_text_comes_back, what_no_program_wrote_is_corrupt;
    reads: a_lost_streak_shows_when_its_time_is_applied, a_late_round_is_shown_as_forgiven,
        a_round_that_an_old_handler_wrote_is_not_late,
        a_round_is_secret_until_it_opens,
        standings_come_with_their_position, an_unknown_player_is_none, counts_and_check;
    repartition: a_game_is_as_if_it_had_always_had_its_number, many_players_are_dealt, generations_are_remembered,
        the_journal_stays, what_is_late_in_one_partition_is_late_in_all, a_game_that_is_not_drained_is_refused, who_counts_with_the_old_number_is_fenced_off,
        a_dropped_repartition_leaves_all_or_nothing, a_failed_repartition_changes_nothing,
        a_game_of_the_first_schema_goes_on;
    schedule: the_first_insert_wins, replace_drawn_compares, stages_and_ticks_only_move_on, two_schedulers_race;
}}
