//! An application that keeps its plugins by name, without a configuration file: it registers a stack of its own, calls
//! it, takes it out while a call runs, and shuts down.

use std::time::Duration;

use plugin_breaker::CircuitBreakerLayer;
use plugin_core::{BoxError, Call, PluginError, Reply, deadline::DeadlineLayer};
use plugin_manager::manager::Manager;
use plugin_retry::RetryLayer;
use plugin_transports::inproc;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let limit = Duration::from_secs(5);
    let greeter = inproc::plugin_fn(|call: Call<String>| async move {
        Ok::<_, PluginError>(Reply::new(format!("hello {}", call.payload())))
    });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(limit))
        .layer(RetryLayer::default())
        .layer(CircuitBreakerLayer::default())
        .service(greeter);

    let manager: Manager<String, String> = Manager::new();
    manager.register("greeter", stack.clone())?;
    manager.register("other", stack)?;
    let greet = |name: &str| manager.execute("greeter", name.to_owned());
    println!("{}", greet("world").await?.payload());

    // What runs when a plugin is drained may end, what comes later is refused, and no other plugin notices.
    let early = greet("early");
    let (drained, early, late, other) =
        tokio::join!(manager.unregister_gracefully("greeter", limit), early, async { greet("late").await }, async {
            manager.execute("other", "others".to_owned()).await
        },);
    println!("{}", early?.payload());
    match late {
        Ok(reply) => println!("{}", reply.payload()),
        Err(error) => println!("{error}"),
    }
    println!("{}", other?.payload());
    println!("drained: {}", drained?.is_clean());

    for report in manager.shutdown(limit).await {
        println!("{} closed: {}", report.name, report.is_clean());
    }
    Ok(())
}
