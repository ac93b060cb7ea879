//! An instance that fails while the other does not, behind a gateway on real sockets: it gets no calls, and whoever looks sees why.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use http::StatusCode;
use plugin_manager::launch::Factories;

use crate::one_plugin::OnePlugin;

async fn instance(status: StatusCode) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = move |body: Bytes| async move { (status, [("content-type", "application/json")], body) };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    address
}

#[tokio::test]
async fn an_instance_that_fails_gets_no_calls_and_is_shown_as_ejected() {
    let (good, bad) = (instance(StatusCode::OK).await, instance(StatusCode::INTERNAL_SERVER_ERROR).await);
    let keys = format!(
        "transport: http, retry: {{max_retries: 0}}, circuit_breaker: {{enabled: false}}, health_check: {{enabled: false}}, \
         load_balancer: {{outlier: {{consecutive_failures: 3}}}}, instances: [\
         {{name: good, endpoint: 'http://{good}/'}}, {{name: bad, endpoint: 'http://{bad}/'}}]"
    );
    let gateway = OnePlugin::of(&keys, "", &Factories::new()).await;
    let mut failed = 0;
    for _ in 0..50 {
        failed += usize::from(gateway.call("{}", &[]).await.status != StatusCode::OK);
    }
    assert_eq!(failed, 3, "and then it gets none");
    let detail = gateway.detail().await;
    let of = |name: &str| {
        let instances = detail["instances"].as_array().expect("a list");
        instances.iter().find(|instance| instance["name"] == name).expect(name).clone()
    };
    assert_eq!((&of("bad")["ejections"], &of("good")["ejections"]), (&1.into(), &0.into()), "{detail}");
    assert!(of("bad")["ejected_for"].is_string() && of("good")["ejected_for"].is_null(), "{detail}");
    let metrics = gateway.admin("/metrics").await;
    for line in ["plugin_ejected_instances{plugin=\"work\"} 1", "plugin_ejections_total{plugin=\"work\"} 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// Calls one after the other, and then many at once: how many of each were answered 200, 500 (or as the plugin's failure is told), and
/// refused by the breaker.
#[tokio::test]
async fn the_failures_that_eject_an_instance_do_not_open_the_breaker_of_the_plugin() {
    for balancer in ["strategy: priority", "strategy: round-robin", "strategy: p2c", "strategy: least-connections"] {
        let (good, other) = (instance(StatusCode::OK).await, instance(StatusCode::OK).await);
        let bad = instance(StatusCode::INTERNAL_SERVER_ERROR).await;
        let keys = format!(
            "transport: http, retry: {{max_retries: 0}}, health_check: {{enabled: false}}, \
             load_balancer: {{{balancer}, outlier: {{}}}}, instances: [\
             {{name: good, endpoint: 'http://{good}/'}}, {{name: other, endpoint: 'http://{other}/'}}, \
             {{name: bad, priority: 1, endpoint: 'http://{bad}/'}}]"
        );
        let gateway = OnePlugin::of(&keys, "", &Factories::new()).await;
        let at_once = futures_util::future::join_all((0..30).map(|_| gateway.call("{}", &[]))).await;
        let mut answers: Vec<_> = at_once.into_iter().collect();
        for _ in 0..40 {
            answers.push(gateway.call("{}", &[]).await);
        }
        let refused = answers.iter().filter(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE).count();
        let failed = answers.iter().filter(|answer| answer.status != StatusCode::OK).count();
        assert_eq!(refused, 0, "{balancer}: the breaker stays closed");
        assert!((1..=30).contains(&failed), "{balancer}: {failed}");
        assert_eq!(gateway.detail().await["breaker"], "closed", "{balancer}");
    }
}
