//! The strategies by name.

use std::fmt;

/// How a balancer picks.
///
/// Each has a stable name for configuration files, and the number of its place in [`Strategy::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(into = "&'static str"))]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other. Each processor stripe goes round on its own, so that no two threads meet.
    #[default]
    RoundRobin,
    /// Any, with equal chances.
    Random,
    /// The one with the fewest calls in flight; of more than 32 the better of two, one in turn and one at random.
    LeastConnections,
    /// The one with the shortest latency, calls in flight considered; of more than 32 the better of two likewise.
    LeastLatency,
    /// Any, with chances in proportion to the weights.
    WeightedRandom,
    /// The same one for the same affinity key, whoever else joins or leaves.
    ConsistentHash,
    /// One of those with the highest priority.
    Priority,
    /// In turn, in proportion to the weights, evenly spread.
    WeightedRoundRobin,
    /// Of two random ones, drawn by weight, the one with fewer calls in flight for its weight.
    P2c,
    /// Of two, one in turn and one at random, the one with the shorter latency, peaks remembered and calls in flight
    /// considered.
    PeakEwma,
    /// Of two random ones, drawn by weight, the one with the larger weight / (calls in flight + 1).
    LeastRequest,
    /// The same one for the same affinity key, with shares as even as can be.
    Maglev,
    /// In turn, in proportion to what the backends say of their load.
    ReportedWeights,
}

impl Strategy {
    /// Every strategy; its position is the number that configuration files may use.
    pub const ALL: &'static [Self] = &[
        Self::RoundRobin,
        Self::Random,
        Self::LeastConnections,
        Self::LeastLatency,
        Self::WeightedRandom,
        Self::ConsistentHash,
        Self::Priority,
        Self::WeightedRoundRobin,
        Self::P2c,
        Self::PeakEwma,
        Self::LeastRequest,
        Self::Maglev,
        Self::ReportedWeights,
    ];

    /// The names of [`ALL`](Self::ALL), in its order.
    pub const NAMES: &'static [&'static str] = &{
        let mut names = [""; Self::ALL.len()];
        let mut number = 0;
        while number < names.len() {
            names[number] = Self::ALL[number].as_str();
            number += 1;
        }
        names
    };

    /// The name in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::LeastConnections => "least-connections",
            Self::LeastLatency => "least-latency",
            Self::WeightedRandom => "weighted-random",
            Self::ConsistentHash => "consistent-hash",
            Self::Priority => "priority",
            Self::WeightedRoundRobin => "weighted-round-robin",
            Self::P2c => "p2c",
            Self::PeakEwma => "peak-ewma",
            Self::LeastRequest => "least-request",
            Self::Maglev => "maglev",
            Self::ReportedWeights => "reported-weights",
        }
    }

    /// The strategy of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|strategy| strategy.as_str() == name)
    }

    /// Whether every call's latency is an input.
    pub(crate) const fn reads_latency(self) -> bool {
        matches!(self, Self::LeastLatency | Self::PeakEwma)
    }

    /// Whether the affinity key of a call decides where it goes.
    pub(crate) const fn reads_key(self) -> bool {
        matches!(self, Self::ConsistentHash | Self::Maglev)
    }

    /// Whether load reports are an input.
    pub(crate) const fn reads_reports(self) -> bool {
        matches!(self, Self::ReportedWeights)
    }

    /// Whether a slow answer is taken at its word at once, and a fast one only with time.
    pub(crate) const fn follows_peaks(self) -> bool {
        matches!(self, Self::PeakEwma)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Strategy> for &'static str {
    fn from(strategy: Strategy) -> Self {
        strategy.as_str()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Strategy {
    /// Reads the name, or the number.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber;

        impl serde::de::Visitor<'_> for NameOrNumber {
            type Value = Strategy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a strategy, one of")?;
                Strategy::ALL.iter().try_for_each(|strategy| write!(f, " {strategy}"))?;
                write!(f, ", or its number from 0 to {}", Strategy::ALL.len() - 1)
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Strategy, E> {
                Strategy::parse(name).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Strategy, E> {
                let strategy = usize::try_from(number).ok().and_then(|number| Strategy::ALL.get(number));
                strategy.copied().ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Strategy, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(serde::de::Unexpected::Signed(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(NameOrNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_are_distinct() {
        for strategy in Strategy::ALL {
            assert_eq!(Strategy::parse(strategy.as_str()), Some(*strategy));
        }
        assert_eq!(Strategy::parse("fastest"), None);
    }

    #[test]
    fn the_numbers_that_files_hold_stay_what_they_are() {
        let names = [
            "round-robin",
            "random",
            "least-connections",
            "least-latency",
            "weighted-random",
            "consistent-hash",
            "priority",
            "weighted-round-robin",
            "p2c",
            "peak-ewma",
            "least-request",
            "maglev",
            "reported-weights",
        ];
        assert_eq!(Strategy::NAMES, names, "new ones come last");
    }
}
