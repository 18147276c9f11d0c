//! The rollout on a virtual clock.
//!
//! `clocks`, `bursts` and `speed` are vectors that can be checked by hand; `control` is the latch
//! and its commands; `reference` recomputes every decision from a list of all calls; `invariants`
//! drives whole rollouts with generated histories; `chance` checks the published odds. `looks`,
//! `climb` and `gates` are the same for the way up, `climbing` its slow machine.
//! `everything` throws all rules, commands and mishaps at whole rollouts. A failing history is printed
//! and its seed kept under `proptest-regressions`, to be committed with the remedy.
//!
//! What must hold whatever happens, and the tests that would fail if it did not. There is no fleet
//! yet: where an invariant speaks of several processes, the row says what holds for one.
//!
//! | no. | invariant | tests |
//! |---|---|---|
//! | 1 | after a rollback no call starts on Bedrock before the next attempt, over restarts and edits | `a_rollback_outlives_any_number_of_processes`, `the_wall_clock_decides_nothing`, `a_rollback_outlives_the_process_and_only_a_person_ends_it`, `a_kill_around_a_rollback_never_loses_it` |
//! | 2 | the other processes follow within seconds | no fleet yet; one that waits for the lock takes it over: `a_second_process_waits_at_0_and_takes_over_what_the_first_one_left` |
//! | 3 | the share rises by a step, a first stage, a re-arm or a person only; never by what is missing or torn | `the_wall_clock_decides_nothing`, `the_climb_is_that_of_the_slow_machine`, `a_torn_or_deleted_state_file_counts_as_tripped` |
//! | 4 | within an attempt a rollback is final | `a_rollout_keeps_its_promises`, `the_wall_clock_decides_nothing`, `what_is_read_again_counts` |
//! | 5 | merging records is order-free | no fleet yet: one writer, and a table of what is read beside what is known: `what_is_read_again_counts` |
//! | 6 | of pushes at one moment one wins, and a rollback among them wins over all | `a_rollback_among_pushes_wins` (in one process) |
//! | 7 | an edit never changes attempt, latch or salt, and raises no stage | `the_climb_is_that_of_the_slow_machine`, `what_takes_the_ground_from_the_evidence_is_refused` |
//! | 8 | who is on Bedrock at a share is there at every higher one | `who_is_on_bedrock_stays`, `nothing_and_everything_are_exact`, `the_share_of_keys_is_the_asked_one` |
//! | 9 | what says nothing of this attempt changes no rule | `calls_of_another_attempt_decide_nothing`, `callers_that_leave_during_an_answer_do_not_count`, `a_request_may_force_its_arm_only_where_that_is_allowed` |
//! | 10 | one verdict and at most one speed for each call | `a_rollout_keeps_its_promises` |
//! | 11 | a call above the limit is slow within one tick, though it never ends | `a_rollout_keeps_its_promises`, `a_hung_call_is_slow_from_the_instant_it_crosses` |
//! | 12 | no trip on fewer than ten bad calls, without a new one, on nothing; no step up on nothing or between the looks | `a_rollout_keeps_its_promises`, `the_wall_clock_decides_nothing`, `the_climb_is_that_of_the_slow_machine` |
//! | 13 | `errors` trips neither before its duration nor 30 s after it, while trouble is steady | `steady_trouble_trips_in_time` |
//! | 14 | no bucket above the limits, no trip | `no_bucket_above_the_limit_no_trip` |
//! | 15 | windows hold what was counted | `windows_hold_what_was_counted`, `decisions_are_those_of_the_slow_machine` |
//! | 16 | many processes decide as one that saw all | no fleet yet |
//! | 17 | a rollback works in every state | `the_wall_clock_decides_nothing`, `a_rollback_works_in_every_state`, `a_rollback_that_cannot_be_written_holds_in_memory` |
//! | 18 | rules watch in every state; a pause moves no clock | `what_people_do_to_the_climb_moves_no_clock`, `rules_watch_whatever_the_share_is` |
//! | 19 | one rollback has one event, and no call waits for it | `a_rollback_has_one_line_and_one_id_wherever_the_process_ended`, `a_kill_around_a_rollback_never_loses_it`, `a_failing_disk_delays_the_lines_and_nothing_else` |
//! | 20 | a store that is away costs no call time | no fleet yet; the disk: `a_failing_disk_delays_the_lines_and_nothing_else` |
//! | 21 | the local breaker moves nothing but its own calls | `it_never_moves_the_rollout`, `the_wall_clock_decides_nothing`; no fleet yet for one process of many |
//! | 22 | jumps of the wall clock by a day decide nothing | `the_wall_clock_decides_nothing` |

mod breaker;
mod bursts;
pub(super) mod chance;
mod climb;
mod climbing;
mod clocks;
mod common;
mod compared;
mod control;
pub(super) mod draws;
mod everything;
mod gates;
mod invariants;
mod looks;
mod reachable;
mod reference;
pub(super) mod rig;
mod speed;
mod throttled;
