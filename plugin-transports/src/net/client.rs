//! The client of a plugin behind connections: what holds for its calls, whatever is spoken on them.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use plugin_core::{
    AsErrorValue, BoxFuture, Call, Code, PluginError, Rejected, Reply, Sent,
    clock::Instant,
    deadline::{
        AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutLayer, attempt_limit, cut::AttemptTime, turn, waiting,
    },
    polled_after_end,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    progress::CallProgress,
    reach::{Reach, Reachable},
};
use crate::wire::told_time::{tellable, too_late};

/// What is spoken on the connections.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// Sends the call and reads its answer, however long that takes: its time is kept outside.
    fn exchange(
        &self,
        call: &Call<Bytes>,
        time: &CallTime,
        progress: &CallProgress,
    ) -> impl Future<Output = Result<Reply<Bytes>, PluginError>> + Send;

    /// The longest payload.
    fn max_request(&self) -> usize;

    /// A text of the plugin's without the secrets that it was sent; `None` where none is in it.
    fn hidden(&self, said: &str) -> Option<String>;

    /// Its connections, in short.
    fn peer(&self) -> Arc<dyn Reachable>;

    /// See [`Client::free_connections`].
    fn free(&self) -> usize;

    /// No further health check is made.
    fn stop_probing(&self);

    /// Closes what is idle, and turns away who waits or comes.
    fn close(&self);
}

/// A client. Clones share its connections.
pub(crate) struct Client<P> {
    limited: AttemptTimeout<Wire<P>>,
    state: Arc<ClientState<P>>,
}

impl<P> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { limited: self.limited.clone(), state: Arc::clone(&self.state) }
    }
}

pub(crate) struct ClientState<P> {
    pub(crate) name: Arc<str>,
    pub(crate) protocol: P,
    /// The limit of an attempt, and whether it is kept here.
    limit: Duration,
    keeps_time: bool,
    calls: TaskTracker,
    /// No new call is taken.
    closing: CancellationToken,
    /// It closes too when nobody has it.
    _gone: DropGuard,
    /// What is in flight is given up.
    cut: CancellationToken,
}

impl<P: Protocol> Client<P> {
    /// A client whose attempts may take `limit`, which is kept by a layer outside unless `keeps_time`.
    pub(crate) fn new(name: Arc<str>, protocol: P, limit: Duration, keeps_time: bool) -> Self {
        let closing = CancellationToken::new();
        let state = Arc::new(ClientState {
            name,
            protocol,
            limit,
            keeps_time,
            calls: TaskTracker::new(),
            _gone: closing.clone().drop_guard(),
            closing,
            cut: CancellationToken::new(),
        });
        Self { limited: AttemptTimeoutLayer::new(limit).layer(Wire(Arc::clone(&state))), state }
    }

    pub(crate) fn state(&self) -> &Arc<ClientState<P>> {
        &self.state
    }

    #[cfg(any(feature = "tls", feature = "unix"))]
    pub(crate) fn protocol(&self) -> &P {
        &self.state.protocol
    }

    pub(crate) fn name(&self) -> &str {
        &self.state.name
    }

    pub(crate) fn reach(&self) -> Reach {
        Reach::new(&self.state.protocol.peer(), &self.state.closing)
    }

    pub(crate) fn free_connections(&self) -> usize {
        self.state.protocol.free()
    }

    pub(crate) fn call(&mut self, call: Call<Bytes>) -> CallFuture {
        let work = match self.state.keeps_time {
            true => CallWork::Limited { future: self.limited.call(call) },
            false => CallWork::Bare { future: self.limited.get_mut().call(call) },
        };
        CallFuture { work, plugin: Arc::clone(&self.state.name) }
    }
}

/// The client without any limit of time.
struct Wire<P>(Arc<ClientState<P>>);

impl<P> Clone for Wire<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> Service<Call<Bytes>> for Wire<P> {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        Box::pin(work(Arc::clone(&self.0), call))
    }
}

/// All that a call does. There is one for each call in flight, so its size is held by tests of each protocol.
fn work<P: Protocol>(
    state: Arc<ClientState<P>>,
    call: Call<Bytes>,
) -> impl Future<Output = Result<Reply<Bytes>, PluginError>> + Send + use<P> {
    // Counted from now on, so that a close that comes before the first poll waits for it; and a call that is dropped
    // before it was sent nothing.
    let (token, progress) = (state.calls.token(), CallProgress::new());
    async move {
        let _token = token;
        state.call(call, &progress).await
    }
}

pin_project! {
    /// The future of a call over a connection: the limit of its attempt is kept in it, unless a layer outside keeps it.
    ///
    /// Dropping it gives up the call's place in line, or cuts off the connection it was on; over HTTP/2, only its stream.
    #[must_use = "a future does nothing until it is polled"]
    pub struct CallFuture {
        #[pin]
        work: CallWork,
        plugin: Arc<str>,
    }
}

pin_project! {
    #[project = WorkProject]
    enum CallWork {
        Limited { #[pin] future: AttemptTimeoutFuture<BoxFuture<Result<Reply<Bytes>, PluginError>>, AsErrorValue> },
        Bare { #[pin] future: BoxFuture<Result<Reply<Bytes>, PluginError>> },
        Ended,
    }
}

impl Future for CallFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = ready!(match this.work.as_mut().project() {
            WorkProject::Limited { future } => future.poll(cx),
            WorkProject::Bare { future } => future.poll(cx),
            WorkProject::Ended => polled_after_end("plugin_transports::CallFuture"),
        });
        this.work.set(CallWork::Ended);
        Poll::Ready(result.map_err(|error| error.with_plugin(Arc::clone(this.plugin))))
    }
}

impl fmt::Debug for CallFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// The time of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallTime {
    /// When it began.
    pub(crate) began: Instant,
    time: AttemptTime,
}

impl CallTime {
    fn new(call: &Call<Bytes>, began: Instant, limit: Duration) -> Self {
        let context = call.context();
        let given = context.deadline().map_or(Duration::MAX, |deadline| deadline.saturating_since(context.received()));
        let time = AttemptTime::new(began)
            .with_limit(Some(attempt_limit().unwrap_or(limit)))
            .with_deadline(context.deadline(), given)
            .with_configured(context.configured_timeout());
        Self { began, time }
    }

    /// What the plugin is told that is left of it, when the call is sent at this moment: of the attempt's limit, whoever keeps
    /// it. Whole milliseconds read better, and never promise more than there is.
    pub(crate) fn left(&self, at: Instant) -> Duration {
        let left = tellable(self.time.ends().saturating_since(at));
        Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1))
    }

    /// As it is judged, when an answer says that time ran out.
    pub(crate) fn judged(&self, progress: &CallProgress, others_answered: bool) -> AttemptTime {
        self.time.with_held_until(progress.turn()).with_others_answered(others_answered)
    }
}

impl<P: Protocol> ClientState<P> {
    /// Makes the call, until it is answered or the instance is closed: whoever owns the call's time drops this.
    async fn call(&self, call: Call<Bytes>, progress: &CallProgress) -> Result<Reply<Bytes>, PluginError> {
        if self.closing.is_cancelled() {
            return Err(Rejected::new(Code::Draining).into());
        }
        // What the plugin may take is told from now on and not from when the call was received, which may have waited.
        let now = waiting::present();
        let time = CallTime::new(&call, now, self.limit);
        if call.context().deadline().is_some_and(|deadline| deadline <= now) {
            return Err(too_late(&time.time));
        }
        let (length, max) = (call.payload().len(), self.protocol.max_request());
        if length > max {
            let message = format!("the payload has {length} bytes, and `max_request` is {max}");
            return Err(PluginError::new(Code::PayloadTooLarge, message).with_sent(Sent::Nothing));
        }
        let mut exchange = pin!(self.protocol.exchange(&call, &time, progress));
        let mut closed = pin!(self.cut.cancelled());
        poll_fn(|cx| {
            if let Poll::Ready(result) = exchange.as_mut().poll(cx) {
                if let Some(at) = progress.turn() {
                    turn::tell(at);
                }
                return Poll::Ready(result.map_err(|error| self.without_secrets(error)));
            }
            if closed.as_mut().poll(cx).is_ready() {
                let refusal = Rejected::new(Code::Draining).with_sent(progress.stage().sent());
                return Poll::Ready(Err(refusal.into()));
            }
            waiting::note(progress.stage().as_str());
            Poll::Pending
        })
        .await
    }

    /// Whatever a text quotes, it is passed on without what the plugin was sent in confidence.
    #[cold]
    fn without_secrets(&self, error: PluginError) -> PluginError {
        error.with_texts(|text| self.protocol.hidden(text))
    }

    /// Refuses new calls, waits for those in flight, and cuts them off when `grace` has passed.
    pub(crate) async fn close(self: Arc<Self>, grace: Duration) -> Result<(), PluginError> {
        self.closing.cancel();
        self.calls.close();
        self.protocol.stop_probing();
        let finished = tokio::time::timeout(grace, self.calls.wait()).await.is_ok();
        let left = self.calls.len();
        self.cut.cancel();
        self.protocol.close();
        if finished || left == 0 {
            return Ok(());
        }
        let (left, grace) = (plugin_core::counted(left, "call"), plugin_core::rounded(grace));
        let message = format!("cut off {left} that had not ended within {grace}");
        Err(PluginError::new(Code::Draining, message).with_plugin(Arc::clone(&self.name)))
    }
}

/// What a [`Protocol`] over HTTP, whose fields are `config`, `pool` and `probe_pool`, says of its connections.
#[cfg(any(feature = "http", feature = "grpc"))]
macro_rules! over_a_pool_of_http {
    () => {
        fn max_request(&self) -> usize {
            self.config.max_request
        }

        fn peer(&self) -> ::std::sync::Arc<dyn $crate::net::reach::Reachable> {
            ::std::sync::Arc::clone(&self.pool) as ::std::sync::Arc<dyn $crate::net::reach::Reachable>
        }

        fn free(&self) -> usize {
            self.pool.free()
        }

        fn stop_probing(&self) {
            self.probe_pool.close();
        }

        fn close(&self) {
            self.pool.close();
        }
    };
}

#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) use over_a_pool_of_http;

/// Makes a public type of a [`Client`], which has it as the field `client`: what each of them has.
macro_rules! client_of_a_network {
    ($client:ident) => {
        impl $client {
            /// The plugin's name.
            #[must_use]
            pub fn name(&self) -> &str {
                self.client.name()
            }

            /// Whether the plugin can be reached, for who waits until it can be.
            #[must_use]
            pub fn reach(&self) -> $crate::Reach {
                self.client.reach()
            }

            /// Connections that could be in use besides those that are: where a connection serves one call at a time, 0 when calls wait
            /// in line. Over HTTP/2 the one that calls share does not count, but those that were opened beside it do.
            #[must_use]
            pub fn free_connections(&self) -> usize {
                self.client.free_connections()
            }
        }

        impl ::tower_service::Service<::plugin_core::Call<::bytes::Bytes>> for $client {
            type Response = ::plugin_core::Reply<::bytes::Bytes>;
            type Error = ::plugin_core::PluginError;
            type Future = $crate::CallFuture;

            fn poll_ready(
                &mut self,
                _: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::result::Result<(), Self::Error>> {
                ::std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, call: ::plugin_core::Call<::bytes::Bytes>) -> $crate::CallFuture {
                self.client.call(call)
            }
        }

        impl ::std::fmt::Debug for $client {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($client))
                    .field("name", &self.client.name())
                    .field("free_connections", &self.free_connections())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use client_of_a_network;

/// The bytes that a call in flight takes, beside what the library holds of it.
#[cfg(test)]
pub(crate) fn size_of_call<P: Protocol>() -> usize {
    fn size_of_output<P, F>(_: impl FnOnce(Arc<ClientState<P>>, Call<Bytes>) -> F) -> usize {
        size_of::<F>()
    }
    size_of_output(work::<P>)
}
