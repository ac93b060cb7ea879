//! What becomes of a request that has no key.

/// What becomes of a request that has no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutKey {
    /// All such requests share one limit, with the settings of a key.
    #[default]
    Shared,
    /// It is refused, with `RATELIMIT_1501` and no `retry_after`.
    Refuse,
    /// It passes, and is not limited.
    Pass,
}

impl WithoutKey {
    /// The words that configuration files have for them.
    pub(crate) const WORDS: &'static [&'static str] = &["shared", "refuse", "pass"];

    pub(crate) const fn as_word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Refuse => "refuse",
            Self::Pass => "pass",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Shared, Self::Refuse, Self::Pass].into_iter().find(|without| without.as_word() == word)
    }
}
