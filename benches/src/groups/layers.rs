//! The layers that have no group of their own, each alone.

use std::time::Duration;

use plugin_core::{
    PluginError,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::TelemetryLayer;
use tower::Layer;

use super::{
    GroupEntry,
    payload::{bare_rows, fixed, layer_rows, repeatable},
};
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "layers",
    about: "Telemetry, deadline and limit of an attempt, each alone on a service that answers at once. Nobody subscribes to spans. \
            A limit arms its timer when a call is pending, so only the rows that are pending once have one.",
    peers: &[],
    rows,
};

/// Longer than a call takes.
const LONG: Duration = Duration::from_secs(30);

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    let request = || repeatable(fixed());
    let telemetry = TelemetryLayer::new("echo").for_calls();
    let (deadline, attempt) = (DeadlineLayer::new(LONG), AttemptTimeoutLayer::new(LONG));
    group.service("bare service", bare, request);
    group.service("TelemetryLayer", telemetry.layer(bare), request);
    group.service("DeadlineLayer", deadline.layer(bare), request);
    group.service("AttemptTimeoutLayer", attempt.layer(bare), request);
    bare_rows(group);
    layer_rows(group, "TelemetryLayer", &telemetry);
    layer_rows(group, "DeadlineLayer", &deadline);
    layer_rows(group, "AttemptTimeoutLayer", &attempt);
}
