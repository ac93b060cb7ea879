//! A request that carries no deadline.

use std::time::Duration;

use plugin_core::{BoxError, check, deadline::DeadlineLayer};
use tower::{Layer, service_fn};

fn main() {
    let stack = DeadlineLayer::new(Duration::from_secs(1))
        .layer(service_fn(|name: String| async move { Ok::<_, BoxError>(name) }));
    let _ = check::<String, _>(stack);
}
