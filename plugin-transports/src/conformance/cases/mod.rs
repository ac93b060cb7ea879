//! The cases, by idea.

mod answers;
mod cancellation;
mod close;
mod connections;
mod errors;
mod faults;
mod kills;
mod line;
mod replies;
mod time;

use futures_util::future::BoxFuture;

pub(super) use self::replies::replies;
use super::{Ability, Fault, Subject, trial::Tried};

/// What has to hold for a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// Its name, which is that of a function and says it in short.
    pub name: &'static str,
    /// What has to hold, as a sentence.
    pub holds: &'static str,
    /// What a transport must be able to do for it.
    pub needs: Option<Ability>,
}

/// How a case is run.
pub(super) type Run<S> = for<'a> fn(&'a S) -> BoxFuture<'a, Tried>;

macro_rules! cases {
    ($($module:ident::$name:ident $(needs $needs:expr)?, $holds:literal;)+) => {
        /// Each case, in the order in which they run.
        pub const CASES: &[Case] = &[
            $(Case { name: stringify!($name), holds: $holds, needs: needs!($($needs)?) }),+
        ];

        /// How each of [`CASES`] is run.
        pub(super) fn runs<S: Subject>() -> Vec<Run<S>> {
            vec![$(|subject| Box::pin($module::$name(subject))),+]
        }
    };
}

macro_rules! needs {
    () => {
        None
    };
    ($needs:expr) => {
        Some($needs)
    };
}

cases! {
    answers::an_answer_is_the_plugins_own,
        "An answer is what the plugin made, of whatever size and in whatever script.";
    answers::metadata_goes_both_ways needs Ability::Metadata,
        "The plugin reads a call's metadata, and a reply has the plugin's.";
    answers::the_plugin_is_told_the_id_of_the_request needs Ability::RequestId,
        "The plugin reads the id of the request that the caller has.";
    answers::a_service_that_is_ready_and_not_called_holds_nothing,
        "Readiness reserves nothing: clones that were polled ready and are kept hold up no call.";
    errors::a_failure_of_the_plugin_is_its_own_error,
        "The plugin's failure is `PLUGIN_1203` with its text, may have been sent, is evidence, and ends no connection.";
    errors::a_code_and_what_it_says_of_another_attempt_are_kept needs Ability::Codes,
        "A plugin's error keeps its code, `retryable` and `retry_after`.";
    errors::what_is_for_operators_stays_with_the_plugin,
        "What a plugin's error has for operators alone reaches no caller.";
    errors::the_status_of_an_error_is_kept needs Ability::Status,
        "An error has the status of HTTP or gRPC that its code stands for, as the plugin's side answered it.";
    errors::what_blames_the_caller_is_no_evidence needs Ability::Codes,
        "An error that blames the caller, or says that there is no room, is no evidence against the plugin.";
    errors::a_panic_of_the_plugin_costs_one_call needs Ability::Panics,
        "A plugin's panic ends its call with an error and is evidence; the next call is answered.";
    time::a_call_ends_at_its_limit,
        "A call that is not answered ends at its limit with `PLUGIN_1204`; it may have been sent, and is evidence.";
    time::a_callers_deadline_ends_its_call_and_is_no_evidence_beside_answers,
        "A caller's shorter deadline ends its call then, and is no evidence where others are answered meanwhile.";
    time::the_plugin_is_told_its_time needs Ability::Deadline,
        "The plugin is told how much time the call has.";
    time::a_waiting_call_arms_one_timer,
        "A call that waits arms one timer, under the limits of an attempt and of a call.";
    cancellation::a_late_answer_reaches_nobody,
        "What was given up or ran out of time is never the answer of another call.";
    cancellation::the_plugin_hears_that_a_call_was_dropped needs Ability::Cancellation,
        "The plugin's work is dropped when its caller is gone, and when its time is up.";
    line::calls_beyond_the_cap_wait_in_line needs Ability::Line,
        "Beyond the cap calls wait in line, first come first served, and whoever leaves it holds up nobody.";
    line::the_wait_in_line_is_not_the_plugins_time needs Ability::Line,
        "A call whose time ends in line was not sent, and is no evidence where others are answered.";
    connections::a_payload_that_is_too_long_is_not_sent needs Ability::Bounds,
        "A payload beyond its bound is `PLUGIN_1207`, not sent, and costs no other call.";
    connections::an_answer_that_is_too_long_ends_its_own_call needs Ability::Bounds,
        "An answer beyond its bound is `PLUGIN_1207`, and costs no other call.";
    connections::a_dead_address_gives_way_to_the_next needs Ability::Addresses,
        "A name whose first address is dead is answered by the next.";
    connections::a_probe_knows_whether_the_plugin_is_there needs Ability::Probe,
        "A probe says that the plugin is there, that it is gone, and that it is back.";
    close::closing_waits_for_calls_and_refuses_new_ones needs Ability::Close,
        "Closing waits for the calls in flight, and refuses new ones unsent with a code of `LIFECYCLE`; twice is once.";
    close::closing_cuts_off_what_does_not_end needs Ability::Close,
        "What has not ended at the end of the grace period is cut off with a typed error.";
    close::nothing_is_left_behind,
        "After closing no task is left on the host's side, and no connection on the plugin's.";
    kills::a_lost_connection_ends_its_calls_at_once needs Ability::Restart,
        "Calls in flight on a plugin that is killed end at once, may have been sent, and are evidence.";
    kills::what_cannot_be_sent_is_known_to_be_unsent needs Ability::Restart,
        "A call to a plugin that is down fails unsent, and is worth another attempt.";
    kills::an_attempt_that_was_made_on_a_dead_plugin_is_evidence needs Ability::TriesWhileDown,
        "A connection that cannot be made is an attempt that failed: evidence.";
    kills::calls_succeed_again_after_a_restart needs Ability::Restart,
        "After a restart the next calls are answered, by the same instance.";
    kills::a_kill_under_load_costs_no_call_its_error needs Ability::Restart,
        "Under 64 callers, killed at any moment: each call ends within its limit, answered or with a typed error.";
    replies::no_reply_reaches_another_caller,
        "Under drops, deadlines, errors and kills no caller gets another's reply.";
    faults::a_peer_that_refuses needs Ability::Fault(Fault::Refuses),
        "Nobody listens: `PLUGIN_1205`, not sent, retryable, evidence.";
    faults::garbage needs Ability::Fault(Fault::Garbage),
        "An answer that cannot be read ends its call at once; it may have been sent, is evidence, and not retryable.";
    faults::invalid_utf8 needs Ability::Fault(Fault::InvalidUtf8),
        "So does one that is no UTF-8.";
    faults::truncated needs Ability::Fault(Fault::Truncated),
        "So does one that ends too early.";
    faults::reset needs Ability::Fault(Fault::Reset),
        "A peer that is gone in the middle of an answer ends the call at once: it may have been sent, and is evidence.";
    faults::half_closed needs Ability::Fault(Fault::HalfClosed),
        "So does one that closes its side without an answer.";
    faults::silent needs Ability::Fault(Fault::Silent),
        "A peer that never answers is cut off at the limit: `PLUGIN_1204`, may have been sent, evidence.";
    faults::slow_loris needs Ability::Fault(Fault::SlowLoris),
        "So is one that sends its answer a byte at a time.";
    faults::twice needs Ability::Fault(Fault::Twice),
        "The second of two answers is nobody's.";
    faults::wrong_id needs Ability::Fault(Fault::WrongId),
        "An answer to another call is not this call's.";
    faults::oversized needs Ability::Fault(Fault::Oversized),
        "An answer beyond the bound is `PLUGIN_1207`, and may have been sent.";
    faults::unavailable needs Ability::Fault(Fault::Unavailable),
        "A status alone is kept: it is an error of the connection, that may have been sent, is evidence, and worth another attempt.";
}
