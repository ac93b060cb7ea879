//! W3C trace context, as a call carries it.

use std::fmt;

/// The trace that a call belongs to: the W3C headers `traceparent` and `tracestate`.
///
/// <https://www.w3.org/TR/trace-context/>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
    state: Option<Box<str>>,
}

/// The longest `tracestate` that is kept; a longer one is dropped, as the specification allows.
const MAX_STATE: usize = 512;

impl TraceContext {
    /// A trace context out of its parts. `None` when either id is zero, which the specification forbids.
    #[must_use]
    pub fn new(trace_id: u128, parent_id: u64, flags: u8) -> Option<Self> {
        (trace_id != 0 && parent_id != 0).then_some(Self { trace_id, parent_id, flags, state: None })
    }

    /// Reads a `traceparent` header. `None` when it is malformed.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        // version 00: 2-32-16-2 hexadecimal digits and nothing after; later versions may add fields.
        let longer_version = bytes.len() > 55 && bytes[55] == b'-';
        if !(bytes.len() == 55 || longer_version) || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
            return None;
        }
        let version = hex(&bytes[..2])?;
        if version == 0xff || (version == 0 && longer_version) {
            return None;
        }
        let parent_id = u64::try_from(hex(&bytes[36..52])?).ok()?;
        Self::new(hex(&bytes[3..35])?, parent_id, u8::try_from(hex(&bytes[53..55])?).ok()?)
    }

    /// Adds the `tracestate` header; one of more than 512 bytes is left out.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = (!state.is_empty() && state.len() <= MAX_STATE).then(|| state.into());
        self
    }

    /// The trace's id, never zero.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the span that made the call, never zero.
    #[must_use]
    pub fn parent_id(&self) -> u64 {
        self.parent_id
    }

    /// Whether the caller recorded its span.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The `tracestate` header.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Lower-case hexadecimal digits only, as the specification demands.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |value, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(nibble))
    })
}

/// The `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let context = TraceContext::parse(SAMPLE).expect("the specification's own example");
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), SAMPLE);
    }

    #[test]
    fn the_parts_are_those_of_the_header_and_a_long_state_is_left_out() {
        let context = TraceContext::parse(SAMPLE).expect("valid");
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent_id(), 0x00f0_67aa_0ba9_02b7);
        for (flags, sampled) in [(0, false), (1, true), (2, false), (3, true), (0xff, true)] {
            assert_eq!(TraceContext::new(1, 1, flags).expect("valid").is_sampled(), sampled, "{flags}");
        }
        assert!(TraceContext::new(0, 1, 0).is_none() && TraceContext::new(1, 0, 0).is_none());
        let kept = |length: usize| context.clone().with_state(&"x".repeat(length)).state().map(str::len);
        assert_eq!([0, 1, 512, 513].map(kept), [None, Some(1), Some(512), None]);
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7\u{e9}01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
        assert!(TraceContext::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-later").is_some());
    }
}
