//! The plugin as a service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    BoxFuture, Call, CallContext, HealthState, HealthStatus, PluginError, Rejected, Reply, Sent,
    clock::{self, Instant},
    deadline::{
        AttemptFuture, AttemptTimeout, AttemptTimeoutLayer,
        cut::{self, AttemptTime},
        waiting,
    },
    polled_after_end,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ProcessHandle, error,
    handle::Owner,
    hello,
    link::{Link, Reach, Shared},
    running::Pipe,
};
use crate::{
    lines::{
        client::{Connection, Exchange, Failure, Place},
        codec::{Answer, Frame},
    },
    told::{tellable, too_late},
};

/// Calls a plugin that runs as a process of its own, many calls at a time.
///
/// Payloads and replies are JSON. `poll_ready` is always ready: a process that has failed, a queue that is full, and too
/// many calls in flight are answered with an error by `call`, at once; a call that meets a process which is being started
/// again waits for the end of that start, within its own limits. Every clone calls the same
/// process; when the last clone, call and [`PluginInstance`](plugin_core::PluginInstance) is dropped, it is stopped.
#[derive(Clone)]
pub struct ProcessService {
    /// Core's limit of an attempt is the only one that a call has, here or further out.
    limited: AttemptTimeout<Unlimited>,
}

impl ProcessService {
    pub(super) fn new(owner: Arc<Owner>) -> Self {
        let limit = AttemptTimeoutLayer::new(owner.shared.config.request_timeout);
        Self { limited: limit.layer(Unlimited { owner }) }
    }

    /// Reads and controls the process.
    #[must_use]
    pub fn handle(&self) -> ProcessHandle {
        ProcessHandle::new(self.owner())
    }

    pub(super) fn owner(&self) -> &Arc<Owner> {
        &self.limited.get_ref().owner
    }

    /// Asks the plugin how it is; where it has no method for that, a process that lives is healthy.
    pub(super) async fn check(&self) -> HealthStatus {
        let start = clock::now();
        let status = self.ask_health().await;
        status.with_response_time(start.elapsed()).with_last_check(clock::wall())
    }

    async fn ask_health(&self) -> HealthStatus {
        let shared = &self.owner().shared;
        let connection = match &**shared.link() {
            Link::Up { methods, .. } if !methods.health => return HealthStatus::new(HealthState::Healthy, ONLY_UP),
            Link::Up { connection, .. } => connection.clone(),
            link => return Shared::down_health(link).unwrap_or_default(),
        };
        let frame = Frame::new("health", b"null", &CallContext::new(), 0);
        let answer = tokio::select! {
            biased;
            answer = connection.exchange_at(Place::Ahead, frame) => answer,
            () = busy(&connection, shared.config.check_limit) => return no_news(&shared.health.status()),
        };
        match answer {
            Ok(answer) => match answer.result {
                Ok(json) => hello::health(&json),
                Err(fault) => HealthStatus::new(HealthState::Unhealthy, fault.text),
            },
            Err(Failure::TooMany(_) | Failure::QueueFull(_)) => {
                HealthStatus::not_checked("too many wait for the plugin")
            }
            Err(failure) => HealthStatus::new(HealthState::Unhealthy, error::failed(failure, shared).message()),
        }
    }
}

/// All that is known of a plugin that cannot be asked.
const ONLY_UP: &str = "the process is up; the plugin has no health method";

/// Resolves when most of a check's time is over and the check stands behind calls that the plugin works on: it has answered
/// some meanwhile, or since the check before this one, or somebody waits still for the first of them. It has not come to the
/// check yet, as far as is known.
async fn busy(connection: &Connection<Pipe>, limit: Duration) {
    let look = connection.look();
    tokio::time::sleep(limit / 4 * 3).await;
    while !look.was_busy(connection.progress()) {
        tokio::time::sleep(limit / 32).await;
    }
}

/// What a check says that found nothing out but that the plugin lives: no more than was known. What was found to be down
/// answers calls, so it is not.
fn no_news(known: &HealthStatus) -> HealthStatus {
    match known.state {
        HealthState::Unknown => HealthStatus::healthy(),
        state if state.is_serving() => known.clone(),
        _ => HealthStatus::degraded("it answers calls, and has not come to its health check behind them"),
    }
}

impl Service<Call<Bytes>> for ProcessService {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> ResponseFuture {
        let owner = self.owner().clone();
        let work = match owner.shared.config.keeps_request_timeout {
            true => Work::Limited(self.limited.call(call)),
            false => Work::Bare(self.limited.get_mut().call(call)),
        };
        ResponseFuture { work, owner }
    }
}

impl fmt::Debug for ProcessService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessService").field("process", &self.handle()).finish()
    }
}

/// A call to the process.
///
/// Nothing is sent before the first poll. Dropping it withdraws a request that the process has not been sent; of one
/// that was sent the reply is dropped when it comes, and no other call is delayed.
pub struct ResponseFuture {
    work: Work,
    owner: Arc<Owner>,
}

enum Work {
    Limited(AttemptFuture<Exchanging, plugin_core::AsError>),
    Bare(Exchanging),
}

impl Future for ResponseFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.owner.shared;
        let polled = match &mut this.work {
            Work::Limited(future) => Pin::new(future).poll(cx),
            Work::Bare(future) => Pin::new(future).poll(cx),
        };
        Poll::Ready(match ready!(polled) {
            Ok(Answered { answer, told }) => match answer.result {
                Ok(payload) => Ok(Reply::new(payload).with_metadata(answer.metadata)),
                Err(fault) => {
                    Err(error::answered(fault, told.since.map(|since| told.time(since)).as_ref(), &shared.name))
                }
            },
            Err(Ended::Refused(error)) => Err(error),
            Err(Ended::Failed(failure)) => Err(error::failed(failure, shared)),
            Err(Ended::Cut(rejected)) => Err(PluginError::from(rejected).with_plugin(shared.name.clone())),
        })
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("plugin", &self.owner.shared.name).finish_non_exhaustive()
    }
}

/// The same without a limit of its own.
#[derive(Clone)]
struct Unlimited {
    owner: Arc<Owner>,
}

impl Unlimited {
    fn begin(&self, call: Call<Bytes>) -> Result<Exchanging, PluginError> {
        let shared = &self.owner.shared;
        let limit = shared.config.limits.line;
        // Before it is read as JSON, which takes time.
        let size = call.payload().len();
        if size > limit {
            return Err(error::too_large(size, limit, &shared.name));
        }
        match shared.connection(call.context().deadline())? {
            Reach::Now(connection) => exchange(shared.clone(), connection, call).map(Exchanging::Waiting),
            Reach::AfterStart(starts) => Ok(Exchanging::Starting(Starting::new(shared.clone(), starts, call))),
        }
    }
}

fn exchange(shared: Arc<Shared>, connection: Arc<Connection<Pipe>>, call: Call<Bytes>) -> Result<Asked, PluginError> {
    let config = &shared.config;
    let payload = crate::json::on_one_line(&call, shared.config.limits.json);
    let payload = payload.map_err(|flaw| error::not_json(&flaw, &shared.name))?;
    let context = call.context();
    // What the plugin is told that it has. The clock is read only where there is a deadline, and not again when the
    // call is then seen waiting.
    let limit = shared.attempt_limit();
    let mut told = Told::of(context, limit);
    let (left, until) = match context.deadline() {
        None => (limit, None),
        Some(deadline) => {
            let now = waiting::present();
            told.since = Some(now);
            let left = deadline.saturating_since(now);
            if left.is_zero() {
                return Err(too_late(&told.time(now)).with_plugin(shared.name.clone()));
            }
            let left = left.min(limit);
            (left, Some(now.saturating_add(left)))
        }
    };
    let frame = Frame::new("execute", &payload, context, clock::nanos(tellable(left)));
    // What travels with the payload is part of the line, which the plugin bounds as a whole.
    if frame.len() > config.limits.line {
        return Err(error::too_large(frame.len(), config.limits.line, &shared.name));
    }
    Ok(Asked { exchange: connection.exchange(frame, until), told, call, connection, shared })
}

/// A call that the plugin is asked to answer, and the time that it is told.
struct Asked {
    exchange: Exchange<Pipe>,
    told: Told,
    /// For the next process, if this one has not read it.
    call: Call<Bytes>,
    connection: Arc<Connection<Pipe>>,
    shared: Arc<Shared>,
}

impl Asked {
    /// The process ended and has not read the call: it is one that comes now. It is no other attempt, since nothing was
    /// attempted; who counts attempts would refuse most of a long line because of one death.
    fn anew(&self, failure: Failure) -> Result<Exchanging, Ended> {
        let (call, shared) = (self.call.clone(), self.shared.clone());
        match shared.connection(call.context().deadline()) {
            // Its end is not known there yet.
            Ok(Reach::Now(next)) if Arc::ptr_eq(&next, &self.connection) => Err(Ended::Failed(failure)),
            Ok(Reach::Now(next)) => exchange(shared, next, call).map(Exchanging::Waiting).map_err(Ended::Refused),
            Ok(Reach::AfterStart(starts)) => Ok(Exchanging::Starting(Starting::new(shared, starts, call))),
            Err(error) => Err(Ended::Refused(error)),
        }
    }
}

/// An answer, and the time that the plugin was told.
struct Answered {
    answer: Answer,
    told: Told,
}

/// What the plugin is told of the call's time, for the case that it says that this is up.
#[derive(Clone, Copy)]
struct Told {
    /// When the call began to wait for the plugin; `None` when nobody could cut it.
    since: Option<Instant>,
    received: Instant,
    deadline: Option<Instant>,
    configured: Option<Duration>,
    /// The limit of the attempt, of whoever owns it.
    limit: Duration,
}

impl Told {
    fn of(context: &CallContext, limit: Duration) -> Self {
        let (deadline, configured) = (context.deadline(), context.configured_timeout());
        Self { since: None, received: context.received(), deadline, configured, limit }
    }

    /// That of an attempt that began then.
    fn time(&self, since: Instant) -> AttemptTime {
        let given = self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_since(self.received));
        let time = AttemptTime::new(since).with_limit(Some(self.limit)).with_deadline(self.deadline, given);
        time.with_configured(self.configured)
    }
}

impl Service<Call<Bytes>> for Unlimited {
    type Response = Answered;
    type Error = Ended;
    type Future = Exchanging;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Exchanging {
        self.begin(call).unwrap_or_else(|error| Exchanging::Refused(Some(error)))
    }
}

/// A call without a limit. Dropping it withdraws the request, and tells under a cut how far it had come.
enum Exchanging {
    Waiting(Asked),
    Starting(Starting),
    Refused(Option<PluginError>),
}

/// What a call waits for that met a process which is being started.
const STARTING: &str = "waiting for the plugin's process to be ready";

/// A call that waits for the process to be ready. Nothing of it was sent.
struct Starting {
    /// Boxed, since few calls ever wait for it.
    work: BoxFuture<Result<Asked, PluginError>>,
}

impl Starting {
    fn new(shared: Arc<Shared>, starts: u64, call: Call<Bytes>) -> Self {
        let work = async move {
            let connection = shared.clone().started(starts).await?;
            exchange(shared, connection, call)
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
enum Ended {
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

impl Future for Exchanging {
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
                        Ok(answer) => return Poll::Ready(Ok(Answered { answer, told: asked.told })),
                        Err(failure @ (Failure::Lost(_, Sent::Nothing) | Failure::Closing)) => asked.anew(failure)?,
                        Err(failure) => return Poll::Ready(Err(Ended::Failed(failure))),
                    };
                }
                Self::Refused(error) => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(Ended::Refused(error))),
                        None => polled_after_end("plugin_transports::process::ResponseFuture"),
                    };
                }
            }
        }
    }
}
