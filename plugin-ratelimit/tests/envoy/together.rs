//! Several who ask one service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugin_ratelimit::envoy::EnvoyRateLimitLayer;
use tower::Layer;

use crate::{
    inner,
    support::{by_user, call, channel, each_user, patient, serve, server, within, without_refill},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_over_one_server_admit_together_what_one_would() {
    let (address, serving) = serve(server([each_user(without_refill(25))]), None).await;
    let admitted = Arc::new(AtomicU32::new(0));
    let mut callers = Vec::new();
    let layers: Vec<_> = (0..2)
        .map(|_| EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(address), by_user))
        .collect();
    for layer in &layers {
        for _ in 0..20 {
            let (service, admitted) = (layer.layer(inner!()), Arc::clone(&admitted));
            callers.push(tokio::spawn(async move {
                if call(&service, "ann").await.is_none() {
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
    }
    for caller in callers {
        within(caller).await.expect("it ran");
    }
    assert_eq!(admitted.load(Ordering::Relaxed), 25);
    let refused: u64 = layers.iter().map(|layer| layer.handle().stats().refused).sum();
    assert_eq!(refused, 15);
    serving.abort();
}
