//! A call by name, through the whole default stack, to a plugin in this process.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use plugin_core::{BoxPlugin, Call, Plugin, PluginError, PluginInfo, PluginInstance, Reply};
use plugin_manager::manager::Manager;
use plugin_manager::stack::{Instance, StackSettings};
use tower::Service;

use super::{
    GroupEntry,
    payload::{BARE_HEAP, BARE_PENDING, fixed, heap},
    stack::plenty,
};
use crate::harness::{Group, PendingOnce, poll_ready_now};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "manager",
    about: "A call by name to a plugin that answers at once. The default stack is telemetry, deadline, rate limit, retry, \
            breaker, health gate, balancer and attempt limit. All but the gate are on, and the rate limit is never reached.",
    peers: &[],
    rows,
};

/// A plugin that gives back its payload.
#[derive(Clone, Copy)]
struct EchoPlugin;

impl Service<Call<Bytes>> for EchoPlugin {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = Ready<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        ready(Ok(Reply::new(call.into_payload())))
    }
}

fn with_settings(settings: StackSettings, plugin: impl Plugin<Bytes, Bytes>) -> Manager<Bytes, Bytes> {
    let manager = Manager::new();
    let instance = Instance::new("only", PluginInstance::new(plugin, PluginInfo::new("echo", "1.0.0")));
    let registration = settings.build("echo", vec![instance]).expect("one instance");
    manager.register_with("echo", registration).expect("a free name");
    manager
}

fn rows(group: &mut Group) {
    group.service("bare service", EchoPlugin, || Call::new(fixed()));
    group.service("bare service, type erased", BoxPlugin::new(EchoPlugin), || Call::new(fixed()));
    let alone = Manager::new();
    alone.register("echo", EchoPlugin).expect("a free name");
    group.always("manager, bare service", alone, |manager| poll_ready_now(manager.execute("echo", fixed())).is_ok());
    let off = StackSettings::default()
        .with_timeout(None)
        .with_attempt_timeout(None)
        .with_retry(None)
        .with_circuit_breaker(None)
        .with_health_check(None);
    group.always("manager, all that can be off is off", with_settings(off, EchoPlugin), |manager| {
        poll_ready_now(manager.execute("echo", fixed())).is_ok()
    });
    // Without regular checks, which would need a runtime; the gate they switch on reads one word (see the group `health`).
    let full = || StackSettings::default().with_rate_limit(plenty()).with_health_check(None);
    group.always("manager, default stack", with_settings(full(), EchoPlugin), |manager| {
        poll_ready_now(manager.execute("echo", fixed())).is_ok()
    });

    group.service(BARE_HEAP, EchoPlugin, || Call::new(heap()));
    group
        .always("manager, default stack, heap payload", with_settings(full(), EchoPlugin), |manager| {
            poll_ready_now(manager.execute("echo", heap())).is_ok()
        })
        .against(BARE_HEAP);
    group.pending_once(BARE_PENDING, PendingOnce(EchoPlugin), || Call::new(fixed()));
    let pending = Arc::new(with_settings(full(), PendingOnce(EchoPlugin)));
    group
        .pending_case("manager, default stack, pending once", move || {
            let manager = Arc::clone(&pending);
            async move || manager.execute("echo", fixed()).await.expect("an echo")
        })
        .against(BARE_PENDING);
    group.aim("manager, default stack", 300.0);
    group.note(
        "The aim is also one allocation, for a call that is ready at once and whose payload is not on the heap, and 1.5x with two \
         threads. The groups `retry` and `balance` show two of the larger shares. A transport that were called \
         by reference would save its slot's lock: two of the atomic operations that `INSTRUCTIONS.md` counts, of 22.",
    );
}
