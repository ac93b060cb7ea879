//! Telemetry for calls, over requests of another type.

use plugin_core::{BoxError, check};
use plugin_telemetry::TelemetryLayer;
use tower::{Layer, service_fn};

fn main() {
    let stack = TelemetryLayer::new("demo").for_calls().layer(service_fn(|_: String| async { Ok::<_, BoxError>(()) }));
    let _ = check::<String, _>(stack);
}
