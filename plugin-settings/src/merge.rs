//! One document over another: `config.production.yaml` over `config.yaml`.

use std::borrow::Cow;
use std::collections::HashMap;

use super::node::{Entry, Node, Value};
use super::path;

/// A list whose items are maps with a name, and which is therefore merged item by item.
///
/// `path` is the config path without indices: `plugins` for the list at the top, `plugins[].instances` for the list in
/// each of its items. `key` is the key that names an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedList<'a> {
    /// Where the list is.
    pub path: &'a str,
    /// The key of each item that holds its name.
    pub key: &'a str,
}

/// Lays `overlay` over `base`, key by key.
///
/// - Maps merge: a key of either is a key of the result, and where both have it, the two values merge.
/// - Everything else is replaced: scalars, lists, and values of two kinds. `null` replaces too, so a key that the overlay
///   sets to null has its default again.
/// - A list that `lists` names merges by name: an item whose name the base has too merges with that item in its place,
///   and the others follow. So an overlay says of one plugin only what differs. An item without a name is kept, for the
///   reader to find fault with.
///
/// Each value keeps the place where it was written. Merge before [`substitute`](super::substitute): a variable that an
/// overlay does away with need not be set.
#[must_use]
pub fn merge(base: Node, overlay: Node, lists: &[NamedList<'_>]) -> Node {
    merge_at("", base, overlay, lists)
}

fn merge_at(path: &str, base: Node, overlay: Node, lists: &[NamedList<'_>]) -> Node {
    let Node { value: below, span: base_span, .. } = base;
    if !matches!((&below, &overlay.value), (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_))) {
        return overlay;
    }
    let Node { value: above, span, .. } = overlay;
    match (below, above) {
        (Value::Map(below), Value::Map(above)) => {
            Node::new(Value::Map(merge_maps(path, below, above, lists)), base_span)
        }
        (Value::List(below), Value::List(above)) => {
            let items = match lists.iter().find(|list| list.path == path) {
                Some(list) => merge_items(path, below, above, list.key, lists),
                None => above,
            };
            Node::new(Value::List(items), span)
        }
        (_, above) => Node::new(above, span),
    }
}

fn merge_maps(path: &str, mut below: Vec<Entry>, above: Vec<Entry>, lists: &[NamedList<'_>]) -> Vec<Entry> {
    let places: HashMap<String, usize> = below.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    for entry in above {
        let Some(old) = places.get(&entry.key).map(|at| &mut below[*at]) else {
            below.push(entry);
            continue;
        };
        let inner = path::join(path, &entry.key);
        old.key_span = entry.key_span;
        old.value = merge_at(&inner, take(&mut old.value), entry.value, lists);
    }
    below
}

fn merge_items(path: &str, mut below: Vec<Node>, above: Vec<Node>, key: &str, lists: &[NamedList<'_>]) -> Vec<Node> {
    let name_of = |item: &Node| item.get(key).and_then(Node::as_text).map(Cow::into_owned);
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, item) in below.iter().enumerate() {
        if let Some(name) = name_of(item) {
            // The first of a name: a second one is a fault, and stays where it is for the reader to find.
            places.entry(name).or_insert(at);
        }
    }
    let inner = format!("{path}[]");
    for item in above {
        // Each item of the base merges once: two of one name in the overlay are a fault that must not vanish.
        match name_of(&item).and_then(|name| places.remove(&name)) {
            Some(at) => below[at] = merge_at(&inner, take(&mut below[at]), item, lists),
            None => below.push(item),
        }
    }
    below
}

fn take(node: &mut Node) -> Node {
    let empty = Node::new(Value::Null, node.span.clone());
    std::mem::replace(node, empty)
}
