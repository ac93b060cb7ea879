//! One host's session with a plugin: reads requests, works on several at once, writes replies as they come.

use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use plugin_core::{BoxError, Call, Code, HealthStatus, PluginError, Rejected, Reply, clock};
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    runtime::{Handle, RuntimeFlavor},
    sync::OnceCell,
    task::JoinSet,
    time::timeout,
};
use tokio_util::io::poll_read_buf;
use tower_service::Service;

use super::{
    ServeError, Server,
    request::{self, LineRequest, Method, RequestName},
    server::Init,
};
use crate::{
    lines::{
        env,
        scan::Scanner,
        split::{Line, Lines},
    },
    wire::{call_served, introduction, json_writer::single_line, retry_hint::RetryHint},
};

/// Replies that the host has not read, beyond which no further request is read.
const UNREAD: usize = 1 << 20;

/// Bytes of requests that are read while as many are worked on as may be. They wait here, so that what the host asks of its
/// own behind them is heard. Beyond it nothing is read.
const HELD: usize = 16 << 20;

/// What a request costs while it is held, beside its line.
const COST: usize = 512;

/// Questions of the host that may be in work, beyond which nothing is read.
const OWN: usize = 16;

pub(super) struct Session<S, R, W> {
    server: Arc<Server>,
    service: S,
    input: R,
    output: W,
    lines: Lines,
    work: JoinSet<Vec<u8>>,
    /// Answers to what the host asks of its own, which are not counted against the limit of requests.
    own: JoinSet<Vec<u8>>,
    /// Requests that wait for others to be done, with what each costs.
    held: VecDeque<(usize, LineRequest)>,
    held_bytes: usize,
    /// Replies that are to be written, the first `written` bytes of which are.
    replies: Vec<u8>,
    written: usize,
    /// Set once the plugin was initialised, well or not.
    ready: Arc<OnceCell<Result<(), String>>>,
    /// No more requests are read.
    draining: bool,
    /// Look at a request before it gets a task of its own: nearly always cheaper, and no loss where there is but one
    /// thread.
    look_first: bool,
}

enum Event {
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
    Done(Vec<u8>),
    Stop,
}

/// Who waits for an answer.
enum Whose {
    Caller,
    Host,
}

impl<S, R, W> Session<S, R, W>
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error: fmt::Display, Future: Send> + Clone + Send + 'static,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(super) fn new(server: Server, service: S, input: R, output: W) -> Self {
        let lines = Lines::new(server.max_line);
        Self {
            server: Arc::new(server),
            service,
            input,
            output,
            lines,
            work: JoinSet::new(),
            own: JoinSet::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            replies: Vec::new(),
            written: 0,
            ready: Arc::default(),
            draining: false,
            look_first: Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread,
        }
    }

    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let mut stop = std::pin::pin!(stop);
        while self.take_up().await {
            match self.next(stop.as_mut()).await {
                Event::Read(Ok(0)) | Event::Stop => self.draining = true,
                Event::Read(Ok(_)) => {}
                Event::Read(Err(error)) | Event::Wrote(Err(error)) => return Err(ServeError::io(error)),
                event => self.settle(event),
            }
        }
        let limit = self.server.drain_timeout;
        match timeout(limit, self.drain()).await {
            Ok(result) => result.map_err(ServeError::io),
            Err(_) => Err(ServeError::drain(limit, self.work.len() + self.held.len())),
        }
    }

    /// Finishes what is in work, and what was read to be, and writes every reply.
    async fn drain(&mut self) -> std::io::Result<()> {
        loop {
            self.take_up().await;
            if self.work.is_empty() && self.own.is_empty() && self.replies.is_empty() {
                return self.output.flush().await;
            }
            match self.next(std::pin::pin!(std::future::pending())).await {
                Event::Wrote(Err(error)) => return Err(error),
                event => self.settle(event),
            }
        }
    }

    /// Takes up what can be taken up. `false`: no more is read.
    async fn take_up(&mut self) -> bool {
        poll_fn(|cx| {
            self.start_held(cx);
            self.accept_all(cx);
            Poll::Ready(())
        })
        .await;
        !self.draining
    }

    /// Waits for the next thing to happen.
    async fn next(&mut self, stop: Pin<&mut impl Future<Output = ()>>) -> Event {
        let reads = self.takes_more();
        let Self { input, output, lines, work, own, replies, written, .. } = self;
        tokio::select! {
            biased;
            Some(done) = own.join_next() => Event::Done(done.unwrap_or_default()),
            Some(done) = work.join_next() => Event::Done(done.unwrap_or_default()),
            // Dropping the write when another arm is ready loses nothing: it has then written nothing.
            wrote = output.write(&replies[*written..]), if !replies.is_empty() => Event::Wrote(wrote),
            () = stop => Event::Stop,
            read = poll_fn(|cx| poll_read_buf(Pin::new(&mut *input), cx, lines.room())), if reads => {
                Event::Read(read)
            }
        }
    }

    fn takes_more(&self) -> bool {
        !self.draining && self.held_bytes < HELD && self.own.len() < OWN && self.replies.len() < UNREAD
    }

    fn settle(&mut self, event: Event) {
        match event {
            Event::Done(reply) => {
                self.replies.extend_from_slice(&reply);
                // Everything that is done by now goes out in one write.
                while let Some(done) = self.own.try_join_next().or_else(|| self.work.try_join_next()) {
                    self.replies.extend_from_slice(&done.unwrap_or_default());
                }
            }
            Event::Wrote(Ok(count)) => {
                self.written += count;
                if self.written == self.replies.len() {
                    self.replies.clear();
                    self.written = 0;
                }
            }
            Event::Wrote(Err(_)) | Event::Read(_) | Event::Stop => {}
        }
    }

    fn accept_all(&mut self, cx: &mut Context<'_>) {
        while self.takes_more() {
            let Some(line) = self.lines.next_line() else { return };
            self.accept(line, cx);
        }
    }

    fn has_room(&self) -> bool {
        self.work.len() < self.server.concurrency && self.replies.len() < UNREAD
    }

    fn start_held(&mut self, cx: &mut Context<'_>) {
        while self.has_room()
            && let Some((cost, request)) = self.held.pop_front()
        {
            self.held_bytes -= cost;
            // What waited too long here is not begun.
            if request.call.context().deadline().is_none_or(|deadline| clock::now() < deadline) {
                self.execute(request, cx);
            } else {
                self.replies.extend_from_slice(&late(&request.id, "its time was up before it was begun"));
            }
        }
    }

    fn accept(&mut self, line: Line, cx: &mut Context<'_>) {
        let cost = COST
            + match &line {
                Line::Whole(line) => line.len(),
                Line::TooLong(..) => 0,
            };
        let request = match line {
            Line::Whole(line) if line.trim_ascii().is_empty() => return,
            Line::Whole(line) => {
                // With its id, or the host's call would wait for another answer.
                request::decode(&line)
                    .map_err(|error| (RequestName::found(Scanner::line(&line)), format!("not a request: {error}")))
            }
            Line::TooLong(_, found) => {
                Err((RequestName::found(found), format!("the request is longer than {} bytes", self.server.max_line)))
            }
        };
        match request {
            // In the order in which they came.
            Ok(request) if request.method == Method::Execute && !(self.held.is_empty() && self.has_room()) => {
                self.held_bytes += cost;
                self.held.push_back((cost, request));
            }
            Ok(request) => self.dispatch(request, cx),
            Err((id, problem)) => {
                tracing::warn!(problem, "a line on stdin could not be taken");
                self.replies.extend_from_slice(&request::error(&id, &problem));
            }
        }
    }

    fn execute(&mut self, LineRequest { id, call, .. }: LineRequest, cx: &mut Context<'_>) {
        let answer = execute(self.service.clone(), id.clone(), call);
        // What every call but the first few finds.
        if self.server.init.is_none() || matches!(self.ready.get(), Some(Ok(()))) {
            return self.start(cx, id, Whose::Caller, answer);
        }
        let initialised = initialise(self.server.init.clone(), self.ready.clone(), None);
        self.start(cx, id.clone(), Whose::Caller, async move {
            match initialised.await {
                Ok(()) => answer.await,
                Err(text) => request::error(&id, &format!("the plugin is not initialised: {text}")),
            }
        });
    }

    fn dispatch(&mut self, request: LineRequest, cx: &mut Context<'_>) {
        let LineRequest { id, method, call } = request;
        match method {
            Method::Execute => self.execute(LineRequest { id, method, call }, cx),
            Method::Init => {
                let options = serde_json::from_slice(call.payload()).map_err(|error| format!("not an object: {error}"));
                match options {
                    Ok(options) => {
                        let initialised = initialise(self.server.init.clone(), self.ready.clone(), Some(options));
                        self.start(cx, id.clone(), Whose::Host, async move {
                            match initialised.await {
                                Ok(()) => request::result(&id, b"null", &BTreeMap::new()),
                                Err(text) => request::error(&id, &text),
                            }
                        });
                    }
                    Err(text) => self.replies.extend_from_slice(&request::error(&id, &text)),
                }
            }
            Method::Health => {
                let health = self.server.health.clone();
                self.start(cx, id.clone(), Whose::Host, async move {
                    let status = match health {
                        Some(health) => health().await,
                        None => HealthStatus::healthy(),
                    };
                    request::result(&id, &introduction::health_json(&status), &BTreeMap::new())
                });
            }
            Method::Info => {
                self.replies.extend_from_slice(&request::result(&id, &self.server.info_json(), &BTreeMap::new()))
            }
            Method::Shutdown => {
                self.replies.extend_from_slice(&request::result(&id, b"null", &BTreeMap::new()));
                self.draining = true;
            }
            Method::Unknown(other) => {
                let text =
                    format!("unknown method {other:?}; this plugin has execute, info, health, init and shutdown");
                self.replies.extend_from_slice(&request::error(&id, &text));
            }
        }
    }

    /// Works on a request beside the others. A panic is its answer, not the plugin's end.
    fn start(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestName,
        whose: Whose,
        work: impl Future<Output = Vec<u8>> + Send + 'static,
    ) {
        let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind().map(move |outcome| {
            outcome
                .unwrap_or_else(|panic| request::error(&id, &format!("the plugin panicked: {}", panic_text(&*panic))))
        }));
        if self.look_first
            && let Poll::Ready(reply) = work.as_mut().poll(cx)
        {
            self.replies.extend_from_slice(&reply);
            return;
        }
        match whose {
            Whose::Caller => self.work.spawn(work),
            Whose::Host => self.own.spawn(work),
        };
    }
}

/// Initialises the plugin once, with the host's options or else with those of the environment.
async fn initialise(
    init: Option<Init>,
    ready: Arc<OnceCell<Result<(), String>>>,
    options: Option<Map<String, Value>>,
) -> Result<(), String> {
    let Some(init) = init else { return Ok(()) };
    let first = || async {
        let options = match options {
            Some(options) => options,
            None => options_of_env()?,
        };
        init(options).await
    };
    ready.get_or_init(first).await.clone()
}

/// Why there is no reply of the service.
enum SessionEnd<E> {
    Failed(E),
    /// The time that the host gave was up.
    Late(Rejected),
}

impl<E> From<E> for SessionEnd<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

async fn execute<S>(service: S, id: RequestName, call: Call<Bytes>) -> Vec<u8>
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error: fmt::Display> + 'static,
{
    match call_served::call(service, call, |refused: Rejected| Err(SessionEnd::Late(refused))).await {
        Err(SessionEnd::Late(refused)) => late(&id, PluginError::from(refused).message()),
        Err(SessionEnd::Failed(error)) => failed(&id, &error),
        Ok(reply) => match single_line(reply.payload()) {
            Ok(json) => request::result(&id, &json, reply.metadata()),
            Err(flaw) => request::error(&id, &format!("the plugin's result cannot be sent: {flaw}")),
        },
    }
}

/// The reply to a call whose time was up. Nobody waits for it, but it says that the plugin does not work on that call any
/// more: the host holds others back for what it believes that a plugin has to do for nobody. Where it overtakes the host's own
/// clock it is the end of the time that was told, and no failure of the plugin's.
fn late(id: &RequestName, why: &str) -> Vec<u8> {
    request::fault(id, Code::Timeout, why, RetryHint::default())
}

/// The reply to a call that failed. An error of the family has a code, which travels beside its text, since what one caller
/// sends is no evidence against the plugin; and it says whether and when another attempt may help.
fn failed<E: fmt::Display + 'static>(id: &RequestName, error: &E) -> Vec<u8> {
    let any: &dyn Any = error;
    let boxed = any.downcast_ref::<BoxError>();
    let fault =
        |error: &PluginError| request::fault(id, error.code(), error.message_for_callers(), RetryHint::of_error(error));
    match (any.downcast_ref::<PluginError>().or_else(|| boxed?.downcast_ref()), any.downcast_ref::<Rejected>()) {
        (Some(error), _) => fault(error),
        (None, Some(rejected)) => fault(&PluginError::from(*rejected)),
        (None, None) => request::error(id, &error.to_string()),
    }
}

fn options_of_env() -> Result<Map<String, Value>, String> {
    match std::env::var(env::OPTIONS) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{} is not an object: {error}", env::OPTIONS)),
        Err(_) => Ok(Map::new()),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
