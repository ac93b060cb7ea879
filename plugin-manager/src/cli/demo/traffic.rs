//! Light traffic through the data plane, and a line that sums up.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::telemetry::Status;

use crate::manager::PluginView;

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls one plugin after the other, as any client would, until it is dropped.
pub(super) async fn run(gateway: SocketAddr) {
    const CALLS: [(&str, &str); 3] =
        [("greeter", "\"world\""), ("wordcount", "\"the quick brown fox\""), ("weather", "\"Lisbon\"")];
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut ticks = tokio::time::interval(PAUSE);
    for (plugin, payload) in CALLS.into_iter().cycle() {
        ticks.tick().await;
        let request = Request::post(format!("http://{gateway}/v1/plugins/{plugin}"));
        let request = request.header("content-type", "application/json");
        let Ok(request) = request.body(Full::new(Bytes::from_static(payload.as_bytes()))) else { return };
        // Errors are what the demo is about; the summary and the log tell of them.
        if let Ok(response) = client.request(request).await {
            let _ = response.into_body().collect().await;
        }
    }
}

/// What each plugin has done so far.
pub(super) fn summary(plugins: &[PluginView]) -> String {
    let told: Vec<_> = plugins.iter().map(of_plugin).collect();
    told.join("   ")
}

fn of_plugin(plugin: &PluginView) -> String {
    let calls = plugin.telemetry.as_ref().map(|calls| calls.snapshot());
    let count = |status| calls.as_ref().map_or(0, |calls| calls.ended(status));
    let breaker = plugin.controls.breaker.as_ref().map_or("-", |breaker| breaker.state().as_str());
    let restarts = plugin
        .controls
        .process
        .as_ref()
        .map_or_else(String::new, |process| format!(" restarts {}", process.stats().restarts));
    format!(
        "{}: {} ok, {} failed, {} refused, breaker {breaker}{restarts}",
        plugin.name,
        count(Status::Success),
        count(Status::Failure),
        count(Status::Refused),
    )
}
