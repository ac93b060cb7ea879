//! Light traffic through the data plane, and a line that sums up.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_telemetry::Status;

use crate::{cli::columns, manager::PluginView};

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls one plugin after the other, as any client would, until it is dropped.
pub(super) async fn run(gateway: SocketAddr) {
    const CALLS: [(&str, &str); 5] = [
        ("greeter", "\"world\""),
        ("wordcount", "\"the quick brown fox\""),
        ("weather", "\"Lisbon\""),
        ("fahrenheit", "21.5"),
        ("reverse", "\"stressed\""),
    ];
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

/// What each plugin has done so far: a row for each.
pub(super) fn summary(plugins: &[PluginView]) -> String {
    let rows: Vec<_> = plugins.iter().map(row).collect();
    columns(["PLUGIN", "OK", "FAILED", "REFUSED", "BREAKER", "PID", "RESTARTS"], &rows)
}

fn row(plugin: &PluginView) -> [String; 7] {
    let calls = plugin.telemetry.as_ref().map(|calls| calls.stats());
    let count = |status| calls.as_ref().map_or(0, |calls| calls.ended(status)).to_string();
    let process = plugin.controls.process.as_ref();
    let none = || "-".to_owned();
    [
        plugin.name.clone(),
        count(Status::Success),
        count(Status::Failure),
        count(Status::Refused),
        plugin.controls.breaker.as_ref().map_or_else(none, |breaker| breaker.state().as_str().to_owned()),
        process.and_then(|process| process.pid()).map_or_else(none, |pid| pid.to_string()),
        process.map_or_else(none, |process| process.stats().restarts.to_string()),
    ]
}
