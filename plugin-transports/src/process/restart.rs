//! When a process that died is started again. Pure: takes `now`, touches no clock.

use std::{collections::VecDeque, time::Duration};

use plugin_core::{Backoff, ConfigError, Jitter, clock::Instant, settings::Settings};

/// When a plugin's process that died is started again, and when it has failed.
///
/// The [page of the crate](crate#settings) has the settings, with their defaults and bounds.
///
/// One death more than `max_in_window` within `window` is a crash loop: the process has failed, calls get `LIFECYCLE_2103`, and it is tried
/// again every `max`, until it is ready. [`ProcessHandle::restart`](super::ProcessHandle::restart) and
/// [`ProcessHandle::retry_now`](super::ProcessHandle::retry_now) begin anew at once; with `max_in_window` 0 only they do.
/// What is ready again has not yet proved anything: deaths stay counted for their window, so that one more within it makes the
/// plugin fail at once. A process that was up for a whole window starts anew with the shortest wait.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::process::RestartConfig;
///
/// // Waits from 1 s to 1 min; the fourth death in five minutes is a crash loop.
/// let (initial, max, window) = (Duration::from_secs(1), Duration::from_secs(60), Duration::from_secs(300));
/// let config = RestartConfig::new(initial, max, window, 3)?;
/// assert_eq!(config.max_in_window(), 3);
///
/// let fault = RestartConfig::new(max, initial, window, 3).expect_err("the longest wait is the shorter one");
/// assert_eq!(fault.to_string(), "`max` must be at least `initial`, 60s, and is 1s");
/// # Ok::<(), plugin_transports::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestartConfig {
    backoff: Backoff,
    window: Duration,
    max_in_window: u32,
}

impl RestartConfig {
    /// Restarts by these rules.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#settings), or `max` is less than `initial`.
    pub fn new(initial: Duration, max: Duration, window: Duration, max_in_window: u32) -> Result<Self, ConfigError> {
        Self::TABLE.fits("initial", initial)?;
        Self::TABLE.fits("max", max)?;
        Self::TABLE.fits("window", window)?;
        Self::TABLE.fits("max_in_window", max_in_window)?;
        let too_short = |_| {
            ConfigError::new("max", format!("must be at least `initial`, {initial:?}, and is {max:?}"))
                .with_others(&["initial"])
        };
        let backoff = Backoff::new(initial, max, 2.0, Jitter::None).map_err(too_short)?;
        Ok(Self { backoff, window, max_in_window })
    }

    /// The wait before the first restart.
    #[must_use]
    pub fn initial(&self) -> Duration {
        self.backoff.initial()
    }

    /// The longest wait.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.backoff.max()
    }

    /// The time over which deaths are counted.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Deaths within the window that are followed by a restart.
    #[must_use]
    pub fn max_in_window(&self) -> u32 {
        self.max_in_window
    }
}

impl Default for RestartConfig {
    fn default() -> Self {
        let (initial, max) = (Duration::from_millis(100), Duration::from_secs(30));
        // The defaults are within the bounds that `new` checks.
        let backoff = Backoff::new(initial, max, 2.0, Jitter::None).unwrap_or_default();
        Self { backoff, window: Duration::from_secs(60), max_in_window: 5 }
    }
}

/// What is done about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Start again after this time.
    After(Duration),
    /// A crash loop: try again after this time, or never.
    Fail(Option<Duration>),
}

impl Decision {
    /// Whether it was one death too many.
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::Fail(_))
    }

    /// The time until the next start, if there is to be one.
    pub(super) fn wait(self) -> Option<Duration> {
        match self {
            Self::After(wait) => Some(wait),
            Self::Fail(wait) => wait,
        }
    }
}

/// The deaths that still count.
#[derive(Debug)]
pub(super) struct Deaths {
    config: RestartConfig,
    /// Never longer than `max_in_window`.
    recent: VecDeque<Instant>,
    streak: u32,
    /// The last death was one too many, and nothing has been ready since.
    failed: bool,
}

impl Deaths {
    pub(super) fn new(config: RestartConfig) -> Self {
        Self { config, recent: VecDeque::new(), streak: 0, failed: false }
    }

    /// Decides on a death at `now` of a process that was ready since `ready`, or never was.
    pub(super) fn decide(&mut self, ready: Option<Instant>, now: Instant) -> Decision {
        let RestartConfig { backoff, window, max_in_window } = self.config;
        while self.recent.front().is_some_and(|at| now.saturating_since(*at) >= window) {
            self.recent.pop_front();
        }
        if ready.is_some_and(|since| now.saturating_since(since) >= window) {
            self.streak = 0;
        }
        let most = max_in_window as usize;
        // A start that fails where one has failed before is no better, however long ago the others were.
        self.failed = self.recent.len() >= most || (self.failed && ready.is_none());
        if self.recent.len() >= most {
            self.recent.pop_front();
        }
        if most > 0 {
            self.recent.push_back(now);
        }
        if self.failed {
            return Decision::Fail((most > 0).then(|| backoff.max()));
        }
        let wait = backoff.wait(self.streak, Duration::ZERO, 0.5);
        self.streak = self.streak.saturating_add(1);
        Decision::After(wait)
    }

    /// Whether the last death was one too many.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// Forgets everything, as an operator's restart does.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.streak = 0;
        self.failed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn after(millis: u64) -> Decision {
        Decision::After(Duration::from_millis(millis))
    }

    const FAILED: Decision = Decision::Fail(Some(Duration::from_secs(30)));

    #[test]
    fn waits_double_and_the_sixth_death_within_a_minute_is_a_crash_loop() {
        let mut deaths = Deaths::new(RestartConfig::default());
        let decisions: Vec<_> = (1..=6).map(|n| deaths.decide(None, at(n * 10_000))).collect();
        assert_eq!(decisions, [after(100), after(200), after(400), after(800), after(1600), FAILED]);
    }

    #[test]
    fn what_has_failed_is_tried_again_every_longest_wait_until_it_is_ready() {
        let mut deaths = Deaths::new(RestartConfig::default());
        for n in 0..5 {
            let _ = deaths.decide(None, at(n));
        }
        // Long after the first five have left the window.
        for minute in 0..5 {
            assert_eq!(deaths.decide(None, at(5 + minute * 60_000)), FAILED);
            assert!(deaths.failed());
        }
        assert_eq!(
            deaths.decide(Some(at(400_000)), at(400_100)),
            after(3200),
            "it was ready, and one death is no loop"
        );
        assert!(!deaths.failed());
    }

    #[test]
    fn a_process_that_dies_as_soon_as_it_is_ready_again_has_failed_again() {
        let mut deaths = Deaths::new(RestartConfig::default());
        for n in 0..6 {
            let _ = deaths.decide(Some(at(n * 1000)), at(n * 1000));
        }
        assert_eq!(deaths.decide(Some(at(35_000)), at(35_100)), FAILED);
    }

    #[test]
    fn deaths_leave_the_window_and_waits_stop_growing_at_the_longest() {
        let mut deaths = Deaths::new(RestartConfig::default());
        let decisions: Vec<_> = (1..=12).map(|n| deaths.decide(None, at(n * 13_000))).collect();
        assert_eq!(decisions[8..], [after(25_600), after(30_000), after(30_000), after(30_000)]);
    }

    #[test]
    fn a_process_that_lived_through_a_window_starts_anew() {
        let mut deaths = Deaths::new(RestartConfig::default());
        let _ = (deaths.decide(None, at(1000)), deaths.decide(None, at(2000)));
        assert_eq!(deaths.decide(Some(at(3000)), at(62_999)), after(400), "one millisecond short of the window");
        assert_eq!(deaths.decide(Some(at(70_000)), at(130_000)), after(100));
    }

    #[test]
    fn of_many_deaths_the_last_ones_count_for_as_long_as_a_window_and_no_longer() {
        let second = Duration::from_secs(1);
        let config = |most| RestartConfig::new(second, 30 * second, 60 * second, most).expect("in bounds");
        let mut deaths = Deaths::new(config(2));
        let decisions = [0, 10_000, 20_000].map(|millis| deaths.decide(None, at(millis)));
        assert_eq!(decisions, [after(1000), after(2000), FAILED]);
        assert_eq!(decisions[2].wait(), Some(30 * second));
        assert_eq!(deaths.decide(Some(at(65_000)), at(65_000)), FAILED, "the last two are within the window");
        let mut deaths = Deaths::new(config(2));
        let decisions = [0, 10_000, 60_000].map(|millis| deaths.decide(None, at(millis)));
        assert_eq!(decisions, [after(1000), after(2000), after(4000)], "the first is a window ago");
        for most in [0, 2] {
            let mut deaths = Deaths::new(config(most));
            for n in 0..100 {
                let _ = deaths.decide(None, at(n));
            }
            assert_eq!(deaths.recent.len(), most as usize);
        }
    }

    #[test]
    fn an_operators_restart_forgets_the_past_and_zero_restarts_are_none() {
        let mut deaths = Deaths::new(RestartConfig::default());
        for n in 0..6 {
            let _ = deaths.decide(None, at(n));
        }
        assert!(deaths.failed());
        deaths.clear();
        assert_eq!(deaths.decide(None, at(6)), after(100));
        let second = Duration::from_secs(1);
        let never = RestartConfig::new(second, second, second, 0).expect("in bounds");
        assert_eq!(Deaths::new(never).decide(None, at(1)), Decision::Fail(None));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_read_strictly_and_written_back() {
        let read = |json: &str| serde_json::from_str::<RestartConfig>(json).map_err(|error| error.to_string());
        let config = read(r#"{"initial":"50ms","max_in_window":2}"#).expect("valid");
        assert_eq!((config.initial(), config.max_in_window), (Duration::from_millis(50), 2));
        assert_eq!(config.window, RestartConfig::default().window);
        assert_eq!(read(&serde_json::to_string(&config).expect("plain")).expect("its own"), config);
        assert!(read(r#"{"window":0}"#).expect_err("zero").contains("`window` must be longer"));
        assert!(read(r#"{"initail":"1s"}"#).expect_err("unknown").contains("unknown field"));
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let second = Duration::from_secs(1);
        let field = |result: Result<RestartConfig, ConfigError>| result.expect_err("out of bounds").field();
        assert_eq!(field(RestartConfig::new(Duration::ZERO, second, second, 1)), "initial");
        assert_eq!(field(RestartConfig::new(second, second / 2, second, 1)), "max");
        assert_eq!(field(RestartConfig::new(second, second, Duration::ZERO, 1)), "window");
        assert_eq!(field(RestartConfig::new(second, second, second, 1001)), "max_in_window");
    }
}
