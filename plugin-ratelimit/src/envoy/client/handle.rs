//! What all services of a layer share: the client, the settings, the figures. And the handle on it.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_core::{Code, Rejected, clock, deadline, on_one_line, rounded, sync::StripedCounter};
use tonic::{Request, Status};

use super::{
    answer::{self, Verdict},
    ask::Ask,
    config::{EnvoyOnFailure, EnvoyRateLimitConfig},
    question::EnvoyQuestion,
    warning::Warning,
};

/// Reads the statistics and changes the settings of an [`EnvoyRateLimitLayer`](super::EnvoyRateLimitLayer) and all its
/// services. Cheap to clone.
///
/// ```
/// use plugin_ratelimit::{
///     RateLimitConfig,
///     envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitLayer, EnvoyRateLimitServer, EnvoyRule},
/// };
///
/// # fn main() -> Result<(), plugin_ratelimit::plugin_core::ConfigError> {
/// let rule = EnvoyRule::new("shop", RateLimitConfig::default()).with_any("user");
/// let server = EnvoyRateLimitServer::builder().with_rule(rule).build()?;
/// let by_user = |user: &String| Some(EnvoyDescriptor::new([("user", user)]));
/// let layer = EnvoyRateLimitLayer::new(EnvoyRateLimitConfig::builder("shop").build()?, server, by_user);
///
/// let handle = layer.handle();
/// handle.disable(); // everything passes, and nobody is asked
/// handle.reconfigure(handle.config().to_builder().with_timeout(std::time::Duration::from_millis(50)).build()?);
/// assert_eq!(handle.stats().asked, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EnvoyRateLimitHandle(Arc<Asking>);

struct Asking {
    client: Box<dyn Ask>,
    config: RwLock<EnvoyRateLimitConfig>,
    enabled: AtomicBool,
    asked: StripedCounter,
    refused: StripedCounter,
    failed: StripedCounter,
    unasked: StripedCounter,
    warning: Warning,
}

/// The statistics of a limit that a rate limit service decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvoyRateLimitStats {
    /// Requests that the service was asked about.
    pub asked: u64,
    /// Those of them that were over a limit.
    pub refused: u64,
    /// Those of them that the service said nothing of: it was away, too slow, or answered with an error. What became of
    /// them is what [`EnvoyOnFailure`] says.
    pub failed: u64,
    /// Requests that passed without a question, since they have no descriptor.
    pub unasked: u64,
}

impl EnvoyRateLimitHandle {
    pub(super) fn new(config: EnvoyRateLimitConfig, client: impl Ask + 'static) -> Self {
        Self(Arc::new(Asking {
            client: Box::new(client),
            config: RwLock::new(config),
            enabled: AtomicBool::new(true),
            asked: StripedCounter::new(),
            refused: StripedCounter::new(),
            failed: StripedCounter::new(),
            unasked: StripedCounter::new(),
            warning: Warning::default(),
        }))
    }

    /// The statistics. Requests that run meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> EnvoyRateLimitStats {
        EnvoyRateLimitStats {
            asked: self.0.asked.sum(),
            refused: self.0.refused.sum(),
            failed: self.0.failed.sum(),
            unasked: self.0.unasked.sum(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> EnvoyRateLimitConfig {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the settings, from the next request on.
    pub fn reconfigure(&self, config: EnvoyRateLimitConfig) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Whether the service is asked.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        // Relaxed: a request that reads the switch of a moment ago behaves as if it had come a moment earlier.
        self.0.enabled.load(Ordering::Relaxed)
    }

    /// Asks again.
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }

    /// Passes everything through. Nobody is asked, and nothing is counted.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// What is to be asked, if anything is.
    pub(super) fn worth_asking(&self, question: Option<EnvoyQuestion>) -> Option<EnvoyQuestion> {
        if let Some(question) = question.filter(|question| !question.is_empty()) {
            return Some(question);
        }
        self.0.unasked.add(1);
        None
    }

    /// Asks, and says whether the request passes.
    pub(super) async fn decide(self, question: EnvoyQuestion) -> Result<(), Rejected> {
        let config = self.config();
        self.0.asked.add(1);
        let mut request = Request::new(question.into_message(config.domain().to_owned()));
        request.set_timeout(config.timeout());
        let fault = match deadline::within(config.timeout(), self.0.client.ask(request)).await {
            None => Fault::TimedOut(config.timeout()),
            Some(Err(status)) => Fault::Status(status),
            Some(Ok(response)) => match answer::verdict(&response) {
                Verdict::UnderLimit => return Ok(()),
                Verdict::OverLimit(rejected) => {
                    self.0.refused.add(1);
                    return Err(rejected);
                }
                Verdict::Nothing => Fault::Nothing,
            },
        };
        self.failed(config.on_failure(), &fault)
    }

    #[cold]
    fn failed(&self, on_failure: EnvoyOnFailure, fault: &Fault) -> Result<(), Rejected> {
        self.0.failed.add(1);
        let becomes = match on_failure {
            EnvoyOnFailure::Admit => "requests pass",
            EnvoyOnFailure::Refuse => "requests are refused",
        };
        if self.0.warning.is_due(clock::now()) {
            let failed = self.0.failed.sum();
            tracing::warn!(%fault, failed, "the rate limit service says nothing of a request: {becomes}");
        }
        match on_failure {
            EnvoyOnFailure::Admit => Ok(()),
            EnvoyOnFailure::Refuse => Err(Rejected::new(Code::Shed)),
        }
    }
}

impl fmt::Debug for EnvoyRateLimitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvoyRateLimitHandle").field("config", &self.config()).field("stats", &self.stats()).finish()
    }
}

/// Why the service said nothing of a request.
enum Fault {
    TimedOut(Duration),
    Status(Status),
    Nothing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(timeout) => write!(f, "no answer within {}", rounded(*timeout)),
            Self::Status(status) => write!(f, "{:?}: {}", status.code(), on_one_line(status.message())),
            Self::Nothing => f.write_str("an answer that says neither OK nor OVER_LIMIT"),
        }
    }
}
