//! How an `http::Request` carries its deadline.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, header::CONTENT_TYPE};

use super::request::Deadlined;
use crate::{
    clock::{self, Instant},
    go_duration,
};

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

const GRPC_UNITS: [(char, u64); 6] =
    [('n', 1), ('u', 1_000), ('m', 1_000_000), ('S', 1_000_000_000), ('M', 60_000_000_000), ('H', 3_600_000_000_000)];

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

/// Writes `grpc-timeout`, which has a unit and eight digits at most: in the largest unit of time up to a second of which it is a
/// whole number, as a person would, and otherwise in the finest that holds it, rounded down so that no hop waits longer.
#[must_use]
pub fn format_grpc_timeout(limit: Duration) -> String {
    let nanos = clock::nanos(limit);
    let fits = |(_, unit): &(char, u64)| nanos / unit < 100_000_000;
    let is_whole = |(_, unit): &(char, u64)| nanos.is_multiple_of(*unit);
    let of_a_second = GRPC_UNITS[..4].iter().rev().filter(|_| nanos > 0);
    let whole = of_a_second.filter(|unit| fits(unit)).find(|unit| is_whole(unit));
    match whole.or_else(|| GRPC_UNITS.iter().find(|unit| fits(unit))) {
        Some((name, unit)) => format!("{}{name}", nanos / unit),
        None => String::from("99999999H"),
    }
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
    fn a_grpc_timeout_is_written_in_the_unit_in_which_it_reads_best() {
        for (nanos, text) in [
            (0, "0n"),
            (999, "999n"),
            (250_000, "250u"),
            (1_500_000_000, "1500m"),
            (30_000_000_000, "30S"),
            (7_200_000_000_000, "7200S"),
            // It is no whole number of any unit that holds it.
            (1_000_000_001, "1000000u"),
        ] {
            assert_eq!(format_grpc_timeout(Duration::from_nanos(nanos)), text);
        }
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse_grpc_timeout(text), Some(time), "{text}");
        }
    }

    #[test]
    fn a_deadline_goes_out_in_the_header_of_the_protocol() {
        let mut request = Request::new(());
        let started = request.started();
        request.set_deadline(started.saturating_add(Duration::from_millis(1500)), started);
        assert_eq!(request.headers()["x-request-timeout"], "1.5s");
        let mut request = Request::builder().header(CONTENT_TYPE, "application/grpc+proto").body(()).expect("valid");
        request.set_deadline(started.saturating_add(Duration::from_millis(50)), started);
        assert_eq!(request.headers()["grpc-timeout"], "50m");
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
