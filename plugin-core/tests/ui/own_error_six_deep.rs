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
        .layer(TelemetryLayer::new("demo").for_calls())
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(TelemetryLayer::new("within the deadline").for_calls())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(10)))
        .layer(TelemetryLayer::new("one attempt").for_calls())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(1)))
        .service(service_fn(plugin));
    let _ = check::<Call<()>, _>(stack);
}
