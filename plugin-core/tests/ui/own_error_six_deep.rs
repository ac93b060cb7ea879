//! An error type without `From<Rejected>` under six layers.

use std::time::Duration;

use plugin_core::{Call, check, deadline::{AttemptTimeoutLayer, DeadlineLayer}, Reply};
use plugin_telemetry::TelemetryLayer;
use tower::{ServiceBuilder, service_fn};

#[derive(Debug)]
struct OwnError;

async fn plugin(_: Call<()>) -> Result<Reply<()>, OwnError> {
    Ok(Reply::new(()))
}

fn main() {
    let stack = ServiceBuilder::new()
        .layer(TelemetryLayer::for_plugin("demo"))
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(TelemetryLayer::for_plugin("within the deadline"))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(10)))
        .layer(TelemetryLayer::for_plugin("one attempt"))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(1)))
        .service(service_fn(plugin));
    let _ = check::<Call<()>, _>(stack);
}
