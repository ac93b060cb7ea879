//! One instance that was found.

use std::{net::SocketAddr, sync::Arc};

/// One instance of a service, as its source describes it.
///
/// | field | default |
/// |---|---|
/// | name | the address |
/// | weight | 1, from 1 to [`FoundInstance::MAX_WEIGHT`] |
/// | priority | 0, larger is higher |
/// | zone | none |
/// | draining | no |
///
/// The numbers mean what they mean to a balancer of this family, so that they can be handed on as they are.
///
/// ```
/// use plugin_discovery::FoundInstance;
///
/// let found = FoundInstance::new("10.0.0.1:8080").with_weight(3).with_zone("north");
/// assert_eq!((found.name(), found.address(), found.weight()), ("10.0.0.1:8080", "10.0.0.1:8080", 3));
/// assert_eq!(found.socket_addr().map(|address| address.port()), Some(8080));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FoundInstance {
    name: Arc<str>,
    address: Arc<str>,
    weight: u32,
    priority: i32,
    zone: Option<Arc<str>>,
    draining: bool,
}

impl FoundInstance {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 1_000_000;

    /// An instance with the defaults, at an address that whoever connects understands: `10.0.0.1:8080`,
    /// `[fd00::1]:8080`, `host:port`, or a text of another kind, such as the path of a socket. Its name is the address.
    pub fn new(address: impl Into<Arc<str>>) -> Self {
        let address = address.into();
        Self { name: Arc::clone(&address), address, weight: 1, priority: 0, zone: None, draining: false }
    }

    /// Sets the name, for a source that knows a better one than the address. It is unique in a set, and an instance
    /// that keeps its name is the same one to a balancer, with its statistics and calls in flight; so what is another
    /// process should have another name.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets its share of the calls, against the weights of the others. One outside of 1 to
    /// [`MAX_WEIGHT`](Self::MAX_WEIGHT) becomes the nearest of the two: a source whose 0 means "no calls" leaves the
    /// instance out or says that it is [draining](Self::with_draining).
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight.clamp(1, Self::MAX_WEIGHT);
        self
    }

    /// Sets its priority; larger is higher.
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Says where it runs.
    pub fn with_zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Says whether it is about to end: it still finishes its calls, and takes no new ones.
    pub fn with_draining(mut self, draining: bool) -> Self {
        self.draining = draining;
        self
    }

    /// The name, unique in a set.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address as one that a socket connects to; `None` when it is of another kind, or has a name in it.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// Its share of the calls, from 1 to [`MAX_WEIGHT`](Self::MAX_WEIGHT).
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether it still finishes its calls and takes no new ones.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Its priority; larger is higher.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Where it runs.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

impl From<SocketAddr> for FoundInstance {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_held_within_its_bounds() {
        let weight = |weight| FoundInstance::new("a:1").with_weight(weight).weight();
        assert_eq!([0, 1, 1_000_000, 1_000_001, u32::MAX].map(weight), [1, 1, 1_000_000, 1_000_000, 1_000_000]);
    }

    #[test]
    fn an_address_of_either_family_is_one_for_a_socket_and_a_name_is_not() {
        let v6 = FoundInstance::from("[fd00::1]:80".parse::<SocketAddr>().expect("an address"));
        assert_eq!((v6.name(), v6.socket_addr().map(|at| at.is_ipv6())), ("[fd00::1]:80", Some(true)));
        assert_eq!(FoundInstance::new("10.0.0.1:80").socket_addr().map(|at| at.is_ipv4()), Some(true));
        assert_eq!(FoundInstance::new("one.example:80").socket_addr(), None);
    }
}
