//! The service that calls a plugin's process.

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
    Call, CallContext, HealthState, HealthStatus, PluginError, Reply, clock,
    deadline::{AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutLayer},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ProcessHandle,
    asking::{Answered, Asking, Ended, Unlimited},
    error,
    handle::Owner,
    link::Pipe,
    link::{Link, LinkState},
};
use crate::{
    lines::{
        client::{Failure, LineConnection, Place},
        codec::Frame,
    },
    wire::{health, introduction},
};

/// Calls a plugin that runs as a process of its own, many calls at a time.
///
/// Payloads and replies are JSON. `poll_ready` is always ready: a process that has failed, a queue that is full, and too
/// many calls in flight are answered with an error by `call`, at once; a call that meets a process which is being started
/// again waits for the end of that start, within its own limits. Every clone calls the same
/// process; when the last clone, call and [`PluginInstance`](plugin_core::PluginInstance) is dropped, it is stopped.
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     plugin_core::Call,
///     process::{ProcessConfig, connect},
/// };
/// use tower::ServiceExt;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ProcessConfig::builder("greeter", "python3").with_arg("greeter.py").build()?;
/// let plugin = connect(config).await?; // once it is ready
/// let reply = plugin.service().clone().oneshot(Call::new(Bytes::from_static(br#""you""#))).await?;
/// assert_eq!(reply.payload(), r#""hello you""#);
/// # Ok(())
/// # }
/// # let _ = run;
/// ```
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
            link => return LinkState::down_health(link).unwrap_or_default(),
        };
        let frame = Frame::new("health", b"null", &CallContext::new(), 0);
        let answer = tokio::select! {
            biased;
            answer = connection.exchange_at(Place::Ahead, frame) => answer,
            () = busy(&connection, shared.config.check_limit) => return no_news(&shared.health.status()),
        };
        match answer {
            Ok(answer) => {
                let status = match answer.result {
                    Ok(json) => introduction::health(&json, HealthState::Healthy),
                    Err(fault) => HealthStatus::new(HealthState::Unhealthy, fault.text),
                };
                health::told(status, |text| shared.confidential.hidden(text))
            }
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
async fn busy(connection: &LineConnection<Pipe>, limit: Duration) {
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
    type Future = ProcessFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> ProcessFuture {
        let owner = self.owner().clone();
        let work = match owner.shared.config.keeps_request_timeout {
            true => ProcessWork::Limited(self.limited.call(call)),
            false => ProcessWork::Bare(self.limited.get_mut().call(call)),
        };
        ProcessFuture { work, owner }
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
#[must_use = "a future does nothing until it is polled"]
pub struct ProcessFuture {
    work: ProcessWork,
    owner: Arc<Owner>,
}

enum ProcessWork {
    Limited(AttemptTimeoutFuture<Asking, plugin_core::AsErrorValue>),
    Bare(Asking),
}

impl Future for ProcessFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.owner.shared;
        let polled = match &mut this.work {
            ProcessWork::Limited(future) => Pin::new(future).poll(cx),
            ProcessWork::Bare(future) => Pin::new(future).poll(cx),
        };
        Poll::Ready(match ready!(polled) {
            Ok(Answered { answer, told }) => match answer.result {
                Ok(payload) => Ok(Reply::new(payload).with_metadata(answer.metadata)),
                Err(fault) => Err(error::answered(fault, told.since.map(|since| told.time(since)).as_ref(), shared)),
            },
            Err(Ended::Refused(error)) => Err(error),
            Err(Ended::Failed(failure)) => Err(error::failed(failure, shared)),
            Err(Ended::Cut(rejected)) => Err(PluginError::from(rejected).with_plugin(shared.name.clone())),
        })
    }
}

impl fmt::Debug for ProcessFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessFuture").field("plugin", &self.owner.shared.name).finish_non_exhaustive()
    }
}
