//! A closure that answers in other types than the service.

use std::time::Duration;

use plugin_core::{Call, PluginError, Rejected, Reply, check, deadline::DeadlineLayer};
use tower::{Layer, service_fn};

fn main() {
    let layer = DeadlineLayer::new(Duration::from_secs(1))
        .reject_with(|_: Rejected| Ok::<Reply<u32>, PluginError>(Reply::new(0)));
    let stack = layer.layer(service_fn(|_: Call<()>| async { Ok::<_, PluginError>(Reply::new("text")) }));
    let _ = check::<Call<()>, _>(stack);
}
