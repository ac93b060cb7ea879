//! One call to the process, without a limit of its own: it is written, or waits for a start, and goes to the next process
//! where the one that had it has not read it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    BoxFuture, Call, CallContext, PluginError, Rejected, Sent,
    clock::{self, Instant},
    deadline::{
        cut::{self, AttemptTime},
        turn, waiting,
    },
    polled_after_end,
};
use tower_service::Service;

use super::{
    error,
    handle::Owner,
    link::Pipe,
    link::{CallRoute, LinkState},
};
use crate::{
    lines::{
        client::{Exchange, Failure, LineConnection, Treatment},
        codec::{Answer, Frame},
    },
    wire::told_time::{tellable, too_late},
};

/// The process as a service that has no limit of its own.
#[derive(Clone)]
pub(super) struct Unlimited {
    pub(super) owner: Arc<Owner>,
}

impl Unlimited {
    fn begin(&self, call: Call<Bytes>) -> Result<Asking, PluginError> {
        let shared = &self.owner.shared;
        let limit = shared.config.limits.line;
        // Before it is read as JSON, which takes time.
        let size = call.payload().len();
        if size > limit {
            return Err(error::too_large(size, limit, &shared.name));
        }
        let reach = shared.connection(call.context().deadline())?;
        begin(shared.clone(), reach, call, Before::default())
    }
}

/// What a call has behind it that comes to a process.
#[derive(Clone, Copy, Default)]
struct Before {
    /// When its attempt began to wait, where it did.
    since: Option<Instant>,
    /// Until when it was kept on this side.
    held_until: Option<Instant>,
}

/// Asks the process that can be reached, now or when it is ready.
fn begin(shared: Arc<LinkState>, reach: CallRoute, call: Call<Bytes>, before: Before) -> Result<Asking, PluginError> {
    match reach {
        CallRoute::Now(connection) => exchange(shared, connection, call, before).map(Asking::Waiting),
        CallRoute::AfterStart(starts) => Ok(Asking::Starting(Starting::new(shared, starts, call, before))),
    }
}

fn exchange(
    shared: Arc<LinkState>,
    connection: Arc<LineConnection<Pipe>>,
    call: Call<Bytes>,
    before: Before,
) -> Result<Asked, PluginError> {
    let config = &shared.config;
    let payload = crate::json::on_one_line(&call, shared.config.limits.json);
    let payload = payload.map_err(|flaw| error::not_json(&flaw, &shared.name))?;
    let context = call.context();
    // What the plugin is told that it has: what is left of the attempt, which began before a wait. The clock is read only
    // where there is a deadline or was a wait, and not again when the call is then seen waiting.
    let limit = shared.attempt_limit();
    let mut told = Told::of(context, limit, before);
    let (left, until) = match (context.deadline(), before.since) {
        (None, None) => (limit, None),
        (_, since) => {
            let now = waiting::present();
            let since = since.unwrap_or(now);
            told.since = Some(since);
            let ends = told.time(since).ends();
            let left = ends.saturating_since(now);
            if left.is_zero() {
                return Err(too_late(&told.time(since)).with_plugin(shared.name.clone()));
            }
            (left, Some(ends))
        }
    };
    let frame = Frame::new("execute", &payload, context, clock::nanos(tellable(left)));
    // What travels with the payload is part of the line, which the plugin bounds as a whole.
    if frame.len() > config.limits.line {
        return Err(error::too_large(frame.len(), config.limits.line, &shared.name));
    }
    let exchange = connection.exchange(frame, until).limited_to(limit).held_until(before.held_until);
    Ok(Asked { exchange, told, call, connection, shared })
}

/// A call that the plugin is asked to answer, and the time that it is told.
pub(super) struct Asked {
    exchange: Exchange<Pipe>,
    told: Told,
    /// For the next process, if this one has not read it.
    call: Call<Bytes>,
    connection: Arc<LineConnection<Pipe>>,
    shared: Arc<LinkState>,
}

impl Asked {
    /// The process ended and has not read the call: it is one that comes now. It is no other attempt, since nothing was
    /// attempted; who counts attempts would refuse most of a long line because of one death.
    fn anew(&self, failure: Failure) -> Result<Asking, Ended> {
        let (call, shared) = (self.call.clone(), self.shared.clone());
        match shared.connection(call.context().deadline()) {
            // Its end is not known there yet.
            Ok(CallRoute::Now(next)) if Arc::ptr_eq(&next, &self.connection) => Err(Ended::Failed(failure)),
            // The next one has it from now on.
            Ok(reach) => {
                let before = Before { since: self.told.since, held_until: Some(waiting::present()) };
                begin(shared, reach, call, before).map_err(Ended::Refused)
            }
            Err(error) => Err(Ended::Refused(error)),
        }
    }
}

/// An answer, and the time that the plugin was told.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) told: Told,
}

/// What the plugin is told of the call's time, for the case that it says that this is up.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// When the call began to wait for the plugin; `None` when nobody could cut it.
    pub(super) since: Option<Instant>,
    received: Instant,
    deadline: Option<Instant>,
    configured: Option<Duration>,
    /// The limit of the attempt, of whoever owns it.
    limit: Duration,
    /// How it was treated on this side, once it has its answer.
    turn: Treatment,
}

impl Told {
    fn of(context: &CallContext, limit: Duration, before: Before) -> Self {
        let (deadline, configured) = (context.deadline(), context.configured_timeout());
        let turn = Treatment { held_until: before.held_until, ..Treatment::default() };
        Self { since: before.since, received: context.received(), deadline, configured, limit, turn }
    }

    /// That of an attempt that began then.
    pub(super) fn time(&self, since: Instant) -> AttemptTime {
        let given = self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_since(self.received));
        let time = AttemptTime::new(since).with_limit(Some(self.limit)).with_deadline(self.deadline, given);
        let Treatment { held_until, others_answered } = self.turn;
        time.with_configured(self.configured).with_held_until(held_until).with_others_answered(others_answered)
    }
}

impl Service<Call<Bytes>> for Unlimited {
    type Response = Answered;
    type Error = Ended;
    type Future = Asking;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Asking {
        self.begin(call).unwrap_or_else(|error| Asking::Refused(Some(error)))
    }
}

/// A call without a limit. Dropping it withdraws the request, and tells under a cut how far it had come.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every call is the largest, and a box would be an allocation each"
)]
pub(super) enum Asking {
    Waiting(Asked),
    Starting(Starting),
    Refused(Option<PluginError>),
}

/// What a call waits for that met a process which is being started.
const STARTING: &str = "waiting for the plugin's process to be ready";

/// A call that waits for the process to be ready. Nothing of it was sent.
pub(super) struct Starting {
    /// Boxed, since few calls ever wait for it.
    work: BoxFuture<Result<Asked, PluginError>>,
}

impl Starting {
    fn new(shared: Arc<LinkState>, starts: u64, call: Call<Bytes>, before: Before) -> Self {
        let work = async move {
            let since = before.since.or_else(waiting::began);
            let connection = shared.clone().started(starts).await?;
            exchange(shared, connection, call, Before { since, held_until: Some(waiting::present()) })
        };
        Self { work: Box::pin(work) }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // That it is not ready is known, by everybody who asks: what it died of was the evidence. A breaker that opens on those
        // who waited would stay open when it is ready, and tell callers a time that is not that of the start.
        cut::report_held(STARTING);
    }
}

/// How a call ended without an answer, before there are words for it.
pub(super) enum Ended {
    /// Before there was a request.
    Refused(PluginError),
    Failed(Failure),
    /// Its time was up.
    Cut(Rejected),
}

impl From<Rejected> for Ended {
    fn from(rejected: Rejected) -> Self {
        Self::Cut(rejected)
    }
}

impl Future for Asking {
    type Output = Result<Answered, Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match this {
                Self::Starting(starting) => {
                    *this = match starting.work.as_mut().poll(cx) {
                        Poll::Ready(Ok(asked)) => Self::Waiting(asked),
                        Poll::Ready(Err(error)) => Self::Refused(Some(error)),
                        Poll::Pending => {
                            waiting::note(STARTING);
                            return Poll::Pending;
                        }
                    };
                }
                Self::Waiting(asked) => {
                    let Poll::Ready(result) = Pin::new(&mut asked.exchange).poll(cx) else {
                        asked.told.since = asked.told.since.or_else(waiting::began);
                        return Poll::Pending;
                    };
                    *this = match result {
                        Ok(answer) => {
                            let told = Told { turn: asked.exchange.turn(), ..asked.told };
                            if let Some(at) = told.turn.held_until {
                                turn::tell(at);
                            }
                            return Poll::Ready(Ok(Answered { answer, told }));
                        }
                        Err(failure @ (Failure::Lost(_, Sent::Nothing) | Failure::Closing)) => asked.anew(failure)?,
                        Err(failure) => return Poll::Ready(Err(Ended::Failed(failure))),
                    };
                }
                Self::Refused(error) => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(Ended::Refused(error))),
                        None => polled_after_end("plugin_transports::process::ProcessFuture"),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_end_of_the_time_that_a_plugin_was_told_is_judged_by_all_that_limits_its_call() {
        // The limit of the attempt, what its caller gives, what the call is configured with, and when the plugin says
        // that its time is up: whether that is the end of the time, and evidence.
        let judged = |limit: Duration, given: u32, configured: Option<Duration>, after: u32| {
            let mut context = CallContext::received_at(Instant::from_nanos(1)).with_timeout(given * SECOND);
            configured.into_iter().for_each(|configured| context.limit_configured_timeout(configured));
            let begun = context.received();
            let time = Told::of(&context, limit, Before::default()).time(begun);
            assert!(time.refusal().to_string().contains(&format!("{given}s were given")), "{}", time.refusal());
            let ends = begun.saturating_add(after * SECOND);
            (time.is_up(ends), time.refusal().is_evidence())
        };
        assert_eq!(judged(30 * SECOND, 20, None, 20), (true, true), "more than half of the limit");
        assert_eq!(judged(30 * SECOND, 20, None, 10), (false, true));
        assert_eq!(judged(30 * SECOND, 12, None, 12), (true, false));
        assert_eq!(judged(30 * SECOND, 12, Some(12 * SECOND), 12), (true, true), "all that it ever has");
    }
}
