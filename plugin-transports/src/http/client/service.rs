//! The connector, and the service that it connects.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use pin_project_lite::pin_project;
use plugin_core::{
    BoxFuture, Call, Code, PluginError, PluginInfo, PluginInstance, Rejected, Reply, Sent,
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
    HttpConfig,
    connect::Connector,
    exchange::{self, Outgoing},
    fault, headers, health,
    pool::Pool,
    progress::CallProgress,
    reach::Reach,
};
use crate::{
    http::{body::Parts, envelope},
    json,
    wire::{
        plugin_errors,
        told_time::{tellable, too_late},
    },
};

/// Connects plugins that are reached over HTTP.
#[derive(Debug)]
pub struct HttpPlugin;

impl HttpPlugin {
    /// Makes an instance out of settings. The files of TLS are read; connections are opened by the first calls.
    ///
    /// The instance's probe is `GET` on the health endpoint, over a connection of its own: 2xx is healthy, and a body such
    /// as `{"status":"degraded","message":"..."}` makes it degraded. 404, 405 or 501 at the default path says that the plugin has
    /// no such endpoint, is told once in the log, and healthy. Closing it refuses new calls (`LIFECYCLE_2101`), waits
    /// for those in flight, and cuts them off when the grace period ends.
    ///
    /// # Errors
    ///
    /// `AUTH_1104` when a file of TLS is missing, unreadable, or does not hold what it should.
    pub fn connect(config: HttpConfig) -> Result<PluginInstance<HttpClient>, PluginError> {
        let name: Arc<str> = config.name.as_str().into();
        let named = |error: PluginError| error.with_plugin(Arc::clone(&name));
        let connector = Connector::new(&config, &config.endpoint).map_err(named)?;
        let probing = connector.beside(&config, &config.health).map_err(named)?;
        let pool = Pool::new(connector, &config.connection, config.connection.max_connections());
        let probe_pool = Pool::new(probing, &config.connection, 1);
        let base = headers::base(&config);
        let transport = if config.endpoint.tls { "https" } else { "http" };
        let info = PluginInfo::new(config.name.as_str(), "").with_transport(transport);
        let closing = CancellationToken::new();
        let shared = Arc::new(ClientState {
            config,
            name,
            base,
            pool,
            probe_pool,
            health: health::KnownHealth::default(),
            calls: TaskTracker::new(),
            _gone: closing.clone().drop_guard(),
            closing,
            cut: CancellationToken::new(),
        });
        let (probed, closed) = (Arc::clone(&shared), Arc::clone(&shared));
        Ok(PluginInstance::new(HttpClient::new(shared), info)
            .with_probe(move || {
                let shared = Arc::clone(&probed);
                async move {
                    let ClientState { config, probe_pool, pool, health, .. } = &*shared;
                    health::check(config, probe_pool, pool, shared.probe_headers(), health).await
                }
            })
            .with_close(move |grace| Arc::clone(&closed).close(grace)))
    }
}

/// A plugin over HTTP. Clones share its connections.
///
/// It is always ready: a call waits for its turn inside its future, at most as long as the attempt may take. The limit of
/// an attempt and the call's deadline are kept by the `AttemptTimeout` of plugin-core, with one timer for both, unless
/// `HttpConfigBuilder::without_request_timeout` leaves both to a layer outside. Dropping the future gives up its place in
/// line, or cuts off the connection it was on; over HTTP/2, only its stream.
///
/// A plugin that ends a connection of HTTP/2 in order, or has no room on it for the moment, costs no call: what it has
/// certainly not taken is sent again at once, within the same attempt. Once: what is refused then too is for a retry, with its
/// backoff and its budget.
///
/// Connecting has limits of its own (`connection_timeout`, and a share of it for each of several addresses), and a connection
/// that was idle has a moment to show that it is alive: those timers run beside that one, while a connection is made or taken.
///
/// | what happened | code | worth a second attempt | sent |
/// |---|---|---|---|
/// | the payload is not JSON | `PLUGIN_1206` | no | nothing |
/// | the payload or the answer is too long | `PLUGIN_1207` | no | nothing, or maybe |
/// | no connection: refused, no such name, TLS, too slow | `PLUGIN_1205` | yes, but for a certificate | nothing |
/// | over HTTP/2, not taken (`REFUSED_STREAM`, or above the last stream of a `GOAWAY`), nor when sent again | `PLUGIN_1205` | yes | nothing |
/// | the connection closed before an answer, or in its middle | `PLUGIN_1205` | yes | maybe |
/// | the attempt took longer than `request_timeout` | `PLUGIN_1204` | yes | nothing, or maybe |
/// | the deadline passed | `PLUGIN_1204` | no | nothing, or maybe |
/// | 2xx whose `error` is not empty | `PLUGIN_1203` | no | maybe |
/// | a problem document (RFC 9457) whose `code` the line protocol knows too | that code | as its `retryable` says, after its `retry_after_ms` or `Retry-After` | maybe |
/// | 400, 422; 413: the caller is at fault | `PLUGIN_1206`; `PLUGIN_1207` | no | maybe |
/// | 429 | `RATELIMIT_1501` | yes, after `Retry-After` | maybe |
/// | 504, or the code `PLUGIN_1204`, at the end of the time that the plugin was told, or under a caller in a hurry | `PLUGIN_1204`, as the limit or the deadline that it is | as above | maybe |
/// | 502, 503, another 504 | `TRANSPORT_1301` | yes, after `Retry-After` | maybe |
/// | another status; a redirect; an answer that is not JSON | `TRANSPORT_1301` | no | maybe |
/// | the instance was closed | `LIFECYCLE_2101` | no | nothing, or maybe when it was cut off |
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     http::{HttpConfig, HttpPlugin, ServerOptions, serve},
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = serve(json::serve(double), listener, ServerOptions::new())?;
///
/// let endpoint = format!("http://{}/", server.local_addr());
/// let plugin = HttpPlugin::connect(HttpConfig::builder("double", endpoint).build()?)?;
/// let reply = plugin.service().clone().oneshot(Call::new(Bytes::from_static(b"21"))).await?;
/// assert_eq!(reply.payload(), "42");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient {
    limited: AttemptTimeout<Wire>,
    shared: Arc<ClientState>,
}

struct ClientState {
    config: HttpConfig,
    name: Arc<str>,
    base: HeaderMap,
    pool: Arc<Pool>,
    probe_pool: Arc<Pool>,
    health: health::KnownHealth,
    calls: TaskTracker,
    /// No new call is taken.
    closing: CancellationToken,
    /// It closes too when nobody has it.
    _gone: DropGuard,
    /// What is in flight is given up.
    cut: CancellationToken,
}

impl HttpClient {
    fn new(shared: Arc<ClientState>) -> Self {
        let layer = AttemptTimeoutLayer::new(shared.config.connection.request_timeout());
        Self { limited: layer.layer(Wire(Arc::clone(&shared))), shared }
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether the plugin can be reached, for who waits until it can be.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach::new(&self.shared.pool, &self.shared.closing)
    }

    /// Connections that could be in use besides those that are: over HTTP/1.1, 0 when calls wait in line. Over HTTP/2 the one
    /// that calls share does not count, but those that were opened beside it do.
    #[must_use]
    pub fn free_connections(&self) -> usize {
        self.shared.pool.free()
    }
}

impl Service<Call<Bytes>> for HttpClient {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> HttpFuture {
        let work = match self.shared.config.request_timeout {
            true => HttpWork::Limited { future: self.limited.call(call) },
            false => HttpWork::Bare { future: self.limited.get_mut().call(call) },
        };
        HttpFuture { work, shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("name", &self.shared.name)
            .field("endpoint", &self.shared.config.endpoint.origin())
            .field("free_connections", &self.free_connections())
            .finish_non_exhaustive()
    }
}

/// The client without any limit of time.
#[derive(Clone)]
struct Wire(Arc<ClientState>);

impl Service<Call<Bytes>> for Wire {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        // Counted from now on, so that a close that comes before the first poll waits for it; and a call that is dropped
        // before it was sent nothing.
        let (token, progress) = (shared.calls.token(), CallProgress::new());
        Box::pin(async move {
            let _token = token;
            shared.call(call, &progress).await
        })
    }
}

pin_project! {
    /// The future of [`HttpClient`].
    #[must_use = "a future does nothing until it is polled"]
    pub struct HttpFuture {
        #[pin]
        work: HttpWork,
        shared: Arc<ClientState>,
    }
}

pin_project! {
    #[project = WorkProject]
    enum HttpWork {
        Limited { #[pin] future: AttemptTimeoutFuture<BoxFuture<Result<Reply<Bytes>, PluginError>>, plugin_core::AsErrorValue> },
        Bare { #[pin] future: BoxFuture<Result<Reply<Bytes>, PluginError>> },
        Ended,
    }
}

impl Future for HttpFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = ready!(match this.work.as_mut().project() {
            WorkProject::Limited { future } => future.poll(cx),
            WorkProject::Bare { future } => future.poll(cx),
            WorkProject::Ended => polled_after_end("plugin_transports::http::HttpFuture"),
        });
        this.work.set(HttpWork::Ended);
        Poll::Ready(result.map_err(|error| error.with_plugin(Arc::clone(&this.shared.name))))
    }
}

impl fmt::Debug for HttpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFuture").finish_non_exhaustive()
    }
}

impl ClientState {
    /// Makes the call, until it is answered or the instance is closed: whoever owns the call's time drops this.
    async fn call(&self, call: Call<Bytes>, progress: &CallProgress) -> Result<Reply<Bytes>, PluginError> {
        if self.closing.is_cancelled() {
            return Err(Rejected::new(Code::Draining).into());
        }
        // What the plugin may take is told from now on and not from when the call was received, which may have waited.
        let now = waiting::present();
        if call.context().deadline().is_some_and(|deadline| deadline <= now) {
            return Err(too_late(&self.time(&call, now)));
        }
        let mut exchange = pin!(self.exchange(&call, now, progress));
        let mut closed = pin!(self.cut.cancelled());
        poll_fn(|cx| {
            if let Poll::Ready(result) = exchange.as_mut().poll(cx) {
                if let Some(at) = progress.turn() {
                    turn::tell(at);
                }
                return Poll::Ready(result);
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

    /// The time of an attempt that began at this moment.
    fn time(&self, call: &Call<Bytes>, since: Instant) -> AttemptTime {
        let own = attempt_limit().unwrap_or(self.config.connection.request_timeout());
        let context = call.context();
        let given = context.deadline().map_or(Duration::MAX, |deadline| deadline.saturating_since(context.received()));
        AttemptTime::new(since)
            .with_limit(Some(own))
            .with_deadline(context.deadline(), given)
            .with_configured(context.configured_timeout())
    }

    async fn exchange(
        &self,
        call: &Call<Bytes>,
        now: Instant,
        progress: &CallProgress,
    ) -> Result<Reply<Bytes>, PluginError> {
        let (context, payload) = (call.context(), call.payload());
        let max = self.config.max_request;
        if payload.len() > max {
            let message = format!("the payload has {} bytes, and `max_request` is {max}", payload.len());
            return Err(PluginError::new(Code::PayloadTooLarge, message).with_sent(Sent::Nothing));
        }
        if !json::is_checked(call) {
            self.config.json.check(payload).map_err(|flaw| json::refused(&flaw))?;
        }

        let request_id = context.request_id().to_string();
        let hidden = |name: &http::HeaderName| headers::hidden(&self.config, name);
        let outgoing = |at: Instant| {
            // The plugin is told what is left of the attempt's limit, whoever keeps it.
            let timeout = tellable(self.time(call, now).ends().saturating_since(at));
            // Whole milliseconds read better, and never promise more than there is.
            let timeout = Duration::from_millis(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1));
            let (before, behind) = envelope::request_around(context, &request_id, timeout, hidden);
            Outgoing {
                method: Method::POST,
                headers: headers::of_call(&self.config, &self.base, context, &request_id, timeout),
                body: Parts::around(before, payload.clone(), behind),
            }
        };

        let answer = exchange::send(&self.pool, &self.config.endpoint, outgoing, now, progress).await?;
        let status = answer.status();
        if !status.is_success() || answer.is_problem() {
            let others_answered = answer.others_answered();
            let error = answer.fault(&self.config, progress).await;
            let is_out_of_time = status == http::StatusCode::GATEWAY_TIMEOUT || error.code() == Code::Timeout;
            return Err(match is_out_of_time {
                true => {
                    let time = self.time(call, now).with_held_until(progress.turn());
                    let time = time.with_others_answered(others_answered);
                    plugin_errors::out_of_time(error, &time, progress.stage().as_str())
                }
                false => error,
            });
        }
        let (body, lease) = answer.read(&self.config, progress).await?;
        let answer = envelope::read_answer(&body, self.config.json).map_err(|unread| fault::no_answer(status, &unread));
        // Now that all is done: the moment in which the connection is free is that of the call's end.
        lease.finish();
        let answer = answer?;
        match answer.result {
            Ok(data) => Ok(Reply::new(data).with_metadata(answer.metadata)),
            Err(text) => Err(PluginError::execution(text)),
        }
    }

    /// What a health check sends: credentials only to where the calls go.
    fn probe_headers(&self) -> HeaderMap {
        let mut headers = self.base.clone();
        headers.remove(header::CONTENT_TYPE);
        if self.config.endpoint.same_origin(&self.config.health) {
            self.config.credentials.apply(&mut headers);
        }
        headers
    }

    async fn close(self: Arc<Self>, grace: Duration) -> Result<(), PluginError> {
        self.closing.cancel();
        self.calls.close();
        self.probe_pool.close();
        let finished = tokio::time::timeout(grace, self.calls.wait()).await.is_ok();
        let left = self.calls.len();
        self.cut.cancel();
        self.pool.close();
        if finished || left == 0 {
            return Ok(());
        }
        let (left, grace) = (plugin_core::counted(left, "call"), plugin_core::rounded(grace));
        let message = format!("cut off {left} that had not ended within {grace}");
        Err(PluginError::new(Code::Draining, message).with_plugin(Arc::clone(&self.name)))
    }
}
