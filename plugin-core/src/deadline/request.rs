//! How a request carries its deadline.

use std::time::Duration;

use crate::{
    Call,
    clock::{Instant, nanos},
};

/// A request that carries a deadline: a [`Call`], or (feature `http`) an `http::Request`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` carries no deadline",
    note = "`plugin_core::Call<T>` and, with the feature `http`, `http::Request<B>` do; implement `Deadlined` for a request type of your own",
    note = "over a client with its own type of request, such as reqwest, let the layers see an `http::Request` and translate it beneath them: `.filter(|request: http::Request<_>| reqwest::Request::try_from(request))` of tower, as the page of plugin-lb shows"
)]
pub trait Deadlined {
    /// The moment that a limit counts from.
    fn started(&self) -> Instant;

    /// The deadline, when the request has one. Relative limits count from `started`.
    fn deadline(&self, started: Instant) -> Option<Instant>;

    /// The time that was given when the deadline was set, for the text of a refusal. Unless overridden, it counts from
    /// `started`.
    fn given(&self, started: Instant) -> Option<Duration> {
        self.deadline(started).map(|deadline| deadline.saturating_since(started))
    }

    /// Sets the deadline. Called only with a deadline that is not later than the one the request has.
    fn set_deadline(&mut self, deadline: Instant, started: Instant);

    /// Takes the deadline off, and with it the [configured time](Self::configured_timeout), wherever the request says them:
    /// for a call that has other callers too and does not end at the deadline of this one. Afterwards
    /// [`deadline`](Self::deadline) is `None`, and nothing that is sent on says otherwise.
    fn take_deadline(&mut self);

    /// The time that the service gives its calls, as it was configured. Unless overridden, nobody knows, and only the
    /// limit of an attempt tells whether a service had its time ([`cut::is_evidence`](super::cut::is_evidence)).
    fn configured_timeout(&self) -> Option<Duration> {
        None
    }

    /// Says how much time the service gives its calls; a smaller time that is already set stays. A
    /// [`DeadlineLayer`](super::DeadlineLayer) calls it after [`set_deadline`](Self::set_deadline).
    fn set_configured_timeout(&mut self, timeout: Duration) {
        let _ = timeout;
    }

    /// All that the layers ask in every call, in plain words. It says what the other methods say, and is overridden where
    /// that costs less.
    #[doc(hidden)]
    #[inline]
    fn times(&self, started: Instant) -> Times {
        Times {
            deadline: self.deadline(started).unwrap_or(Instant::MAX),
            given: self.given(started).map_or(u64::MAX, nanos),
            configured: self.configured_timeout().map_or(u64::MAX, nanos),
        }
    }

    /// Sets the deadline, and the time that the service gives its calls, in nanoseconds; `u64::MAX` says nothing of it.
    #[doc(hidden)]
    #[inline]
    fn limit(&mut self, deadline: Instant, started: Instant, configured: u64) {
        self.set_deadline(deadline, started);
        if configured != u64::MAX {
            self.set_configured_timeout(Duration::from_nanos(configured));
        }
    }
}

/// What a request says of its time. `u64::MAX` nanoseconds, and [`Instant::MAX`], stand for nothing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub(super) deadline: Instant,
    pub(super) given: u64,
    pub(super) configured: u64,
}

impl<T> Deadlined for Call<T> {
    fn started(&self) -> Instant {
        self.context().received()
    }

    fn deadline(&self, _: Instant) -> Option<Instant> {
        self.context().deadline()
    }

    fn set_deadline(&mut self, deadline: Instant, _: Instant) {
        self.context_mut().limit_deadline(deadline);
    }

    fn take_deadline(&mut self) {
        self.context_mut().take_deadline();
    }

    fn configured_timeout(&self) -> Option<Duration> {
        self.context().configured_timeout()
    }

    fn set_configured_timeout(&mut self, timeout: Duration) {
        self.context_mut().limit_configured_timeout(timeout);
    }

    #[inline]
    fn times(&self, started: Instant) -> Times {
        let deadline = self.context().deadline_or_max();
        let given = match deadline {
            Instant::MAX => u64::MAX,
            deadline => deadline.as_nanos().saturating_sub(started.as_nanos()),
        };
        Times { deadline, given, configured: self.context().configured_nanos() }
    }

    #[inline]
    fn limit(&mut self, deadline: Instant, _: Instant, configured: u64) {
        self.context_mut().limit_times(deadline, configured);
    }
}
