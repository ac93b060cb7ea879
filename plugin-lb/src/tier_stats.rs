//! What is known of a tier.

/// One tier of the instances that take calls: those of one priority, of the own zone or elsewhere, and of the own subset or not.
///
/// ```
/// use plugin_lb::{Balance, BalanceConfig, Endpoint};
///
/// let config = BalanceConfig::builder().with_zone("north").build()?;
/// let zones = ["north", "north", "south"];
/// let endpoints = zones.iter().enumerate().map(|(number, zone)| Endpoint::new(number.to_string(), ()).with_zone(*zone));
/// let tiers = Balance::new(config, endpoints)?.handle().tiers();
/// let [near, far] = &tiers[..] else { panic!("two zones") };
/// assert_eq!((near.is_near, near.up, near.share), (true, 2, 1.0));
/// assert_eq!((far.is_near, far.up, far.share), (false, 1, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TierStats {
    /// Its priority, where the strategy goes by that.
    pub priority: Option<i32>,
    /// Whether it is in the balancer's own zone, or there is none.
    pub is_near: bool,
    /// Whether it is not part of the balancer's subset.
    pub is_spare: bool,
    /// How many instances of it take calls.
    pub instances: usize,
    /// How many of these are up by their checks.
    pub up: usize,
    /// The share of the calls that goes to it, from 0 to 1.
    pub share: f64,
    /// Whether health is ignored in it, since so few are up.
    pub in_panic: bool,
}
