//! How the owner of a limit ends what it limits: the same for a call and for an attempt.

use std::pin::Pin;

use super::{
    cut::{self, AttemptTime, Part, Progress},
    due::Due,
    note::Note,
    turn, waiting,
};
use crate::{
    Rejected,
    clock::{self, Instant},
};

/// The moment at which what is limited is first seen waiting. Its time is counted from then on.
pub(super) fn seen_waiting(heard: &mut Note) -> Instant {
    let since = heard.now.unwrap_or_else(clock::now);
    heard.now = Some(since);
    waiting::read(since);
    since
}

/// Drops what this time is up of, and gives back the refusal, which says how far it had come; what it was waiting for by
/// this stage, if it does not say so itself. The work stops now, not when the caller gets round to dropping its future. An end
/// that was overslept is no evidence.
pub(super) fn end<F>(
    mut work: Pin<&mut Option<F>>,
    time: &AttemptTime,
    stage: Option<&'static str>,
    due: Due,
) -> Rejected {
    let overslept = due == Due::Overslept;
    let progress = cut::drop_under(time.cut().of_unseen(overslept), || work.set(None));
    if let Some(at) = progress.held_until {
        turn::tell(at);
    }
    let stage = progress.stage.or(stage);
    time.refusal_of(Progress { stage, is_held: progress.is_held || overslept, ..progress })
}

/// Drops a call with the future that limits it. Where that is cut by a layer further out, what is in here has this limit, if there
/// is one.
#[inline]
pub(super) fn drop_call<F>(mut work: Pin<&mut Option<F>>, call: impl FnOnce() -> Part) {
    if work.is_some() && cut::current().is_some() {
        cut::within_call(call(), || work.set(None));
    }
}

/// Drops what is limited with its future. Where that is cut by a layer further out, what is in here has this limit too.
#[inline]
pub(super) fn drop_limited<F>(mut work: Pin<&mut Option<F>>, part: impl FnOnce() -> Part) {
    if work.is_some() && cut::current().is_some() {
        cut::within(part(), || work.set(None));
    }
}
