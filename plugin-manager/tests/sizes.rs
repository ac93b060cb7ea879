//! How large the future of a call is: it is allocated for every call, and what it holds was moved there.

use std::future::ready;

use bytes::Bytes;
use plugin_core::{Call, PluginInfo, Reply};
use plugin_manager::{
    manager::Manager,
    stack::{Instance, StackSettings},
};
use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;
use plugin_transports::inproc::{self, plugin_fn};

/// How large the future of a call through this stack is.
fn size_of_call(settings: StackSettings) -> usize {
    let echo = plugin_fn(|call: Call<Bytes>| ready(Ok(Reply::new(call.into_payload()))));
    let instance = Instance::new("only", inproc::instance(echo, PluginInfo::new("echo", "1.0.0")));
    // Without regular checks, which need a runtime.
    let stack = settings.with_health_check(None).build("echo", vec![instance]).expect("one instance");
    let manager = Manager::new();
    manager.register_with("echo", stack).expect("a free name");
    let call = manager.execute("echo", Bytes::from_static(b"hello"));
    size_of_val(&*call)
}

#[test]
fn a_call_through_the_default_stack_takes_at_most_720_bytes() {
    let size = size_of_call(StackSettings::default());
    assert!(size <= 720, "{size} bytes");
}

#[test]
fn a_call_through_a_stack_with_limits_takes_at_most_1000_bytes() {
    let size = size_of_call(StackSettings::default().with_concurrency(ConcurrencyLimitConfig::default()));
    assert!(size <= 1000, "{size} bytes");
}
