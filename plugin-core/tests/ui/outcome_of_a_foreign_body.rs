//! A response whose body cannot be rebuilt.

use http::{Request, Response};
use plugin_core::{AtEnd, BoxError, ByHttpStatus, check};
use plugin_telemetry::TelemetryLayer;
use tower::{Layer, service_fn};

fn main() {
    let layer = TelemetryLayer::new("site").classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
    let stack = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::new())) }));
    let _ = check::<Request<()>, _>(stack);
}
