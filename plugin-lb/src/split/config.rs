//! The settings of a traffic split.

use std::{collections::BTreeMap, sync::Arc};

use plugin_core::ConfigError;

use super::schedule::{LONGEST, MOST, reduced};

/// The weights of a traffic split. A value that exists is valid.
///
/// | setting | default | takes |
/// |---|---|---|
/// | the weight of a branch | 0, which is no call | whole number |
///
/// A branch has its weight over the sum of all: 90 and 10 are 90 and 10 percent, and so are 9 and 1. At most 256 branches have
/// one, and the sum of the weights, divided by what they have in common, is at most 10,000: shares in hundredths of a percent.
///
/// With the feature `serde` it is a map from names to weights.
///
/// ```
/// use plugin_lb::TrafficSplitConfig;
///
/// let config = TrafficSplitConfig::builder().with_weight("stable", 90).with_weight("canary", 10).build()?;
/// assert_eq!((config.weight("canary"), config.weight("other")), (10, 0));
///
/// let fault = TrafficSplitConfig::builder().with_weight("a", 10_000).with_weight("b", 1).build().expect_err("too fine");
/// assert_eq!(fault.field(), "weights");
/// # Ok::<(), plugin_lb::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(try_from = "BTreeMap<String, u32>", into = "BTreeMap<String, u32>"))]
pub struct TrafficSplitConfig {
    weights: Arc<BTreeMap<Arc<str>, u32>>,
}

/// Makes a [`TrafficSplitConfig`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct TrafficSplitConfigBuilder(BTreeMap<Arc<str>, u32>);

impl TrafficSplitConfig {
    /// A builder without any weight.
    pub fn builder() -> TrafficSplitConfigBuilder {
        TrafficSplitConfigBuilder::default()
    }

    /// A builder that starts with these weights.
    pub fn to_builder(&self) -> TrafficSplitConfigBuilder {
        TrafficSplitConfigBuilder((*self.weights).clone())
    }

    /// The weight of the branch of this name; 0 where it has none.
    #[must_use]
    pub fn weight(&self, name: &str) -> u32 {
        self.weights.get(name).copied().unwrap_or(0)
    }

    /// The others alone. What is left is in no finer proportion than before.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut weights = (*self.weights).clone();
        weights.remove(name);
        Self { weights: Arc::new(weights) }
    }

    /// All names with their weights, by name.
    pub fn weights(&self) -> impl Iterator<Item = (&str, u32)> {
        self.weights.iter().map(|(name, weight)| (&**name, *weight))
    }
}

impl TrafficSplitConfigBuilder {
    /// Sets the weight of a branch; 0 sends it no call. Of two for one name the last counts.
    pub fn with_weight(mut self, name: impl Into<Arc<str>>, weight: u32) -> Self {
        self.0.insert(name.into(), weight);
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When more than 256 branches have a weight, or the weights are in too fine a proportion: their sum, divided by what they
    /// have in common, is more than 10,000.
    pub fn build(self) -> Result<TrafficSplitConfig, ConfigError> {
        let weights: Vec<u32> = self.0.values().copied().filter(|weight| *weight > 0).collect();
        if weights.len() > MOST {
            let count = weights.len();
            return Err(ConfigError::new("weights", format!("must be of at most {MOST} branches, and are of {count}")));
        }
        let total: u64 = reduced(&weights).into_iter().map(u64::from).sum();
        if total > u64::from(LONGEST) {
            return Err(ConfigError::new(
                "weights",
                format!("must sum to at most {LONGEST}, divided by what they have in common, and sum to {total}"),
            ));
        }
        Ok(TrafficSplitConfig { weights: Arc::new(self.0) })
    }
}

#[cfg(feature = "serde")]
impl TryFrom<BTreeMap<String, u32>> for TrafficSplitConfig {
    type Error = ConfigError;

    fn try_from(weights: BTreeMap<String, u32>) -> Result<Self, ConfigError> {
        let all = weights.into_iter();
        all.fold(Self::builder(), |builder, (name, weight)| builder.with_weight(name, weight)).build()
    }
}

#[cfg(feature = "serde")]
impl From<TrafficSplitConfig> for BTreeMap<String, u32> {
    fn from(config: TrafficSplitConfig) -> Self {
        config.weights().map(|(name, weight)| (name.to_owned(), weight)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(weights: impl IntoIterator<Item = u32>) -> Result<TrafficSplitConfig, ConfigError> {
        let named = weights.into_iter().enumerate();
        named.fold(TrafficSplitConfig::builder(), |b, (index, weight)| b.with_weight(index.to_string(), weight)).build()
    }

    #[test]
    fn proportions_that_are_too_fine_and_too_many_branches_are_refused_and_the_bounds_are_taken() {
        assert!(config([9_999, 1]).is_ok() && config([0, 0]).is_ok() && config([]).is_ok());
        assert!(config([3_000_000_000, 3_000_000_000, 1_000_000_000]).is_ok(), "3, 3 and 1");
        let fault = config([10_000, 1]).expect_err("one too many");
        let text = "`weights` must sum to at most 10000, divided by what they have in common, and sum to 10001";
        assert_eq!(fault.to_string(), text);
        assert!(config([u32::MAX, 1]).is_err());
        assert!(config(std::iter::repeat_n(1, 256).chain([0])).is_ok());
        assert!(config(std::iter::repeat_n(1, 257)).is_err());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_a_map_of_weights_and_is_checked() {
        let read = |json: &str| serde_json::from_str::<TrafficSplitConfig>(json).map_err(|error| error.to_string());
        let config = read(r#"{"stable":90,"canary":10}"#).expect("valid");
        assert_eq!(config.weights().collect::<Vec<_>>(), [("canary", 10), ("stable", 90)]);
        assert_eq!(serde_json::to_string(&config).expect("plain"), r#"{"canary":10,"stable":90}"#);
        assert!(read(r#"{"a":10000,"b":1}"#).expect_err("too fine").contains("must sum to at most 10000"));
        assert!(read(r#"{"a":-1}"#).is_err() && read(r#"{"a":0.5}"#).is_err());
    }
}
