//! Zones, spill-over and panic, out of a configuration and behind a gateway on real sockets: who takes the calls, and what an
//! operator sees of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::StatusCode;
use plugin_manager::launch::Factories;
use serde_json::Value;

use crate::one_plugin::{LIMIT, OnePlugin};

/// A plugin whose health a test decides, and that counts its calls.
#[derive(Clone, Default)]
struct Instance {
    is_down: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
}

impl Instance {
    async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (is_down, calls) = (Arc::clone(&self.is_down), Arc::clone(&self.calls));
        let health = move || async move {
            if is_down.load(Ordering::SeqCst) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        };
        let answer = move |body: Bytes| async move {
            calls.fetch_add(1, Ordering::SeqCst);
            ([("content-type", "application/json")], body)
        };
        let app = Router::new().route("/health", get(health)).fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

struct Rig {
    instances: Vec<Instance>,
    gateway: OnePlugin,
}

impl Rig {
    /// Instances in these zones, under these keys of the balancer.
    async fn start(zones: &[&str], load_balancer: &str) -> Self {
        let instances: Vec<_> = zones.iter().map(|_| Instance::default()).collect();
        let mut places = Vec::new();
        for (instance, zone) in instances.iter().zip(zones) {
            places.push(format!("{{endpoint: 'http://{}/', zone: '{zone}'}}", instance.serve().await));
        }
        let keys = format!(
            "transport: http, health_check: {{interval: 20ms, failure_limit: 1}}, load_balancer: {{{load_balancer}}}, \
             instances: [{}]",
            places.join(", ")
        );
        Self { instances, gateway: OnePlugin::of(&keys, "", &Factories::new()).await }
    }

    /// Waits until checks have found so many up.
    async fn until_up(&self, up: usize) -> Value {
        let found = async {
            loop {
                let detail = self.gateway.detail().await;
                let instances = detail["instances"].as_array().expect("a list");
                let is = |state: &str| instances.iter().filter(|instance| instance["health"] == state).count();
                if is("healthy") == up && is("offline") == instances.len() - up {
                    return detail;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, found).await.expect("checks see it")
    }

    /// How many of so many calls each instance has.
    async fn calls(&self, calls: u64) -> Vec<u64> {
        let totals = || self.instances.iter().map(|instance| instance.calls.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = totals();
        for _ in 0..calls {
            assert_eq!(self.gateway.call("{}", &[]).await.status, StatusCode::OK);
        }
        totals().iter().zip(before).map(|(after, before)| after - before).collect()
    }
}

#[tokio::test]
async fn calls_stay_in_the_zone_until_it_cannot_take_them_and_an_operator_sees_where_they_go() {
    let rig = Rig::start(&["north", "north", "south"], "zone: north").await;
    rig.until_up(3).await;
    let calls = rig.calls(40).await;
    assert!(calls[2] == 0 && calls[..2].iter().all(|calls| *calls >= 10), "{calls:?}");
    rig.instances[0].set_down(true);
    let detail = rig.until_up(2).await;
    let [near, far] = &detail["tiers"].as_array().expect("two")[..] else { panic!("{detail}") };
    assert_eq!((&near["near"], &near["up"], &near["share_percent"]), (&true.into(), &1.into(), &70.0.into()));
    assert_eq!((&far["near"], &far["up"], &far["share_percent"]), (&false.into(), &1.into(), &30.0.into()));
    let calls = rig.calls(300).await;
    assert!(calls[0] == 0 && (45..135).contains(&calls[2]), "three of ten go on: {calls:?}");
    rig.instances[1].set_down(true);
    rig.until_up(1).await;
    assert_eq!(rig.calls(20).await, [0, 0, 20]);
}

#[tokio::test]
async fn in_panic_all_take_calls_and_the_metrics_say_so() {
    let rig = Rig::start(&["a", "b", "c", "d"], "panic_threshold: 0.5").await;
    rig.until_up(4).await;
    let says = "plugin_balancer_in_panic{plugin=\"work\"}";
    rig.instances[0].set_down(true);
    rig.instances[1].set_down(true);
    rig.until_up(2).await;
    let calls = rig.calls(20).await;
    assert!(calls[..2] == [0, 0] && calls[2..].iter().all(|calls| *calls >= 5), "{calls:?}");
    assert!(rig.gateway.admin("/metrics").await.contains(&format!("{says} 0")));
    rig.instances[2].set_down(true);
    let detail = rig.until_up(1).await;
    assert_eq!(detail["tiers"][0]["in_panic"], true, "{detail}");
    let calls = rig.calls(40).await;
    assert!(calls.iter().all(|calls| *calls >= 5), "all of them, up or down: {calls:?}");
    assert!(rig.gateway.admin("/metrics").await.contains(&format!("{says} 1")));
    rig.instances[3].set_down(true);
    rig.until_up(0).await;
    let calls = rig.calls(40).await;
    assert!(calls.iter().all(|calls| *calls >= 5), "the gate of the plugin leaves it to the balancer: {calls:?}");
}

#[tokio::test]
async fn without_a_threshold_a_plugin_of_which_nobody_is_up_is_refused_by_its_gate() {
    let rig = Rig::start(&["a", "b"], "strategy: random").await;
    rig.instances.iter().for_each(|instance| instance.set_down(true));
    rig.until_up(0).await;
    let answer = rig.gateway.call("{}", &[]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "HEALTH_1601"));
}
