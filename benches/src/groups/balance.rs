//! A call through a balancer: pick, guard of the call in flight, slot of the instance, statistics.

use std::convert::Infallible;
use std::time::Duration;

use plugin_core::PluginError;
use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
use tower::balance::p2c;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwma, PendingRequests};

use super::{
    GroupEntry,
    payload::{bare_rows, service_rows},
};
use crate::harness::{Group, PendingOnce, call_now, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "balance",
    about: "A call over so many instances that answer at once: the pick, the guard that counts the call in flight, and \
            the statistics of the instance. Ours is shared by both threads; tower's balancers cannot be shared \
            without a buffer and its task, so each thread has one of its own.",
    peers: &["tower"],
    rows,
};

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    let over = |strategy, instances: usize| {
        let endpoints = (0..instances).map(|index| Endpoint::new(format!("instance-{index}"), echo::<PluginError>()));
        Balance::new(BalanceConfig::new(strategy), endpoints).expect("distinct names")
    };
    group.service("bare service", bare, || 1_u64);
    group.service("one instance", over(Strategy::RoundRobin, 1), || 1_u64);
    for instances in [10, 100, 1000] {
        group.case(format!("tower p2c, {instances}"), move || {
            let services =
                (0..instances).map(|_| PendingRequests::new(echo::<Infallible>(), CompleteOnResponse::default()));
            let mut balance = p2c::Balance::new(ServiceList::new::<u64>(services));
            move || call_now(&mut balance, 1_u64).expect("an echo")
        });
    }
    group.case("tower peak-EWMA, 10", || {
        let services = (0..10).map(|_| {
            let decay = Duration::from_secs(10).as_nanos() as f64;
            PeakEwma::new(echo::<Infallible>(), Duration::from_millis(1), decay, CompleteOnResponse::default())
        });
        let mut balance = p2c::Balance::new(ServiceList::new::<u64>(services));
        move || call_now(&mut balance, 1_u64).expect("an echo")
    });
    for strategy in Strategy::ALL {
        for instances in [10, 100, 1000] {
            let name = format!("{strategy}, {instances}");
            let peer = match (strategy, instances) {
                (Strategy::PeakEwma, 10) => "tower peak-EWMA, 10".to_owned(),
                _ => format!("tower p2c, {instances}"),
            };
            group.service(name, over(*strategy, instances), || 1_u64).against(peer);
        }
    }
    bare_rows(group);
    let one = || Endpoint::new("only", echo::<PluginError>());
    let pending = || Endpoint::new("only", PendingOnce(echo::<PluginError>()));
    let round_robin = || BalanceConfig::new(Strategy::RoundRobin);
    service_rows(
        group,
        "one instance",
        Balance::new(round_robin(), [one()]).expect("one name"),
        Balance::new(round_robin(), [pending()]).expect("one name"),
    );
    group.note(
        "Most of a call over one instance is atomic operations, which `INSTRUCTIONS.md` counts: two of the lease that counts it in \
         flight and keeps the instance alive, two of the lock of the instance's slot. Of up to 32 instances \
         `least-connections` and `least-latency` look at each, and of more at two.",
    );
}
