//! A classifier of HTTP responses over calls.

use plugin_core::{ByHttpStatus, Call, check, PluginError, Reply};
use plugin_telemetry::TelemetryLayer;
use tower::{Layer, service_fn};

fn main() {
    let layer = TelemetryLayer::new("demo").for_calls().classify(ByHttpStatus::new());
    let stack = layer.layer(service_fn(|_: Call<()>| async { Ok::<_, PluginError>(Reply::new(())) }));
    let _ = check::<Call<()>, _>(stack);
}
