//! One suite of promises that every backend keeps: the guarantees in the docs of [`crate::Store`],
//! each as a function that runs against memory and against a real Redis of its own.

mod alike;
mod attention;
mod fairness;
mod farm;
mod fixture;
mod jobs;
mod lapses;
mod leases;
mod locality;
mod notices;
mod properties;
mod queue;
mod server;
mod units;

macro_rules! contract {
    ($($module:ident { $($name:ident,)* })*) => {
        mod on_memory {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    super::$module::$name(&super::fixture::Fixture::memory()).await;
                }
            )*)*
        }

        mod on_redis {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    if let Some(fixture) = super::fixture::Fixture::redis().await {
                        super::$module::$name(&fixture).await;
                    }
                }
            )*)*
        }
    };
}

contract! {
    jobs {
        a_repeated_submit_changes_nothing,
        chunks_that_do_not_cover_their_task_are_refused,
        one_of_many_takes_a_step,
        a_repeated_step_in_one_phase_changes_nothing,
        only_a_revival_leads_out_of_a_final_phase,
        a_task_waits_for_all_that_it_comes_after,
        a_task_after_one_that_is_done_opens_at_once,
        a_final_phase_empties_the_queue_and_ends_leases,
        a_commit_raises_the_version_without_asking_for_attention,
        listings_show_the_newest_first_by_pages,
        a_forgotten_job_leaves_nothing_behind,
        a_raised_epoch_raises_tokens_and_versions,
        an_ended_job_is_restored_as_it_was,
        two_stores_on_one_server_see_each_other,
        what_was_answered_survives_a_killed_server,
        a_record_that_cannot_be_read_is_said_to_be_corrupt,
        listings_go_on_past_many_jobs_that_do_not_fit,
        a_page_is_short_where_many_jobs_do_not_fit,
    }
    queue {
        the_urgent_comes_first_then_the_old,
        a_task_is_offered_to_fitting_builds_only,
        a_delayed_chunk_is_offered_when_its_time_has_come,
        a_chunk_is_tried_elsewhere_if_there_is_an_elsewhere,
        a_node_that_takes_no_work_or_has_other_builds_is_no_elsewhere,
        a_node_that_drains_gets_nothing_new,
        a_node_drains_until_it_was_away_for_a_minute,
        what_is_paused_does_not_wait_for_a_node,
        depth_counts_what_there_is_to_do,
        work_left_says_what_each_open_job_still_takes,
        nodes_are_listed_with_what_they_hold,
        a_node_that_is_silent_for_a_day_is_forgotten,
    }
    fairness {
        the_earliest_deadline_comes_first_inside_a_priority,
        a_job_that_becomes_urgent_moves_ahead,
        tenants_are_served_by_weight,
        a_tenant_that_was_away_saved_nothing_up,
        the_oldest_job_is_not_starved_by_urgent_ones,
        a_tenant_and_a_job_hold_no_more_than_they_may,
        an_urgent_job_overtakes_at_the_next_unit,
        no_more_holders_yield_than_there_is_work,
        who_yields_for_a_job_gets_no_more_than_its_tenant_may_hold,
        a_tenant_that_is_far_ahead_yields,
        a_paused_job_rests_until_it_goes_on,
        what_a_unit_costs_is_learned_from_commits,
        a_chunk_is_offered_where_there_is_room,
        a_host_without_the_memory_is_no_elsewhere,
    }
    units {
        two_units_are_claimed_at_a_time,
        a_chunk_ends_with_its_last_unit,
        another_digest_for_a_unit_is_refused,
        good_bytes_of_a_lost_lease_are_adopted,
        a_thief_gets_the_second_half_of_the_richest,
        a_single_free_unit_is_taken_whole,
        a_chunk_whose_holder_has_claimed_nothing_is_not_stolen,
        after_a_claim_the_second_half_is_stolen,
        between_two_units_a_chunk_is_not_stolen_until_the_next_claim,
        a_holder_leaves_the_rest_to_one_that_has_nothing_to_do,
        a_split_does_not_count_committed_units,
        a_node_does_not_steal_what_it_failed,
        a_release_gives_back_what_was_claimed,
    }
    locality {
        a_slow_node_steals_less_and_a_fast_one_more,
        what_a_move_would_not_speed_up_is_not_stolen,
        the_source_at_hand_decides_between_victims,
        who_held_a_chunk_last_gets_it_back,
        a_chunk_that_was_held_goes_to_fitting_builds_only,
    }
    leases {
        a_lease_ends_unless_it_is_renewed,
        a_lease_that_nobody_ended_lives_on_with_its_holder,
        a_lease_is_judged_by_what_it_was_when_it_ended,
        holders_have_time_to_come_back_after_the_farm_was_away,
        holders_have_time_to_come_back_each_time,
        a_clock_that_is_set_back_ends_no_reaping,
        the_limit_of_expired_leases_holds,
        the_end_of_a_job_tells_who_lost_its_leases,
        attempts_count_where_the_policy_says_so,
        failures_waits_and_silences_are_counted_apart,
        work_of_the_holder_sets_the_attempts_back,
        a_dead_chunk_rests_until_its_job_is_revived,
        a_late_commit_can_empty_the_dlq,
        a_dropped_chunk_does_not_come_back,
        the_last_eight_failures_are_kept,
    }
    attention {
        one_caller_at_a_time_decides_about_a_job,
        a_change_during_the_hold_is_not_lost,
        a_hold_ends_by_itself,
        a_nudge_comes_after_its_delay,
        no_job_is_passed_over,
        a_job_with_tasks_needs_a_decision_when_one_ends,
    }
    notices {
        notices_come_in_order_and_one_at_a_time_for_each_receiver,
        a_notice_whose_holder_died_comes_again,
        a_receiver_that_fails_waits_and_no_other_does,
        a_version_is_posted_once,
        queues_of_notices_are_bounded,
        a_tenant_fills_no_more_than_its_part,
        the_end_of_a_job_takes_the_place_of_what_passes,
        a_receiver_whose_queue_is_lost_holds_up_nobody,
    }
    farm {
        sixteen_workers_commit_each_unit_once,
        a_random_farm_loses_and_doubles_nothing,
        a_random_farm_behind_a_broken_connection_does_its_work,
        a_caller_that_repeats_gets_through_a_broken_connection,
    }
}
