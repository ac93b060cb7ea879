//! One call within its deadline: made for its caller, or joined by it.

use super::{
    enforced,
    future::{DeadlineFuture, Time},
    request::Deadlined,
};
use crate::{clock::Instant, readiness};

/// Makes one call within the deadline that its request brings: what [`DeadlineLayer::enforce_only`](super::DeadlineLayer::enforce_only) does, for whoever
/// serves calls and has no stack. `call` is not run when the deadline has passed.
pub fn enforce<Req, F, R>(request: Req, call: impl FnOnce(Req) -> F, reject: R) -> DeadlineFuture<F, R>
where
    Req: Deadlined,
{
    limited(request, u64::MAX, call, reject)
}

#[inline]
pub(super) fn limited<Req, F, R>(
    mut request: Req,
    limit: u64,
    call: impl FnOnce(Req) -> F,
    reject: R,
) -> DeadlineFuture<F, R>
where
    Req: Deadlined,
{
    let started = request.started();
    let brought = request.deadline(started).unwrap_or(Instant::MAX);
    let deadline = brought.min(Instant::from_nanos(started.as_nanos().saturating_add(limit)));
    if deadline == Instant::MAX {
        return DeadlineFuture::unlimited(call(request), reject);
    }
    request.limit(deadline, started, limit);
    let times = request.times(started);
    let time = Time { since: started, deadline, given: times.given, allowed: limit.min(times.configured) };
    if deadline <= started {
        readiness::unused();
        return DeadlineFuture::new(None, time, reject);
    }
    let _enforced = enforced::enforcing(deadline);
    begun(request, time, call, reject)
}

/// A function of its own, without anything that must be undone when the call panics: the future of the call is then written
/// where it stays, and not copied there.
#[inline]
fn begun<Req, F, R>(request: Req, time: Time, call: impl FnOnce(Req) -> F, reject: R) -> DeadlineFuture<F, R> {
    DeadlineFuture::new(Some(call(request)), time, reject)
}

/// Joins a call that has other callers, as the caller that brings this request, and waits for it until the deadline of that
/// request: unless a layer further out enforces one that is no later. `join` is told until when this caller waits
/// ([`Instant::MAX`]: for as long as it takes), and is not run when the deadline has passed. For layers that share calls.
///
/// # Errors
///
/// What `join` answers with.
pub fn join<Req, C, E, R>(
    request: Req,
    join: impl FnOnce(Req, Instant) -> Result<C, E>,
    reject: R,
) -> Result<DeadlineFuture<C, R>, E>
where
    Req: Deadlined,
{
    let started = request.started();
    let times = request.times(started);
    let awaited = enforced::awaited().min(times.deadline);
    if enforced::until() <= times.deadline {
        return Ok(DeadlineFuture::unlimited(join(request, awaited)?, reject));
    }
    let time = Time { since: started, deadline: times.deadline, given: times.given, allowed: times.configured };
    if time.deadline <= started {
        readiness::unused();
        return Ok(DeadlineFuture::new(None, time, reject));
    }
    Ok(DeadlineFuture::new(Some(join(request, awaited)?), time, reject))
}
