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

#[cfg(feature = "http")]
pub use of_http::{RequestDeadline, format_grpc_timeout, parse_grpc_timeout};

#[cfg(feature = "http")]
mod of_http {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, Request, header::CONTENT_TYPE};

    use super::{Deadlined, Instant};
    use crate::{clock, go_duration};

    /// The deadline of an `http::Request`, in its extensions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RequestDeadline {
        at: Instant,
        given: Duration,
        configured: Option<Duration>,
    }

    impl RequestDeadline {
        /// The deadline that lies this much after this moment.
        #[must_use]
        pub fn after(given: Duration, started: Instant) -> Self {
            Self { at: started.saturating_add(given), given, configured: None }
        }

        /// The moment.
        #[must_use]
        pub fn at(self) -> Instant {
            self.at
        }

        /// The time that was given when the deadline was set.
        #[must_use]
        pub fn given(self) -> Duration {
            self.given
        }
    }

    const GRPC_TIMEOUT: &str = "grpc-timeout";
    const REQUEST_TIMEOUT: &str = "x-request-timeout";

    /// The deadline is the extension [`RequestDeadline`], or else counts from the header `grpc-timeout` or
    /// `X-Request-Timeout`. Setting it writes the extension and, for the next hop, the header that the request's
    /// protocol uses. A header that cannot be read is no limit.
    impl<B> Deadlined for Request<B> {
        fn started(&self) -> Instant {
            clock::now()
        }

        fn deadline(&self, started: Instant) -> Option<Instant> {
            if let Some(deadline) = self.extensions().get::<RequestDeadline>() {
                return Some(deadline.at);
            }
            let headers = self.headers();
            let grpc = text(headers, GRPC_TIMEOUT).and_then(parse_grpc_timeout);
            let limit = grpc.or_else(|| text(headers, REQUEST_TIMEOUT).and_then(|text| go_duration::parse(text).ok()));
            limit.map(|limit| started.saturating_add(limit))
        }

        fn given(&self, started: Instant) -> Option<Duration> {
            match self.extensions().get::<RequestDeadline>() {
                Some(deadline) => Some(deadline.given),
                None => self.deadline(started).map(|deadline| deadline.saturating_since(started)),
            }
        }

        fn set_deadline(&mut self, deadline: Instant, started: Instant) {
            let left = deadline.saturating_since(started);
            let known = self.extensions().get::<RequestDeadline>().copied();
            if known.is_none_or(|known| known.at != deadline) {
                let configured = known.and_then(|known| known.configured);
                self.extensions_mut().insert(RequestDeadline { at: deadline, given: left, configured });
            }
            let is_grpc =
                text(self.headers(), CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc"));
            let (name, value) = if is_grpc {
                (GRPC_TIMEOUT, format_grpc_timeout(left))
            } else {
                (REQUEST_TIMEOUT, go_duration::format_ascii(left))
            };
            if let Ok(value) = HeaderValue::try_from(value) {
                self.headers_mut().insert(name, value);
            }
        }

        fn take_deadline(&mut self) {
            self.extensions_mut().remove::<RequestDeadline>();
            for name in [GRPC_TIMEOUT, REQUEST_TIMEOUT] {
                self.headers_mut().remove(name);
            }
        }

        fn configured_timeout(&self) -> Option<Duration> {
            self.extensions().get::<RequestDeadline>().and_then(|deadline| deadline.configured)
        }

        fn set_configured_timeout(&mut self, timeout: Duration) {
            // It travels with the deadline, which a layer has set before.
            if let Some(deadline) = self.extensions_mut().get_mut::<RequestDeadline>() {
                deadline.configured = Some(deadline.configured.map_or(timeout, |known| known.min(timeout)));
            }
        }
    }

    fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        headers.get(name)?.to_str().ok()
    }

    const GRPC_UNITS: [(char, u64); 6] = [
        ('n', 1),
        ('u', 1_000),
        ('m', 1_000_000),
        ('S', 1_000_000_000),
        ('M', 60_000_000_000),
        ('H', 3_600_000_000_000),
    ];

    /// Reads `grpc-timeout`: at most eight digits and a unit, as the gRPC protocol says.
    #[must_use]
    pub fn parse_grpc_timeout(text: &str) -> Option<Duration> {
        let unit = text.chars().next_back()?;
        let digits = &text[..text.len() - unit.len_utf8()];
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let (_, nanos) = GRPC_UNITS.iter().find(|(name, _)| *name == unit)?;
        Some(Duration::from_nanos(digits.parse::<u64>().ok()?.saturating_mul(*nanos)))
    }

    /// Writes `grpc-timeout` in the finest unit that fits eight digits, rounded down so that no hop waits longer.
    #[must_use]
    pub fn format_grpc_timeout(limit: Duration) -> String {
        let nanos = clock::nanos(limit);
        for (name, unit) in GRPC_UNITS {
            if nanos / unit < 100_000_000 {
                return format!("{}{name}", nanos / unit);
            }
        }
        String::from("99999999H")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_grpc_timeout_reads_back_and_never_grows() {
            for nanos in [0, 1, 99_999_999, 100_000_000, 1_500_000_000, u64::MAX] {
                let limit = Duration::from_nanos(nanos);
                let back = parse_grpc_timeout(&format_grpc_timeout(limit)).expect("our own text");
                assert!(back <= limit && limit - back <= limit / 1_000_000, "{limit:?} {back:?}");
            }
            for bad in ["", "S", "1", "123456789S", "-1S", "1.5S", "1h", "1é"] {
                assert_eq!(parse_grpc_timeout(bad), None, "{bad:?}");
            }
        }

        #[test]
        fn a_deadline_goes_out_in_the_header_of_the_protocol() {
            let mut request = Request::new(());
            let started = request.started();
            request.set_deadline(started.saturating_add(Duration::from_millis(1500)), started);
            assert_eq!(request.headers()["x-request-timeout"], "1.5s");
            let mut request =
                Request::builder().header(CONTENT_TYPE, "application/grpc+proto").body(()).expect("valid");
            request.set_deadline(started.saturating_add(Duration::from_millis(50)), started);
            assert_eq!(request.headers()["grpc-timeout"], "50000000n");
        }

        #[test]
        fn a_deadline_of_microseconds_is_read_at_the_next_hop() {
            let mut request = Request::new(());
            let started = request.started();
            request.set_deadline(started.saturating_add(Duration::from_micros(250)), started);
            request.extensions_mut().clear();
            assert_eq!(request.deadline(started), Some(started.saturating_add(Duration::from_micros(250))));
        }
    }
}
