//! The states of a circuit, and the atomic word that holds the present one.

use std::fmt;

/// The state of a circuit: whether calls pass, and whether they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
#[repr(u8)]
pub enum CircuitState {
    /// Calls pass and are judged.
    Closed = 0,
    /// Calls are refused until the open time is over.
    Open = 1,
    /// A few calls pass as probes, the others are refused.
    HalfOpen = 2,
    /// Calls are refused until an operator says otherwise.
    Isolated = 3,
    /// Calls pass and are not judged.
    Disabled = 4,
    /// Calls pass and are judged; what the breaker would do is reported and not done.
    MetricsOnly = 5,
}

impl CircuitState {
    /// The name, as configuration and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::Isolated => "isolated",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics-only",
        }
    }

    /// The value of the gauge `plugin_circuit_breaker_state`: 0 where all calls pass, 1 where none does, 2 half-open.
    #[must_use]
    pub const fn metric(self) -> u8 {
        match self {
            Self::Closed | Self::Disabled | Self::MetricsOnly => 0,
            Self::Open | Self::Isolated => 1,
            Self::HalfOpen => 2,
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A state and its generation in one word. The generation grows with every transition, so two equal words are the same
/// stay in the same state: a result counts only when the word is still the one that admitted its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedState(pub(crate) u64);

impl PackedState {
    const STATE_BITS: u32 = 3;

    pub(crate) const fn new(state: CircuitState, generation: u64) -> Self {
        Self(generation << Self::STATE_BITS | state as u64)
    }

    pub(crate) const fn generation(self) -> u64 {
        self.0 >> Self::STATE_BITS
    }

    /// Closed or metrics-only: the call passes and is judged.
    #[inline]
    pub(crate) const fn is_judging(self) -> bool {
        matches!(self.state(), CircuitState::Closed | CircuitState::MetricsOnly)
    }

    #[inline]
    pub(crate) const fn state(self) -> CircuitState {
        match self.0 & ((1 << Self::STATE_BITS) - 1) {
            0 => CircuitState::Closed,
            1 => CircuitState::Open,
            2 => CircuitState::HalfOpen,
            3 => CircuitState::Isolated,
            4 => CircuitState::Disabled,
            _ => CircuitState::MetricsOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_gives_back_its_state_and_generation() {
        for state in [
            CircuitState::Closed,
            CircuitState::Open,
            CircuitState::HalfOpen,
            CircuitState::Isolated,
            CircuitState::Disabled,
            CircuitState::MetricsOnly,
        ] {
            let word = PackedState::new(state, 77);
            assert_eq!((word.state(), word.generation()), (state, 77));
        }
    }
}
