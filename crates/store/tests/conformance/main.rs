//! One suite for every engine: what a store promises, whatever is below it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "what runs in a transaction reads as one"
)]

mod batches;
mod copy;
mod crash;
mod facts;
mod feed;
mod files;
mod home;
mod log;
mod postgres;
mod postgres_trust;
mod replicas;
mod sample;
mod things;
mod torn;

use home::Home;

/// Each promise as a test of its own, on each engine.
macro_rules! promises {
    ($($suite:ident: $($promise:ident)*;)*) => {
        mod in_memory_sqlite {
            $($(#[test] fn $promise() { crate::$suite::$promise(&crate::Home::in_memory()); })*)*
        }
        mod file_sqlite {
            $($(#[test] fn $promise() { crate::$suite::$promise(&crate::Home::in_files()); })*)*
        }
        mod in_postgres {
            $($(#[test] fn $promise() {
                crate::Home::in_postgres().iter().for_each(crate::$suite::$promise);
            })*)*
        }
    };
}

promises! {
    facts:
        a_fact_keeps_every_revision
        a_change_of_a_stale_revision_is_refused
        a_final_fact_takes_no_further_revision
        facts_of_a_kind_are_found_by_id_and_by_age
        any_revision_can_be_read_as_json;
    log:
        entries_are_taken_in_order_and_without_gaps
        rows_of_roots_are_taken_in_order_and_without_gaps
        a_decision_is_found_with_its_outcome
        a_query_finds_by_every_column_and_in_both_orders
        a_query_never_returns_more_than_it_may
        counts_answer_who_did_what_how_often
        an_entry_says_the_same_in_its_bytes_and_its_columns;
    things:
        a_name_is_given_once_and_for_ever
        sealed_bytes_are_kept_by_revision_and_shredded_at_once
        an_intent_is_settled_exactly_once
        an_outcome_too_many_is_told_so_and_the_rest_of_its_batch_is_kept
        the_checkpoint_at_or_before_a_size_is_found
        settings_policy_texts_and_factors_are_kept
        a_meter_is_kept_as_it_was_last_written
        a_meter_of_a_refused_command_is_not_kept;
    feed:
        what_was_told_is_read_in_order_from_any_number_on
        what_is_read_on_says_when_the_last_known_was_told
        a_number_is_told_once
        what_is_old_is_forgotten_but_never_the_last
        what_is_kept_is_replaced_and_dropped
        what_a_refused_command_told_kept_and_dropped_is_undone
        an_intent_is_found_by_the_server_that_acts
        a_batch_has_a_turn_where_the_store_is_shared;
    batches:
        a_refused_command_leaves_nothing_and_the_others_stay
        a_batch_that_fails_leaves_nothing
        a_batch_that_panics_leaves_nothing
        a_batch_may_run_twice_and_counts_once
        a_batch_of_kept_commands_runs_once_and_one_that_is_not_kept_makes_it_run_again
        a_commit_that_fails_leaves_nothing_and_the_next_one_works
        reopening_shows_everything_committed
        a_second_writer_is_refused_until_the_first_is_gone
        readers_see_only_committed_batches
        a_failed_sync_is_reported;
}
