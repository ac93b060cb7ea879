//! The state of a plugin's process: the supervisor writes it, and everybody else reads it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use plugin_core::{
    Code, HealthCell, HealthState, HealthStatus, PluginError, PluginInfo, Rejected,
    clock::{self, Instant},
    deadline::attempt_limit,
};
use tokio::{
    net::unix::pipe::Sender,
    sync::{Notify, broadcast},
};

use super::{ProcessConfig, ProcessEnd, ProcessEvent, ProcessState, ProcessStats, files::Files, introduction::Methods};
use crate::{lines::client::LineConnection, wire::confidential::Confidential};

/// Events that a slow listener can fall behind by before it misses some.
const EVENTS: usize = 64;

/// The writing end of a plugin's stdin.
pub(super) type Pipe = Sender;

/// How calls reach the process now. Everything that is said of the process, anywhere, is read from here.
#[derive(Debug)]
pub(super) enum Link {
    Up { connection: Arc<LineConnection<Pipe>>, pid: u32, methods: Methods, since: Instant },
    Down(Down),
    Stopped,
}

/// A process that is not there now, and will be again.
#[derive(Clone, Debug)]
pub(super) struct Down {
    /// It died too often.
    pub(super) failed: bool,
    /// When it is started, at the latest. How long a start takes nobody knows, so that is no part of it. `None`: nobody
    /// starts it.
    pub(super) until: Option<Instant>,
    /// How many starts there were before the one that is awaited.
    pub(super) starts: u64,
    pub(super) why: Cause,
}

/// Why there is no process.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    /// The second half of a sentence about the process.
    pub(super) why: String,
    /// The same for callers, where it names a file of this machine.
    pub(super) for_callers: Option<String>,
    /// What it said last.
    pub(super) said: Option<String>,
}

impl From<&str> for Cause {
    fn from(why: &str) -> Self {
        Self { why: why.to_owned(), for_callers: None, said: None }
    }
}

impl Down {
    fn text(&self, why: &str) -> String {
        match (self.failed, self.until) {
            (false, _) => format!("the plugin's process is being restarted: it {why}"),
            (true, Some(_)) => format!("the plugin's process has failed and is tried again later: it {why}"),
            (true, None) => format!("the plugin's process has failed and is not started again by itself: it {why}"),
        }
    }

    /// The time that is left. Nothing when it should be over: that it is zero would be a guess.
    fn retry_after(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_since(clock::now())).filter(|left| !left.is_zero())
    }

    /// Whether a call may wait for the end of the start that follows so many others. Not for a process that has failed,
    /// nor for a start after that one.
    fn is_awaited(&self, starts: u64) -> bool {
        !self.failed && self.until.is_some() && self.starts == starts
    }

    /// Nothing was sent, and it says nothing new of the process: layers take it for a refusal.
    fn refusal(&self) -> PluginError {
        let rejected = Rejected::new(if self.failed { Code::CrashLoop } else { Code::ConnectionFailed });
        let rejected = self.retry_after().map_or(rejected, |after| rejected.with_retry_after(after));
        let refusal = PluginError::refused(rejected, self.text(&self.why.why));
        let for_callers = self.why.for_callers.as_ref().map(|why| self.text(why));
        let refusal = for_callers.into_iter().fold(refusal, PluginError::with_message_for_callers);
        match &self.why.said {
            Some(said) => refusal.with_detail_for_operators(said.clone()),
            None => refusal,
        }
    }

    fn health(&self) -> HealthStatus {
        let state = if self.failed { HealthState::Offline } else { HealthState::Unhealthy };
        HealthStatus::new(state, self.text(&self.why.why)).with_last_check(clock::wall())
    }
}

/// What the supervisor writes and everybody reads.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) name: Arc<str>,
    pub(super) config: Arc<ProcessConfig>,
    link: ArcSwap<Link>,
    /// Tells the calls that wait that the link is another.
    changed: Notify,
    /// Calls that wait for the process to be ready.
    waiting: AtomicUsize,
    /// Held while the process is not ready, so that no check says otherwise.
    pub(super) health: Arc<HealthCell>,
    events: broadcast::Sender<ProcessEvent>,
    losses: BeforeLosses,
    has_been_ready: AtomicBool,
    last_end: Mutex<Option<ProcessEnd>>,
    info: Mutex<Option<PluginInfo>>,
    /// Of the process, the first one included.
    starts: AtomicU64,
    failed_starts: AtomicU64,
    cut_calls: AtomicU64,
    pub(super) dropped_lines: Arc<AtomicU64>,
    pub(super) files: Files,
    pub(super) confidential: Confidential,
}

impl LinkState {
    pub(super) fn new(config: Arc<ProcessConfig>) -> Self {
        let down = Down { failed: false, until: None, starts: 0, why: Cause::from("has not been started") };
        Self {
            name: config.name.as_str().into(),
            confidential: config.confidential(),
            config,
            link: ArcSwap::from_pointee(Link::Down(down)),
            changed: Notify::new(),
            waiting: AtomicUsize::new(0),
            health: Arc::default(),
            events: broadcast::Sender::new(EVENTS),
            losses: BeforeLosses::default(),
            has_been_ready: AtomicBool::new(false),
            last_end: Mutex::new(None),
            info: Mutex::new(None),
            starts: AtomicU64::new(0),
            failed_starts: AtomicU64::new(0),
            cut_calls: AtomicU64::new(0),
            dropped_lines: Arc::default(),
            files: Files::default(),
        }
    }

    pub(super) fn tell(&self, event: ProcessEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ProcessEvent> {
        self.events.subscribe()
    }

    /// See [`ProcessHandle::before_calls_are_lost`](super::ProcessHandle::before_calls_are_lost).
    pub(super) fn before_calls_are_lost(&self, act: Act) {
        let mut acts = self.losses.acts();
        // Who comes after the end has nothing to hear of. Looked at under the lock, so that what is kept is also let go.
        if !matches!(&**self.link.load(), Link::Stopped) {
            acts.push(act);
        }
    }

    /// Calls in flight are about to hear that they are lost. The link says already that the process is not there.
    pub(super) fn calls_are_lost(&self) {
        // Outside of the lock: what is run is somebody else's code.
        let acts = self.losses.acts().clone();
        for act in acts {
            // The supervisor must outlive it: its end would be that of the process.
            let _ = catch_unwind(AssertUnwindSafe(|| act()));
        }
    }

    /// Nothing happens any more.
    pub(super) fn over(&self) {
        self.stopped();
        self.losses.acts().clear();
        self.tell(ProcessEvent::Stopped);
    }

    pub(super) fn link(&self) -> arc_swap::Guard<Arc<Link>> {
        self.link.load()
    }

    /// A process has ended, or has not become ready.
    pub(super) fn ended(&self, cause: &Cause) {
        let end = ProcessEnd { at: clock::wall(), why: cause.why.clone(), said: cause.said.clone() };
        *self.last_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    pub(super) fn last_end(&self) -> Option<ProcessEnd> {
        self.last_end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the plugin said of itself when it was last ready.
    pub(super) fn info(&self) -> Option<PluginInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has_been_ready(&self) -> bool {
        self.has_been_ready.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> ProcessState {
        match &**self.link.load() {
            Link::Up { pid, .. } => ProcessState::Running { pid: *pid },
            Link::Down(Down { failed: false, .. }) => ProcessState::Restarting,
            Link::Down(Down { failed: true, .. }) => ProcessState::Failed,
            Link::Stopped => ProcessState::Stopped,
        }
    }

    pub(super) fn stats(&self) -> ProcessStats {
        let counts = match &**self.link.load() {
            Link::Up { connection, .. } => connection.counts(),
            _ => Default::default(),
        };
        ProcessStats {
            restarts: self.starts().saturating_sub(1),
            // Relaxed: see `count_start`.
            failed_starts: self.failed_starts.load(Ordering::Relaxed),
            cut_calls: self.cut_calls.load(Ordering::Acquire),
            in_flight: counts.in_flight + self.waiting.load(Ordering::Relaxed),
            abandoned: counts.abandoned,
            late_replies: counts.late,
            noise_lines: counts.noise,
            dropped_lines: self.dropped_lines.load(Ordering::Relaxed),
        }
    }

    /// Calls reach this process from now on.
    pub(super) fn up(
        &self,
        pid: u32,
        connection: Arc<LineConnection<Pipe>>,
        methods: Methods,
        info: PluginInfo,
        since: Instant,
    ) {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
        // Relaxed: for display, and ordered with nothing.
        self.has_been_ready.store(true, Ordering::Relaxed);
        self.change(Link::Up { connection, pid, methods, since });
        // What is not held was never down, and is unknown until it is checked.
        if self.health.is_held() {
            self.health.release(HealthStatus::healthy().with_last_check(clock::wall()));
        }
        tracing::info!(plugin = &*self.name, pid, "the plugin's process is ready");
        self.tell(ProcessEvent::Ready { pid });
    }

    pub(super) fn down(&self, down: Down) {
        self.health.hold(down.health());
        self.change(Link::Down(down));
    }

    /// Whoever closes it needs not be told how it is.
    pub(super) fn stopped(&self) {
        self.change(Link::Stopped);
    }

    fn change(&self, link: Link) {
        self.link.store(Arc::new(link));
        self.changed.notify_waiters();
    }

    /// Starts so far that have ended, in readiness or not.
    pub(super) fn starts(&self) -> u64 {
        // Relaxed: only the supervisor, which writes it, goes by it; for others it is for display.
        self.starts.load(Ordering::Relaxed)
    }

    /// Counts a start.
    pub(super) fn count_start(&self, ready: bool) {
        // Relaxed: numbers for display, ordered with nothing.
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.failed_starts.fetch_add(u64::from(!ready), Ordering::Relaxed);
    }

    /// Counts calls that are cut off since somebody asked for that, before they end.
    pub(super) fn count_cut(&self, calls: usize) {
        // Release: who has seen the end of such a call reads it.
        self.cut_calls.fetch_add(calls as u64, Ordering::Release);
    }

    /// Since when the process is ready, while it is.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        match &**self.link.load() {
            Link::Up { since, .. } => Some(*since),
            Link::Down(_) | Link::Stopped => None,
        }
    }

    /// The connection to the process, the start to wait for, or why there is neither: also where the start is still to come
    /// when the deadline has passed.
    pub(super) fn connection(&self, deadline: Option<Instant>) -> Result<CallRoute, PluginError> {
        match &**self.link.load() {
            Link::Up { connection, .. } => Ok(CallRoute::Now(connection.clone())),
            Link::Down(down) if down.is_awaited(down.starts) && down.until < Some(self.ends(deadline)) => {
                Ok(CallRoute::AfterStart(down.starts))
            }
            link => Err(self.refusal(link)),
        }
    }

    /// When an attempt that begins now ends at the latest.
    fn ends(&self, deadline: Option<Instant>) -> Instant {
        clock::now().saturating_add(self.attempt_limit()).min(deadline.unwrap_or(Instant::MAX))
    }

    /// How long an attempt may take: as its owner says, which is a layer outside of this or the service's own.
    pub(super) fn attempt_limit(&self) -> Duration {
        attempt_limit().unwrap_or(self.config.request_timeout)
    }

    /// Waits until the start has ended that follows so many others, and gives the connection to the process, or says why
    /// there is none. As many calls may wait as may be in flight.
    pub(super) async fn started(self: Arc<Self>, starts: u64) -> Result<Arc<LineConnection<Pipe>>, PluginError> {
        let waits = Waits::begin(self)?;
        let shared = &waits.0;
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            // Before the look, so that no change is missed between the two.
            changed.as_mut().enable();
            match &**shared.link.load() {
                Link::Up { connection, .. } => return Ok(connection.clone()),
                Link::Down(down) if down.is_awaited(starts) => {}
                link => return Err(shared.refusal(link)),
            }
            changed.await;
        }
    }

    /// A call found the process dead, or on its way to an end, before anything was sent.
    pub(super) fn too_late(&self, why: &str) -> PluginError {
        match &**self.link.load() {
            Link::Up { .. } => {
                let text = format!("the plugin's process is gone: it {why}");
                PluginError::refused(Rejected::new(Code::ConnectionFailed), text).with_plugin(self.name.clone())
            }
            link => self.refusal(link),
        }
    }

    pub(super) fn refusal(&self, link: &Link) -> PluginError {
        let error = match link {
            Link::Down(down) => down.refusal(),
            Link::Up { .. } | Link::Stopped => PluginError::refused(Rejected::new(Code::ShuttingDown), STOPPED),
        };
        error.with_plugin(self.name.clone())
    }

    /// How long until there should be a process, where it is down and somebody tries.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match &**self.link.load() {
            Link::Down(down) => down.retry_after(),
            Link::Up { .. } | Link::Stopped => None,
        }
    }

    /// Whether nobody tries by himself.
    pub(super) fn waits_for_operator(&self) -> bool {
        matches!(&**self.link.load(), Link::Down(Down { failed: true, until: None, .. }))
    }

    /// What callers are told of a process that is not ready.
    pub(super) fn why_down(&self) -> Option<String> {
        match &**self.link.load() {
            Link::Down(down) => Some(down.text(down.why.for_callers.as_deref().unwrap_or(&down.why.why))),
            Link::Up { .. } | Link::Stopped => None,
        }
    }

    /// How a process is that is not ready.
    pub(super) fn down_health(link: &Link) -> Option<HealthStatus> {
        match link {
            Link::Up { .. } => None,
            Link::Down(down) => Some(down.health()),
            Link::Stopped => Some(HealthStatus::new(HealthState::Offline, STOPPED)),
        }
    }
}

/// What somebody wants done before calls are lost.
pub(super) type Act = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct BeforeLosses(Mutex<Vec<Act>>);

impl BeforeLosses {
    fn acts(&self) -> MutexGuard<'_, Vec<Act>> {
        // Nothing that runs under the lock can panic half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BeforeLosses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BeforeLosses").field(&self.acts().len()).finish()
    }
}

const STOPPED: &str = "the plugin was stopped";

/// How a call reaches the process.
pub(super) enum CallRoute {
    Now(Arc<LineConnection<Pipe>>),
    /// Once a start has ended: that after so many others.
    AfterStart(u64),
}

/// A call that waits for the process to be ready.
struct Waits(Arc<LinkState>);

impl Waits {
    fn begin(shared: Arc<LinkState>) -> Result<Self, PluginError> {
        // Relaxed: a number that bounds, ordered with nothing.
        let before = shared.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Self(shared);
        if before < waits.0.config.limits.in_flight {
            return Ok(waits);
        }
        Err(PluginError::from(Rejected::new(Code::ConcurrencyExceeded)).with_plugin(waits.0.name.clone()))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
