//! A call by name, through the whole default stack, to a plugin in this process.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use plugin_core::{BoxPlugin, Call, PluginError, PluginInfo, PluginInstance, Reply};
use plugin_manager::manager::Manager;
use plugin_manager::stack::{Instance, StackSettings};
use tower::Service;

use super::GroupEntry;
use super::stack::plenty;
use crate::harness::{Group, poll_ready_now};

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

fn payload() -> Bytes {
    Bytes::from_static(b"{\"id\":7}")
}

fn with_settings(settings: StackSettings) -> Manager<Bytes, Bytes> {
    let manager = Manager::new();
    let instance = Instance::new("only", PluginInstance::new(EchoPlugin, PluginInfo::new("echo", "1.0.0")));
    let registration = settings.build("echo", vec![instance]).expect("one instance");
    manager.register_with("echo", registration).expect("a free name");
    manager
}

fn rows(group: &mut Group) {
    group.service("bare service", EchoPlugin, || Call::new(payload()));
    group.service("bare service, type erased", BoxPlugin::new(EchoPlugin), || Call::new(payload()));
    let alone = Manager::new();
    alone.register("echo", EchoPlugin).expect("a free name");
    group.shared("manager, bare service", alone, |manager| poll_ready_now(manager.execute("echo", payload())).is_ok());
    let off = StackSettings::default()
        .with_timeout(None)
        .with_attempt_timeout(None)
        .with_retry(None)
        .with_circuit_breaker(None)
        .with_health_check(None);
    group.shared("manager, all that can be off is off", with_settings(off), |manager| {
        poll_ready_now(manager.execute("echo", payload())).is_ok()
    });
    // Without regular checks, which would need a runtime; the gate they switch on reads one word (see the group `health`).
    let full = StackSettings::default().with_rate_limit(plenty()).with_health_check(None);
    group.shared("manager, default stack", with_settings(full), |manager| {
        poll_ready_now(manager.execute("echo", payload())).is_ok()
    });
    group.note(
        "Aim: 300 ns, one allocation and 1.5x with two threads, on a machine whose floors are about 0.6 of this one's. Scaled by \
         them the time is near the aim and not within it. The groups `retry` and `balance` show two of its larger shares.",
    );
}
