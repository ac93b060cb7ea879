//! The public items of a library, read from what rustdoc writes as JSON.
//!
//! Only names and kinds are read: the format changes from one toolchain to the next, and these have not for years.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde_json::Value;

/// What a library offers.
#[derive(Debug)]
pub(super) struct Listing {
    /// One line an item, in the order of the alphabet: its kind and its shortest path. What is hidden from the pages is
    /// there too, for a program can use it all the same. A second path of an item is a line of its own, `use`.
    pub(super) lines: BTreeSet<String>,
    /// The shortest path of each, by its number: what stands in a module, and modules.
    pub(super) paths: HashMap<String, String>,
}

/// Walks through all that a program can name.
///
/// # Errors
///
/// What is not as rustdoc writes it.
pub(super) fn list(krate: &Value) -> Result<Listing, String> {
    let items = Items(krate.get("index").ok_or("there is no `index`")?);
    let root = krate.get("root").ok_or("there is no `root`")?;
    let name = items.get(root)?.get("name").and_then(Value::as_str).ok_or("the library has no name")?;
    let mut walk = Walk { items, first: HashMap::new(), lines: BTreeSet::new() };
    walk.modules(root, name)?;
    Ok(Listing { lines: walk.lines, paths: walk.first })
}

/// All items by their number.
#[derive(Debug, Clone, Copy)]
struct Items<'a>(&'a Value);

impl<'a> Items<'a> {
    fn find(self, id: &Value) -> Option<&'a Value> {
        self.0.get(id.to_string().trim_matches('"'))
    }

    fn get(self, id: &Value) -> Result<&'a Value, String> {
        self.find(id).ok_or_else(|| format!("item {id} is named and not there"))
    }
}

/// The word for what an item is, and what it has.
fn inner(item: &Value) -> Result<(&str, &Value), String> {
    let inner = item.get("inner").and_then(Value::as_object).and_then(|inner| inner.iter().next());
    inner.map(|(kind, inner)| (kind.as_str(), inner)).ok_or_else(|| format!("{item} has no `inner`"))
}

fn ids<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter(|id| !id.is_null())
}

/// Items of a trait or an enumeration are as public as that itself.
fn is_public(item: &Value) -> bool {
    matches!(item.get("visibility").and_then(Value::as_str), Some("public" | "default"))
}

/// What is to be looked at, and under which path.
type Todo<'a> = VecDeque<(&'a Value, String)>;

#[derive(Debug)]
struct Walk<'a> {
    items: Items<'a>,
    /// The path under which an item was listed.
    first: HashMap<String, String>,
    lines: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    /// Breadth first, so that the shortest path of each item comes first.
    fn modules(&mut self, root: &'a Value, name: &str) -> Result<(), String> {
        let mut todo = VecDeque::from([(root, name.to_owned())]);
        while let Some((id, path)) = todo.pop_front() {
            let item = self.items.get(id)?;
            let (kind, has) = inner(item)?;
            if let Some(first) = self.first.get(&id.to_string()) {
                if *first != path {
                    self.lines.insert(format!("use {path}"));
                }
                continue;
            }
            self.first.insert(id.to_string(), path.clone());
            self.lines.insert(format!("{} {path}", word(kind)));
            if kind == "module" {
                self.within(has, &path, &mut todo)?;
            } else {
                self.members(has, &path)?;
            }
        }
        Ok(())
    }

    /// What a module has: each under its own name, and what a `use` names under the name that it gives.
    fn within(&mut self, module: &'a Value, path: &str, todo: &mut Todo<'a>) -> Result<(), String> {
        for id in ids(module, "items") {
            let item = self.items.get(id)?;
            if !is_public(item) {
                continue;
            }
            let (kind, has) = inner(item)?;
            if kind == "use" {
                self.named_again(has, path, todo)?;
            } else if let Some(name) = item.get("name").and_then(Value::as_str) {
                todo.push_back((id, format!("{path}::{name}")));
            }
        }
        Ok(())
    }

    /// Follows a `use`. What it names may belong to another crate, and is one line then.
    fn named_again(&mut self, has: &'a Value, path: &str, todo: &mut Todo<'a>) -> Result<(), String> {
        let name = match has.get("is_glob") {
            Some(Value::Bool(true)) => "*",
            _ => has.get("name").and_then(Value::as_str).ok_or("a `use` has no name")?,
        };
        match has.get("id").and_then(|id| Some((id, self.items.find(id)?))) {
            Some((_, module)) if name == "*" => self.within(inner(module)?.1, path, todo),
            Some((id, _)) => {
                todo.push_back((id, format!("{path}::{name}")));
                Ok(())
            }
            None => {
                let source = has.get("source").and_then(Value::as_str).unwrap_or_default();
                self.lines.insert(format!("use {path}::{name} = {source}"));
                Ok(())
            }
        }
    }

    /// Fields, variants, the items of a trait, and what inherent `impl`s have.
    fn members(&mut self, has: &'a Value, path: &str) -> Result<(), String> {
        let fields = has.pointer("/kind/plain").map(|plain| ids(plain, "fields"));
        let tuple = has.pointer("/kind").map(|kind| ids(kind, "tuple"));
        let owned = fields.into_iter().flatten().chain(tuple.into_iter().flatten());
        for id in owned.chain(ids(has, "variants")).chain(ids(has, "items")) {
            self.member(id, path)?;
        }
        for id in ids(has, "impls") {
            let Some(item) = self.items.find(id) else { continue };
            let (_, has) = inner(item)?;
            if has.get("trait").is_some_and(Value::is_null) {
                ids(has, "items").try_for_each(|id| self.member(id, path))?;
            }
        }
        Ok(())
    }

    fn member(&mut self, id: &'a Value, path: &str) -> Result<(), String> {
        let item = self.items.get(id)?;
        if !is_public(item) {
            return Ok(());
        }
        let (kind, has) = inner(item)?;
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        let path = format!("{path}::{name}");
        self.lines.insert(format!("{} {path}", word(kind)));
        if kind == "variant" { self.members(has, &path) } else { Ok(()) }
    }
}

/// As a program writes it.
fn word(kind: &str) -> &str {
    match kind {
        "module" => "mod",
        "function" => "fn",
        "constant" | "assoc_const" => "const",
        "struct_field" => "field",
        "type_alias" | "assoc_type" => "type",
        "proc_macro" | "macro" => "macro",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(name: &str, visibility: &str, inner: Value) -> Value {
        json!({"name": name, "visibility": visibility, "inner": inner})
    }

    #[test]
    fn items_are_listed_under_their_shortest_path_with_what_they_have() {
        let krate = json!({"root": 0, "index": {
            "0": item("it", "public", json!({"module": {"items": [1, 2, 3, 9]}})),
            "1": item("deep", "public", json!({"module": {"items": [4]}})),
            "2": {"name": null, "visibility": "public", "inner": {"use": {"name": "Layer", "id": 4, "is_glob": false}}},
            "3": {"name": null, "visibility": "public",
                  "inner": {"use": {"name": "core", "id": 77, "source": "core_of_it", "is_glob": false}}},
            "4": item("Layer", "public", json!({"struct": {"kind": {"plain": {"fields": [5]}}, "impls": [7]}})),
            "5": item("open", "public", json!({"struct_field": {}})),
            "7": {"name": null, "visibility": "default", "inner": {"impl": {"trait": null, "items": [8]}}},
            "8": item("new", "public", json!({"function": {}})),
            "9": item("inside", "crate", json!({"function": {}})),
        }});
        let lines: Vec<String> = list(&krate).unwrap().lines.into_iter().collect();
        let expected = [
            "field it::Layer::open",
            "fn it::Layer::new",
            "mod it",
            "mod it::deep",
            "struct it::Layer",
            "use it::core = core_of_it",
            "use it::deep::Layer",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let krate = json!({"root": 0, "index": {"0": item("it", "public", json!({"module": {"items": [1]}}))}});
        assert_eq!(list(&krate).unwrap_err(), "item 1 is named and not there");
    }
}
