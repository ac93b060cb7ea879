//! All slices of a Service, and the set of instances that they make together. A pure state: no clock, no socket.
//!
//! What came of each slice is kept, so that a change of one touches its own endpoints alone; the set is kept in the order
//! of its names.

use std::{
    collections::{BTreeMap, btree_map},
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    IpPreference, KubernetesPort,
    object::{Endpoint, Object, Port, Usable},
    port::Shown,
};
use crate::FoundInstance;

/// The most endpoints that are kept of one Service, over all slices.
pub(super) const MOST_ENDPOINTS: usize = 200_000;

/// The most slices of one Service. Those of the controller have up to 1,000 endpoints each.
pub(super) const MOST_SLICES: usize = 20_000;

/// How many ports of a slice a fault lists.
const MOST_PORTS_SHOWN: usize = 20;

/// The slices that are known.
#[derive(Debug)]
pub(super) struct Slices {
    port: KubernetesPort,
    family: IpPreference,
    slices: BTreeMap<String, Slice>,
    ipv4: Family,
    ipv6: Family,
    /// Over all slices.
    endpoints: usize,
}

/// What came of one slice.
#[derive(Debug, Default, PartialEq)]
struct Slice {
    claims: Vec<Claim>,
    /// The ports that it has, where it has endpoints and not the port that is wanted.
    other_ports: Option<String>,
}

/// That an endpoint is there, as one slice says it.
#[derive(Clone, Debug, PartialEq)]
struct Claim {
    name: Arc<str>,
    instance: FoundInstance,
    usable: Usable,
    is_ipv4: bool,
}

/// The endpoints of one family by their names, each with what is said of it: once, or more often while it moves from one slice
/// to another.
type Family = BTreeMap<Arc<str>, Vec<Claim>>;

/// There are more endpoints than [`MOST_ENDPOINTS`], or more slices than [`MOST_SLICES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// What all slices together say.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// At least one instance.
    Set(Vec<FoundInstance>),
    /// There are slices, and no endpoint in them that is to be used.
    NoEndpoint,
    /// There is no slice.
    NoSlice,
    /// There are endpoints, and none with the port that is wanted: these they have.
    NoPort(String),
}

impl Slices {
    pub(super) fn new(port: KubernetesPort, family: IpPreference) -> Self {
        Self { port, family, slices: BTreeMap::new(), ipv4: Family::new(), ipv6: Family::new(), endpoints: 0 }
    }

    /// The same without a slice.
    pub(super) fn cleared(&self) -> Self {
        Self::new(self.port.clone(), self.family)
    }

    /// Takes a slice that is new or has changed, and says whether it changes anything. One without a name is none.
    pub(super) fn apply(&mut self, object: &Object) -> Result<bool, TooMany> {
        let Some(name) = object.metadata.name.as_deref() else { return Ok(false) };
        let slice = self.read(object);
        let old = self.slices.get(name);
        if old == Some(&slice) {
            return Ok(false);
        }
        let before = old.map_or(0, |old| old.claims.len());
        let is_one_more = old.is_none() && self.slices.len() >= MOST_SLICES;
        if is_one_more || self.endpoints - before + slice.claims.len() > MOST_ENDPOINTS {
            return Err(TooMany);
        }
        self.remove(name);
        self.endpoints += slice.claims.len();
        for claim in &slice.claims {
            let claims = self.family(claim.is_ipv4).entry(Arc::clone(&claim.name)).or_default();
            // The best stands first; of two that are as good, the one that came last: it is the newest.
            let at = claims.partition_point(|other| other.usable > claim.usable);
            claims.insert(at, claim.clone());
        }
        self.slices.insert(name.to_owned(), slice);
        Ok(true)
    }

    /// Forgets a slice that was deleted, and says whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(slice) = self.slices.remove(name) else { return false };
        self.endpoints -= slice.claims.len();
        for claim in &slice.claims {
            if let btree_map::Entry::Occupied(mut claims) = self.family(claim.is_ipv4).entry(Arc::clone(&claim.name)) {
                if let Some(at) = claims.get().iter().position(|other| other == claim) {
                    claims.get_mut().remove(at);
                }
                if claims.get().is_empty() {
                    claims.remove();
                }
            }
        }
        true
    }

    fn family(&mut self, is_ipv4: bool) -> &mut Family {
        if is_ipv4 { &mut self.ipv4 } else { &mut self.ipv6 }
    }

    /// What is there now. Who drains is for calls that have nowhere else to go: where nobody is ready, it is used as if it was.
    pub(super) fn found(&self) -> Found {
        if self.slices.is_empty() {
            return Found::NoSlice;
        }
        let (first, second) = match self.family {
            IpPreference::V4First => (&self.ipv4, Some(&self.ipv6)),
            IpPreference::V6First => (&self.ipv6, Some(&self.ipv4)),
            IpPreference::V4 => (&self.ipv4, None),
            IpPreference::V6 => (&self.ipv6, None),
        };
        let families = || std::iter::once(first).chain(second);
        if let Some(family) = families().find(|family| best(family).any(|claim| claim.usable == Usable::Ready)) {
            let instance = |claim: &Claim| claim.instance.clone().with_draining(claim.usable == Usable::Draining);
            return Found::Set(best(family).map(instance).collect());
        }
        if let Some(family) = families().find(|family| !family.is_empty()) {
            return Found::Set(best(family).map(|claim| claim.instance.clone()).collect());
        }
        match self.slices.values().find_map(|slice| slice.other_ports.as_ref()) {
            Some(others) => Found::NoPort(others.clone()),
            None => Found::NoEndpoint,
        }
    }

    fn read(&self, object: &Object) -> Slice {
        let endpoints = object.endpoints.as_deref().unwrap_or_default();
        let ports = object.ports.as_deref().unwrap_or_default();
        let Some(port) = self.port.choose(ports) else {
            return Slice { claims: Vec::new(), other_ports: (!endpoints.is_empty()).then(|| listed(ports)) };
        };
        let mut zones = Zones::default();
        let mut claims: Vec<_> = endpoints.iter().filter_map(|endpoint| claim(endpoint, port, &mut zones)).collect();
        // One that is there twice in one slice is one.
        claims.sort_by(|a, b| a.name.cmp(&b.name).then(b.usable.cmp(&a.usable)));
        claims.dedup_by(|later, first| later.name == first.name);
        Slice { claims, other_ports: None }
    }
}

fn best(family: &Family) -> impl Iterator<Item = &Claim> {
    family.values().filter_map(|claims| claims.first())
}

/// `None` for an endpoint that is not to be used, and for one whose address is a name.
fn claim(endpoint: &Endpoint, port: u16, zones: &mut Zones) -> Option<Claim> {
    let usable = endpoint.conditions.unwrap_or_default().usable()?;
    // What further addresses would mean is not defined.
    let address = endpoint.addresses.as_deref()?.first()?.parse::<IpAddr>().ok()?.to_canonical();
    let name: Arc<str> = SocketAddr::new(address, port).to_string().into();
    let mut instance = FoundInstance::new(Arc::clone(&name));
    if let Some(zone) = endpoint.zone.as_deref().filter(|zone| !zone.is_empty()) {
        instance = instance.with_zone(zones.shared(zone));
    }
    Some(Claim { name, instance, usable, is_ipv4: address.is_ipv4() })
}

/// The zones of a slice, each text once: there are few.
#[derive(Default)]
struct Zones(Vec<Arc<str>>);

impl Zones {
    fn shared(&mut self, zone: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *zone) {
            return Arc::clone(known);
        }
        let new: Arc<str> = zone.into();
        if self.0.len() < 16 {
            self.0.push(Arc::clone(&new));
        }
        new
    }
}

fn listed(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "no port".to_owned();
    }
    let mut text = String::new();
    for (at, port) in ports.iter().take(MOST_PORTS_SHOWN).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(text, "{comma}{}", Shown(port));
    }
    text
}

#[cfg(test)]
mod tests;
