//! A reply has no body to follow.

use plugin_core::{AtEnd, Call, check, PluginError, Reply};
use plugin_telemetry::TelemetryLayer;
use tower::{Layer, service_fn};

fn main() {
    let layer = TelemetryLayer::new("demo").for_calls().follow::<AtEnd>();
    let stack = layer.layer(service_fn(|_: Call<()>| async { Ok::<_, PluginError>(Reply::new(())) }));
    let _ = check::<Call<()>, _>(stack);
}
