//! Balancers beside their peers, and what ejection adds to a call that succeeds.

use std::{cell::Cell, convert::Infallible, net::SocketAddr};

use pingora_ketama::{Bucket, Continuum};
use plugin_core::PluginError;
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, OutlierConfig, Strategy, SuccessRate};
use tower::balance::p2c;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::{Layer, Service, ServiceExt};
use tower_resilience_outlier::{OutlierDetectionLayer, OutlierDetector};

use super::GroupEntry;
use crate::harness::{Echo, Group, call_now, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "peers-of-balance",
    about: "Balancers beside their peers, over so many instances that answer at once. Ours, and pingora's ring, are shared by \
            both threads; tower's balancers cannot be shared without a buffer and its task, so each thread has one of its \
            own. The buffer has one thread, on which its task runs too.",
    peers: &["tower", "pingora-ketama", "tower-resilience-outlier"],
    rows,
};

const SIZES: [usize; 3] = [10, 100, 1000];

fn rows(group: &mut Group) {
    group.service("bare service", echo::<PluginError>(), || 1_u64);
    buffered(group);
    ejecting(group);
    by_key(group);
    group.note(
        "A row `by key` looks a key up that is another one in each call; ours also counts the call in flight until it is \
         done, and keeps statistics. pingora-ketama is the ring that pingora-load-balancing picks by. That crate itself is \
         left out: it depends on `serde_yaml`, which is deprecated and banned here, and on what is under CC0.",
    );
}

fn config(strategy: Strategy, outlier: impl Into<Option<OutlierConfig>>) -> BalanceConfig {
    BalanceConfig::builder().with_strategy(strategy).with_outlier(outlier).build().expect("valid")
}

fn over(config: BalanceConfig, instances: usize) -> Balance<Echo<PluginError>> {
    let endpoints = (0..instances).map(|index| Endpoint::new(format!("instance-{index}"), echo::<PluginError>()));
    Balance::new(config, endpoints).expect("distinct names")
}

fn p2c_over<S>(
    services: impl Iterator<Item = S>,
) -> impl Service<u64, Response = u64, Error = tower::BoxError, Future: Send> + Send + 'static
where
    S: Service<u64, Response = u64, Error: Into<tower::BoxError>> + Send + 'static,
    S::Future: Send,
{
    let loads: Vec<_> = services.map(|service| PendingRequests::new(service, CompleteOnResponse::default())).collect();
    p2c::Balance::new(ServiceList::new::<u64>(loads))
}

/// tower's balancer as it has to stand where it is shared.
fn buffered(group: &mut Group) {
    for instances in SIZES {
        group.case(format!("tower p2c, {instances}"), move || {
            let mut balance = p2c_over((0..instances).map(|_| echo::<Infallible>()));
            move || answer(call_now(&mut balance, 1_u64))
        });
        group
            .case(format!("tower p2c behind Buffer, {instances}"), move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                let balance = p2c_over((0..instances).map(|_| echo::<Infallible>()));
                let mut buffer = runtime.block_on(async { Buffer::new(balance, 1024) });
                move || runtime.block_on(async { answer(buffer.ready().await.expect("open").call(1_u64).await) })
            })
            .one_thread();
        for strategy in [Strategy::RoundRobin, Strategy::Random, Strategy::P2c, Strategy::LeastRequest] {
            let name = format!("{strategy}, {instances}");
            let peer = format!("tower p2c behind Buffer, {instances}");
            group.service(name, over(config(strategy, None), instances), || 1_u64).against(peer);
        }
    }
}

fn answer<E>(result: Result<u64, E>) -> u64 {
    result.unwrap_or_else(|_| panic!("an echo"))
}

/// What it costs a call that succeeds that instances may be ejected.
fn ejecting(group: &mut Group) {
    let outlier = OutlierConfig::builder().with_success_rate(SuccessRate::default()).build().expect("valid");
    group.case("tower p2c, each in tower-resilience outlier, 10", || {
        let detector = OutlierDetector::new().max_ejection_percent(10);
        let instance = move |index: usize| {
            let name = format!("instance-{index}");
            detector.register(&name, 5);
            let builder = OutlierDetectionLayer::builder().detector(detector.clone()).instance_name(name);
            builder.build().expect("complete").layer(echo::<Infallible>())
        };
        let mut balance = p2c_over((0..10).map(instance));
        move || answer(call_now(&mut balance, 1_u64))
    });
    for strategy in [Strategy::RoundRobin, Strategy::P2c] {
        let name = format!("{strategy} with ejection, 10");
        group.service(name, over(config(strategy, outlier), 10), || 1_u64).against(format!("{strategy}, 10"));
    }
    group
        .service("p2c with ejection, 10, beside it", over(config(Strategy::P2c, outlier), 10), || 1_u64)
        .against("tower p2c, each in tower-resilience outlier, 10");
}

thread_local!(static KEY: Cell<u64> = const { Cell::new(0) });

/// Another one each time.
fn key() -> u64 {
    let key = KEY.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    KEY.set(key);
    key
}

fn by_key(group: &mut Group) {
    for instances in SIZES {
        let peer = format!("pingora ketama by key, {instances}");
        group.shared(peer.clone(), ketama(instances), |ring: &Continuum| ring.node(&key().to_le_bytes()));
        for strategy in [Strategy::ConsistentHash, Strategy::Maglev] {
            let balance = over(config(strategy, None), instances);
            let pick = |handle: &BalanceHandle<_>| {
                handle.pick(&Hints::new().with_affinity(key())).expect("there is one").succeeded();
            };
            group
                .shared(format!("{strategy} by key, pick and guard, {instances}"), balance.handle(), pick)
                .against(peer.clone());
            let by_key =
                over(config(strategy, None), instances).hints_with(|key: &u64| Hints::new().with_affinity(*key));
            group.service(format!("{strategy} by key, {instances}"), by_key, key).against(peer.clone());
        }
    }
}

fn ketama(instances: usize) -> Continuum {
    let bucket = |index: usize| {
        let [high, low] = u16::try_from(index).expect("few").to_be_bytes();
        Bucket::new(SocketAddr::from(([10, 0, high, low], 80)), 1)
    };
    Continuum::new(&(0..instances).map(bucket).collect::<Vec<_>>())
}
