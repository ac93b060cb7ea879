//! The fuzz targets of what is read from an API server, and of the configuration of `kubectl`.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;

use super::{
    IpPreference, KubernetesPort, kubeconfig,
    lines::Lines,
    object::{Event, Object},
    slices::{Found, Slices},
};

/// Events that come in pieces make the same set as at once, whatever they say; the set is that of the slices as they are in the
/// end, in order, and each name is there once.
pub fn kubernetes_watch(bytes: &[u8]) {
    let (Some(at_once), Some(in_pieces)) = (taken_in(bytes, bytes.len()), taken_in(bytes, 7)) else { return };
    assert_eq!(at_once.0.found(), in_pieces.0.found());
    let mut anew = Slices::new(KubernetesPort::Only, IpPreference::V4First);
    for object in at_once.1.values() {
        anew.apply(object).expect("no more than before");
    }
    let names = |slices: &Slices| match slices.found() {
        Found::Set(set) => set.iter().map(|found| (found.name().to_owned(), found.is_draining())).collect(),
        _ => Vec::new(),
    };
    let found = names(&at_once.0);
    assert_eq!(found, names(&anew));
    assert!(found.is_sorted() && found.windows(2).all(|two| two[0].0 != two[1].0), "{found:?}");
}

/// The slices after these lines, and the objects that are there in the end. `None` where a line is none.
fn taken_in(bytes: &[u8], size: usize) -> Option<(Slices, BTreeMap<String, Object>)> {
    let mut slices = Slices::new(KubernetesPort::Only, IpPreference::V4First);
    let (mut lines, mut objects) = (Lines::default(), BTreeMap::new());
    for piece in bytes.chunks(size.max(1)) {
        lines.push(Bytes::copy_from_slice(piece));
        while let Some(line) = lines.next().ok()? {
            let event: Event = serde_json::from_slice(&line).ok()?;
            let Some(name) = event.object.metadata.name.clone() else { continue };
            if event.kind == "DELETED" {
                assert_eq!(slices.remove(&name), objects.remove(&name).is_some());
            } else {
                slices.apply(&event.object).ok()?;
                objects.insert(name, event.object);
            }
        }
    }
    Some((slices, objects))
}

/// What is read says where to, and what is not says why, on one line and in bounds.
pub fn kubeconfig(bytes: &[u8]) {
    match kubeconfig::resolve(bytes, Path::new("/no/such/directory"), None) {
        Ok(access) => assert!(!access.server.host.is_empty()),
        Err(problem) => assert!(!problem.is_empty()),
    }
}

#[cfg(test)]
fuzz_twins::twins!(kubeconfig, kubernetes_watch);
