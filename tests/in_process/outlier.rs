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
