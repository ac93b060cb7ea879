//! Which addresses are used of a Service that has two families.

/// Which addresses of a Service with two families are used. Pods of such a Service are listed once in each.
///
/// With a preference, the other family is used where the preferred one has nothing that is ready; where neither has, what
/// ends and still serves is taken in the same order. The two are never mixed, so that no pod counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpPreference {
    /// IPv4, else IPv6. The default.
    #[default]
    V4First,
    /// IPv6, else IPv4.
    V6First,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl IpPreference {
    pub(super) const NAMES: &[&str] = &["v4-first", "v6-first", "v4", "v6"];

    /// The name that configuration files have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4First => "v4-first",
            Self::V6First => "v6-first",
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::V4First, Self::V6First, Self::V4, Self::V6].into_iter().find(|preference| preference.name() == name)
    }
}
