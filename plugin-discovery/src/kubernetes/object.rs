//! What the API server writes, as far as it is read here: lists of EndpointSlices, events of a watch, and statuses.
//!
//! Everything is optional, as it is in Kubernetes, and what is not named here is skipped without being kept.

use serde::Deserialize;

/// `EndpointSliceList`, of which one page is an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct List {
    pub(super) metadata: Metadata,
    pub(super) items: Option<Vec<Object>>,
}

/// One line of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) object: Object,
}

/// An `EndpointSlice`, or the `Status` that stands in its place in an event of the type `ERROR` and in a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    pub(super) ports: Option<Vec<Port>>,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    /// Of a `Status` alone, as are the next two.
    pub(super) code: Option<u16>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) resource_version: Option<String>,
    /// Of a list: where its next page begins. Absent or empty on the last.
    #[serde(rename = "continue")]
    pub(super) next_page: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Port {
    pub(super) name: Option<String>,
    /// No number stands for all ports.
    pub(super) port: Option<u16>,
    /// TCP where it is absent.
    pub(super) protocol: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) addresses: Option<Vec<String>>,
    pub(super) conditions: Option<Conditions>,
    pub(super) zone: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

/// How an endpoint may be used. What is listed later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Usable {
    /// It ends, and still answers: for calls that have nowhere else to go.
    Draining,
    Ready,
}

impl Conditions {
    /// `None` for an endpoint that is not to be used. What is absent is ready, serves, and does not end.
    ///
    /// One that is said to be ready is, also while it ends: so it is with a Service that publishes addresses which are not
    /// ready (`publishNotReadyAddresses`), and kube-proxy reads it so.
    pub(super) fn usable(self) -> Option<Usable> {
        if self.ready.unwrap_or(true) {
            return Some(Usable::Ready);
        }
        let drains = self.terminating.unwrap_or(false) && self.serving.unwrap_or(true);
        drains.then_some(Usable::Draining)
    }
}

impl Object {
    /// Whether this status says that what was asked for is too old to be had: the one answer is to list again.
    pub(super) fn is_gone(&self) -> bool {
        self.code == Some(410) || matches!(self.reason.as_deref(), Some("Expired" | "Gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_leaves_out_is_ready_serves_and_does_not_end() {
        let usable = |json: &str| serde_json::from_str::<Conditions>(json).expect("conditions").usable();
        assert_eq!(usable("{}"), Some(Usable::Ready));
        assert_eq!(usable(r#"{"ready": null, "terminating": null}"#), Some(Usable::Ready));
        assert_eq!(usable(r#"{"ready": false}"#), None, "one that is not ready does not end");
        assert_eq!(usable(r#"{"ready": false, "serving": true, "terminating": false}"#), None);
        assert_eq!(usable(r#"{"ready": false, "serving": true, "terminating": true}"#), Some(Usable::Draining));
        assert_eq!(usable(r#"{"ready": false, "terminating": true}"#), Some(Usable::Draining));
        assert_eq!(usable(r#"{"ready": false, "serving": false, "terminating": true}"#), None);
        assert_eq!(usable(r#"{"ready": true, "serving": false, "terminating": true}"#), Some(Usable::Ready));
    }

    #[test]
    fn that_a_version_is_gone_is_read_from_the_code_and_from_the_reason() {
        let gone = |json: &str| serde_json::from_str::<Event>(json).expect("an event").object.is_gone();
        assert!(gone(r#"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}"#));
        assert!(gone(r#"{"type": "ERROR", "object": {"reason": "Gone"}}"#));
        assert!(gone(r#"{"type": "ERROR", "object": {"code": 410}}"#));
        assert!(!gone(r#"{"type": "ERROR", "object": {"code": 500, "reason": "InternalError"}}"#));
    }
}
