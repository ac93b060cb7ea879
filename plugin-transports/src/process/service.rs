//! The plugin as a service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use plugin_core::{
    Call, HealthState, HealthStatus, PluginError, Reply, Sent,
    clock::{self, Instant},
};
use tower_service::Service;

use super::{
    ProcessHandle,
    error::{self, Given},
    handle::{Link, Owner, Shared},
    hello,
    running::Pipe,
};
use crate::lines::{client::Exchange, codec::Frame, json::single_line};

/// Calls a plugin that runs as a process of its own, many calls at a time.
///
/// Payloads and replies are JSON. `poll_ready` is always ready: a process that is being restarted, a queue that is
/// full, and too many calls in flight are answered with an error by `call`, at once. Every clone calls the same
/// process; when the last clone, call and [`PluginInstance`](plugin_core::PluginInstance) is dropped, it is stopped.
#[derive(Clone)]
pub struct ProcessService {
    owner: Arc<Owner>,
}

impl ProcessService {
    pub(super) fn new(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    /// Reads and controls the process.
    #[must_use]
    pub fn handle(&self) -> ProcessHandle {
        ProcessHandle::new(&self.owner)
    }

    pub(super) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    fn exchange(&self, call: &Call<Bytes>) -> Result<State, PluginError> {
        let shared = &self.owner.shared;
        let config = &shared.config;
        // Before it is read as JSON, which takes time.
        let size = call.payload().len();
        if size > config.limits.line {
            return Err(error::too_large(size, config.limits.line, &shared.name));
        }
        let payload = single_line(call.payload()).map_err(|error| error::not_json(error, &shared.name))?;
        let context = call.context();
        let now = clock::now();
        let own = now.saturating_add(config.request_timeout);
        let (until, given) = match context.deadline() {
            Some(deadline) if deadline <= own => {
                let limit = deadline.saturating_since(context.received());
                (deadline, Given { limit, by_caller: true })
            }
            _ => (own, Given { limit: config.request_timeout, by_caller: false }),
        };
        if until <= now {
            return Err(error::late(given, Sent::Nothing).with_plugin(shared.name.clone()));
        }
        let connection = shared.connection()?;
        let timeout = clock::nanos(until.saturating_since(now));
        let frame = Frame::new("execute", &payload, context, timeout);
        // What travels with the payload is part of the line, which the plugin bounds as a whole.
        if frame.len() > config.limits.line {
            return Err(error::too_large(frame.len(), config.limits.line, &shared.name));
        }
        Ok(State::Waiting { exchange: connection.exchange(frame, until), given })
    }

    /// Asks the plugin how it is; where it has no method for that, a process that lives is healthy.
    pub(super) async fn check(&self) -> HealthStatus {
        let start = clock::now();
        let status = self.ask_health().await;
        status.with_response_time(start.elapsed()).with_last_check(clock::wall())
    }

    async fn ask_health(&self) -> HealthStatus {
        let shared = &self.owner.shared;
        let exchange = match &**shared.link() {
            Link::Up { methods, .. } if !methods.health => return HealthStatus::healthy(),
            Link::Up { connection, .. } => {
                let frame = Frame::new("health", b"null", &plugin_core::CallContext::new(), 0);
                connection.exchange(frame, Instant::MAX)
            }
            link => return Shared::down_health(link).unwrap_or_default(),
        };
        match exchange.await {
            Ok(answer) => match answer.result {
                Ok(json) => hello::health(&json),
                Err(text) => HealthStatus::new(HealthState::Unhealthy, text),
            },
            Err(failure) => {
                let given = Given { limit: shared.config.request_timeout, by_caller: false };
                let error = error::failed(failure, shared, given);
                HealthStatus::new(HealthState::Unhealthy, error.message())
            }
        }
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
        let state = self.exchange(&call).unwrap_or_else(|error| State::Failed(Some(error)));
        ResponseFuture { state, owner: self.owner.clone() }
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
    state: State,
    owner: Arc<Owner>,
}

enum State {
    Waiting { exchange: Exchange<Pipe>, given: Given },
    Failed(Option<PluginError>),
}

impl Future for ResponseFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.owner.shared;
        let (exchange, given) = match &mut this.state {
            State::Waiting { exchange, given } => (exchange, *given),
            State::Failed(error) => return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        };
        Poll::Ready(match ready!(Pin::new(exchange).poll(cx)) {
            Ok(answer) => match answer.result {
                Ok(payload) => Ok(Reply::new(payload).with_metadata(answer.metadata)),
                Err(text) => Err(error::answered(text, &shared.name)),
            },
            Err(failure) => Err(error::failed(failure, shared, given)),
        })
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("plugin", &self.owner.shared.name).finish_non_exhaustive()
    }
}
