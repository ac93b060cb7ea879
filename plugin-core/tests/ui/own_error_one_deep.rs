//! An error type without `From<Rejected>`, called through `tower::Service` itself.

use std::time::Duration;

use plugin_core::{Call, Reply, deadline::DeadlineLayer};
use tower::{Layer, Service, service_fn};

#[derive(Debug)]
struct OwnError;

async fn plugin(_: Call<()>) -> Result<Reply<()>, OwnError> {
    Ok(Reply::new(()))
}

fn main() {
    let mut stack = DeadlineLayer::new(Duration::from_secs(1)).layer(service_fn(plugin));
    let _ = Service::call(&mut stack, Call::new(()));
}
