//! The handle: reads the state and the statistics, and changes the settings while calls go on.

use std::{fmt, sync::Arc};

use crate::{CircuitBreakerConfig, CircuitBreakerStats, CircuitState, Events, Reason, circuit::Circuit};

/// Reads and commands a breaker. Cheap to clone; every clone, and every service of the layer, is the same breaker.
///
/// | command | calls | until |
/// |---|---|---|
/// | [`force_open`](Self::force_open) | refused, as if the circuit had opened by itself | the open time is over |
/// | [`force_closed`](Self::force_closed) | pass and are judged anew | a rule opens it |
/// | [`isolate`](Self::isolate) | refused | the next command |
/// | [`disable`](Self::disable) | pass and are not judged | [`enable`](Self::enable), or the next command |
/// | [`metrics_only`](Self::metrics_only) | pass and are judged; nothing is refused | the next command |
/// | [`reset`](Self::reset) | as the settings say, with nothing remembered but the statistics | |
///
/// A command begins a new state: the outcome of a call that was admitted before it does not count.
///
/// ```
/// use plugin_breaker::{CircuitBreakerLayer, CircuitState};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = CircuitBreakerLayer::default();
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|name: &'static str| async move { Ok::<_, BoxError>(name) }));
///
/// handle.isolate(); // maintenance: refuse all calls until told otherwise
/// assert!(service.clone().oneshot("hello").await.is_err());
/// handle.reset();
/// assert_eq!(service.oneshot("hello").await?, "hello");
///
/// handle.reconfigure(handle.config().to_builder().with_failure_threshold(10).build()?);
/// let stats = handle.stats();
/// assert_eq!((stats.state, stats.successes, stats.rejected), (CircuitState::Closed, 1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CircuitBreakerHandle {
    shared: Arc<Circuit>,
}

impl CircuitBreakerHandle {
    pub(crate) fn new(shared: Arc<Circuit>) -> Self {
        Self { shared }
    }

    /// The state: one load.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.shared.state()
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> CircuitBreakerStats {
        self.shared.stats()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> CircuitBreakerConfig {
        self.shared.config()
    }

    /// Takes over other settings, from the next call on.
    ///
    /// The state stays, unless `enabled` has changed, and so does what the window holds, also when its size or kind
    /// changes: a smaller window keeps the newest calls; calls that go from a window of calls to one of time count as of
    /// now. When the window changes while the circuit is closed, calls that are running at this moment do not count.
    pub fn reconfigure(&self, config: CircuitBreakerConfig) {
        self.shared.reconfigure(Arc::new(config));
    }

    /// Opens the circuit for its open time.
    pub fn force_open(&self) {
        self.shared.set(CircuitState::Open);
    }

    /// Closes the circuit.
    pub fn force_closed(&self) {
        self.shared.set(CircuitState::Closed);
    }

    /// Refuses all calls until another command.
    pub fn isolate(&self) {
        self.shared.set(CircuitState::Isolated);
    }

    /// Lets all calls pass, without judging them, until another command.
    pub fn disable(&self) {
        self.shared.set(CircuitState::Disabled);
    }

    /// Guards calls again, after [`disable`](Self::disable): the circuit is closed, with nothing remembered but the
    /// statistics. A breaker that is enabled stays as it is. [`reset`](Self::reset) goes back to what the settings say.
    pub fn enable(&self) {
        self.shared.enable();
    }

    /// Whether calls are judged: not after [`disable`](Self::disable), nor where the settings say so.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state() != CircuitState::Disabled
    }

    /// Lets all calls pass, and only reports what the breaker would do, until another command.
    pub fn metrics_only(&self) {
        self.shared.set(CircuitState::MetricsOnly);
    }

    /// Goes back to what the settings say: closed, or disabled when they say so.
    pub fn reset(&self) {
        self.shared.reset(Reason::Operator);
    }

    /// Like [`reset`](Self::reset), because the service was replaced, such as a process that was started anew. The
    /// event says so ([`Reason::Restarted`]); a circuit that is closed already forgets what it has counted, and there
    /// is no event.
    pub fn reset_after_restart(&self) {
        self.shared.reset(Reason::Restarted);
    }

    /// Ends the open time of a circuit that a rule has opened, because the service can be reached again: the next calls are its
    /// probes. The event says so ([`Reason::Reachable`]). In any other state, and of a circuit that was opened by a command,
    /// nothing changes; tells whether it did.
    ///
    /// ```
    /// # use plugin_breaker::{Breaker, CircuitState};
    /// let breaker = Breaker::default();
    /// while let Ok(permit) = breaker.try_acquire() {
    ///     permit.failure();
    /// }
    /// assert!(breaker.handle().try_early());
    /// assert_eq!(breaker.state(), CircuitState::HalfOpen);
    /// breaker.handle().force_open();
    /// assert!(!breaker.handle().try_early());
    /// ```
    #[must_use = "it may have changed nothing"]
    pub fn try_early(&self) -> bool {
        self.shared.try_early()
    }

    /// The events from now on.
    ///
    /// ```
    /// # use plugin_breaker::Breaker;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let breaker = Breaker::default();
    /// let handle = breaker.handle();
    /// tokio::spawn(handle.events().for_each(|event| println!("{} -> {}: {}", event.from, event.to, event.reason)));
    /// handle.force_open();
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.events()
    }

    /// Bytes of memory that this breaker takes: one line of 128 bytes per stripe of threads (as many as processors, at
    /// most 16), the words that calls read, and the window. The settings, which the breakers of all keys share, the counts
    /// of shares that a layer keeps per stripe, and events that listeners have not read are not in it.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.shared.size()
    }
}

impl fmt::Debug for CircuitBreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.shared, f)
    }
}
