//! The types of the libraries: under which path a program names each, what its page says, and what it can do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::listing;

/// A library and what it offers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Library {
    /// Of the package.
    pub(crate) name: String,
    /// The lines of its list in `docs/api`.
    pub(crate) lines: BTreeSet<String>,
    pub(crate) types: Vec<Type>,
}

/// A struct, an enumeration, a union, a trait, another name for one of them, or a type of another crate that is handed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Type {
    pub(crate) path: String,
    /// What its page says.
    pub(crate) docs: String,
    pub(crate) is_trait: bool,
    /// Left out of the pages.
    pub(crate) is_hidden: bool,
    /// The paths where the traits that it implements are defined.
    traits: BTreeSet<String>,
    /// Where it is defined, which may be a path that no program can name.
    defined: String,
    /// Where that is defined for which this is another name.
    stands_for: Option<String>,
    /// The name of the error with which its `build` fails.
    pub(crate) fails_with: Option<String>,
    /// Functions that it has only where the argument at this place implements this trait.
    conditions: BTreeMap<String, (usize, String)>,
    /// Of another name: where the arguments of the type are defined, by place.
    arguments: Vec<Option<String>>,
}

/// All libraries: a type may be another name for one of its neighbour's.
#[derive(Debug, Default)]
pub(crate) struct Libraries(pub(crate) Vec<Library>);

impl Type {
    /// The last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// A type of another crate, whose own page is elsewhere.
    pub(crate) fn is_handed_on(&self) -> bool {
        self.defined.is_empty()
    }
}

impl Libraries {
    pub(crate) fn types(&self) -> impl Iterator<Item = &Type> {
        self.0.iter().flat_map(|library| &library.types)
    }

    /// Whether a type has a method or an associated function of that name. Of a type of any other crate it is not known.
    pub(crate) fn has(&self, of: &Type, function: &str) -> bool {
        let meant = self.meant(of);
        let line = format!("fn {}::{function}", meant.path);
        let is_listed = self.0.iter().any(|library| library.lines.contains(&line));
        is_listed && meant.conditions.get(function).is_none_or(|condition| self.meets(of, condition))
    }

    /// Whether another name stands for the type with an argument that implements the trait. A name of its own promises
    /// nothing of its arguments, and meets every condition.
    fn meets(&self, of: &Type, (place, path): &(usize, String)) -> bool {
        let Some(argument) = of.arguments.get(*place) else { return true };
        let Some(argument) = argument else { return false };
        self.types().filter(|one| one.defined == *argument).any(|one| one.traits.contains(path))
    }

    /// Whether a type implements the trait that is defined there.
    pub(crate) fn implements(&self, of: &Type, path: &str) -> bool {
        of.traits.contains(path) || self.meant(of).traits.contains(path)
    }

    /// The type for which this is another name, else itself.
    fn meant<'a>(&'a self, of: &'a Type) -> &'a Type {
        let Some(path) = &of.stands_for else { return of };
        self.types().find(|other| other.defined == *path || other.path == *path).unwrap_or(of)
    }
}

impl Library {
    /// Reads what rustdoc writes of a library.
    ///
    /// # Errors
    ///
    /// What is not as rustdoc writes it.
    pub(crate) fn read(name: &str, krate: &Value) -> Result<Self, String> {
        let listing = listing::list(krate)?;
        let own = listing.paths.iter().filter_map(|(id, path)| Some((id, path, krate["index"].get(id)?)));
        let mut types: Vec<_> = own.filter_map(|(id, path, item)| read_type(krate, id, path, item)).collect();
        types.extend(listing.lines.iter().filter_map(|line| handed_on(line)));
        types.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { name: name.to_owned(), lines: listing.lines, types })
    }
}

fn read_type(krate: &Value, id: &str, path: &str, item: &Value) -> Option<Type> {
    let inner = item.get("inner")?;
    let body = ["struct", "enum", "union", "trait", "type_alias"].into_iter().find_map(|kind| inner.get(kind))?;
    let blocks = body.get("impls").and_then(Value::as_array).into_iter().flatten();
    let blocks: Vec<&Value> =
        blocks.filter_map(|block| krate["index"].get(block.to_string())?.pointer("/inner/impl")).collect();
    let attributes = item.get("attrs").map(Value::to_string).unwrap_or_default();
    Some(Type {
        path: path.to_owned(),
        docs: item.get("docs").and_then(Value::as_str).unwrap_or_default().to_owned(),
        is_trait: inner.get("trait").is_some(),
        is_hidden: attributes.contains("doc(hidden)"),
        traits: blocks.iter().filter_map(|block| implemented(krate, id, block)).collect(),
        defined: defined_at(krate, &Value::from(id)).unwrap_or_default(),
        stands_for: body.pointer("/type/resolved_path/id").and_then(|id| defined_at(krate, id)),
        fails_with: blocks.iter().find_map(|block| fails_with(krate, block)),
        conditions: blocks.iter().flat_map(|block| conditions(krate, block)).collect(),
        arguments: arguments(body.pointer("/type"))
            .map(|id| defined_at(krate, id?.pointer("/resolved_path/id")?))
            .collect(),
    })
}

/// Where the trait is defined that a type implements in this block, unless everything implements it, or another type does
/// with this one.
fn implemented(krate: &Value, id: &str, block: &Value) -> Option<String> {
    let of = block.pointer("/for/resolved_path/id")?.to_string();
    let is_blanket = block.get("blanket_impl").is_some_and(|of| !of.is_null());
    if of.trim_matches('"') != id || is_blanket {
        return None;
    }
    defined_at(krate, block.pointer("/trait/id")?)
}

/// The types that stand between the angle brackets of this one.
fn arguments(of: Option<&Value>) -> impl Iterator<Item = Option<&Value>> {
    let arguments = of.and_then(|of| of.pointer("/resolved_path/args/angle_bracketed/args"));
    arguments.and_then(Value::as_array).into_iter().flatten().map(|argument| argument.get("type"))
}

/// The functions of a block that say `where` a parameter of the type has a trait.
fn conditions(krate: &Value, block: &Value) -> Vec<(String, (usize, String))> {
    let is_own = block.get("trait").is_none_or(Value::is_null);
    let functions = block.get("items").and_then(Value::as_array).into_iter().flatten();
    let condition = |id: &Value| {
        let function = krate["index"].get(id.to_string())?;
        let bound = function.pointer("/inner/function/generics/where_predicates/0/bound_predicate")?;
        let parameter = bound.pointer("/type/generic")?;
        let place = arguments(block.get("for")).position(|one| one.is_some_and(|one| one["generic"] == *parameter))?;
        let path = defined_at(krate, bound.pointer("/bounds/0/trait_bound/trait/id")?)?;
        Some((function["name"].as_str()?.to_owned(), (place, path)))
    };
    functions.filter(|_| is_own).filter_map(condition).collect()
}

/// The name of the error of `build`, if that stands in this block.
fn fails_with(krate: &Value, block: &Value) -> Option<String> {
    let functions = block.get("items").and_then(Value::as_array)?.iter();
    let build = functions.filter_map(|id| krate["index"].get(id.to_string())).find(|one| one["name"] == "build")?;
    let error =
        build.pointer("/inner/function/sig/output/resolved_path/args/angle_bracketed/args/1/type/resolved_path");
    Some(error?.get("path")?.as_str()?.rsplit("::").next()?.to_owned())
}

/// The path where an item is defined, whichever crate that is.
fn defined_at(krate: &Value, id: &Value) -> Option<String> {
    let path = krate["paths"].get(id.to_string().trim_matches('"'))?.get("path")?.as_array()?;
    Some(path.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("::"))
}

/// A type of another crate, which has a line and nothing else: `use here::Name = there::Name`.
fn handed_on(line: &str) -> Option<Type> {
    let (path, source) = line.strip_prefix("use ")?.split_once(" = ")?;
    let is_type = path.rsplit("::").next()?.starts_with(|first: char| first.is_ascii_uppercase());
    is_type.then(|| Type { path: path.to_owned(), stands_for: Some(source.to_owned()), ..Type::default() })
}

/// A library of these lines, for tests. No type has a page or a trait.
#[cfg(test)]
pub(crate) fn library(name: &str, lines: &[&str]) -> Library {
    let read = |line: &&str| {
        let (kind, path) = line.split_once(' ')?;
        let is_trait = kind == "trait";
        let own = Type { path: path.to_owned(), defined: path.to_owned(), is_trait, ..Type::default() };
        if matches!(kind, "struct" | "enum" | "trait") { Some(own) } else { handed_on(line) }
    };
    let types = lines.iter().filter_map(read).collect();
    Library { name: name.to_owned(), lines: lines.iter().map(|line| (*line).to_owned()).collect(), types }
}

#[cfg(test)]
impl Type {
    pub(crate) fn implementing(mut self, path: &str) -> Self {
        self.traits.insert(path.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One crate with a type and a second name for it.
    fn read() -> Library {
        let krate = json!({
            "root": 0,
            "index": {
                "0": {"name": "it", "visibility": "public", "inner": {"module": {"items": [1, 2]}}},
                "1": {"name": "Whole", "visibility": "public", "docs": "A page.", "attrs": ["#[doc(hidden)]"],
                      "inner": {"struct": {"impls": [3, 4, 5, 7]}}},
                "2": {"name": "Other", "visibility": "public", "docs": null, "attrs": [],
                      "inner": {"type_alias": {"type": {"resolved_path": {"id": 1}}}}},
                "3": {"name": null, "visibility": "default",
                      "inner": {"impl": {"trait": {"id": 9}, "for": {"resolved_path": {"id": 1}}, "items": []}}},
                "4": {"name": null, "visibility": "default",
                      "inner": {"impl": {"trait": {"id": 8}, "for": {"resolved_path": {"id": 1}},
                                         "blanket_impl": {"generic": "T"}, "items": []}}},
                "5": {"name": null, "visibility": "default",
                      "inner": {"impl": {"trait": null, "items": [6, 11]}}},
                "6": {"name": "handle", "visibility": "public", "inner": {"function": {}}},
                "11": {"name": "build", "visibility": "public", "inner": {"function": {"sig": {"output": {"resolved_path": {
                    "path": "Result", "args": {"angle_bracketed": {"args": [
                        {"type": {"generic": "T"}}, {"type": {"resolved_path": {"path": "there::ConfigError"}}},
                    ]}},
                }}}}}},
                "7": {"name": null, "visibility": "default",
                      "inner": {"impl": {"trait": {"id": 10}, "for": {"resolved_path": {"id": 2}}, "items": []}}},
            },
            "paths": {
                "1": {"path": ["it", "deep", "Whole"]},
                "2": {"path": ["it", "Other"]},
                "8": {"path": ["core", "any", "Any"]},
                "9": {"path": ["core", "error", "Error"]},
                "10": {"path": ["core", "clone", "Clone"]},
            },
        });
        Library::read("it", &krate).unwrap()
    }

    #[test]
    fn a_type_has_its_page_and_its_own_traits() {
        let libraries = Libraries(vec![read()]);
        let whole = libraries.types().find(|one| one.name() == "Whole").unwrap();
        assert_eq!((whole.path.as_str(), whole.docs.as_str(), whole.is_hidden), ("it::Whole", "A page.", true));
        assert!(libraries.implements(whole, "core::error::Error"));
        assert!(!libraries.implements(whole, "core::any::Any"), "which everything implements");
        assert!(!libraries.implements(whole, "core::clone::Clone"), "which another type implements with it");
        assert!(libraries.has(whole, "handle") && !libraries.has(whole, "handles"));
    }

    #[test]
    fn what_hangs_on_an_argument_is_there_where_the_argument_has_the_trait() {
        let layer =
            |name: &str| Type { path: format!("it::{name}"), defined: format!("it::{name}"), ..Type::default() };
        let stack = |name: &str, argument: &str| Type {
            path: format!("it::{name}"),
            stands_for: Some("it::Wrapped".to_owned()),
            arguments: vec![Some(format!("it::{argument}")), None],
            ..Type::default()
        };
        let wrapped =
            Type { conditions: [("handle".to_owned(), (0, "it::HasHandle".to_owned()))].into(), ..layer("Wrapped") };
        let types =
            vec![wrapped, layer("A").implementing("it::HasHandle"), layer("B"), stack("X", "A"), stack("Y", "B")];
        let lines = BTreeSet::from(["fn it::Wrapped::handle".to_owned()]);
        let libraries = Libraries(vec![Library { name: "it".to_owned(), lines, types }]);
        let has = |name: &str| libraries.has(libraries.types().find(|one| one.name() == name).unwrap(), "handle");
        assert_eq!(["X", "Y", "Wrapped"].map(has), [true, false, true]);
    }

    #[test]
    fn a_builder_fails_with_the_error_of_its_build() {
        let library = read();
        let whole = library.types.iter().find(|one| one.name() == "Whole").unwrap();
        assert_eq!(whole.fails_with.as_deref(), Some("ConfigError"));
    }

    #[test]
    fn another_name_has_what_the_type_has_and_a_page_of_its_own() {
        let libraries = Libraries(vec![read()]);
        let other = libraries.types().find(|one| one.name() == "Other").unwrap();
        assert_eq!((other.docs.as_str(), other.is_hidden), ("", false));
        assert!(libraries.implements(other, "core::error::Error") && libraries.has(other, "handle"));
    }

    #[test]
    fn what_another_crate_has_is_a_type_by_its_name() {
        assert_eq!(handed_on("use it::Name = other::deep::Name").unwrap().name(), "Name");
        assert!(handed_on("use it::other = other").is_none());
        assert!(handed_on("use it::deep::Name").is_none());
    }
}
