//! The gate that reads the health of what is behind it.

use std::sync::Arc;

use plugin_core::{HealthCell, HealthState, HealthStatus, PluginError, Rejected};
use plugin_health::{HealthGateConfig, HealthGateLayer};
use tower::Layer;

use super::{
    GroupEntry,
    payload::{bare_rows, layer_rows},
};
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "health",
    about: "The gate over a cell that nobody writes to meanwhile. No peer has such a layer.",
    peers: &[],
    rows,
};

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    let in_state = |state| {
        HealthGateLayer::sharing(HealthGateConfig::default(), &Arc::new(HealthCell::new(HealthStatus::new(state, ""))))
    };
    group.service("bare service", bare, || 1_u64);
    group.service("HealthGateLayer, healthy", in_state(HealthState::Healthy).layer(bare), || 1_u64);
    group.service("HealthGateLayer, disabled", HealthGateLayer::disabled().layer(bare), || 1_u64);
    group.refusal("HealthGateLayer, offline", in_state(HealthState::Offline).layer(echo::<Rejected>()), || 1_u64);
    bare_rows(group);
    layer_rows(group, "HealthGateLayer, healthy", &in_state(HealthState::Healthy));
}
