//! Names that say what has another word here, whoever has them.

use std::collections::BTreeMap;

use super::table::Unwanted;
use crate::libraries::{Libraries, Library, Type};

/// The words that nothing may have, and the paths that may all the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) functions: &'static [Unwanted],
    pub(super) in_names: &'static [Unwanted],
    pub(super) exceptions: &'static [(&'static str, &'static str)],
}

/// What is wrong with a name: a path, and why.
type Fault = (String, String);

impl Rules {
    /// A line for each name that is not as it should be, and for each exception that excepts nothing.
    pub(super) fn faults(&self, libraries: &Libraries) -> Vec<String> {
        let mut faults: Vec<Fault> = Vec::new();
        for library in &libraries.0 {
            faults.extend(library.lines.iter().filter_map(|line| self.of_function(line)));
            faults.extend(library.types.iter().flat_map(|one| self.of_type(one, libraries)));
            faults.extend(twice(library));
        }
        let is_excepted = |path: &str| self.exceptions.iter().any(|(excepted, _)| *excepted == path);
        let idle = self.exceptions.iter().filter(|(excepted, _)| !faults.iter().any(|(path, _)| path == excepted));
        let idle: Vec<_> =
            idle.map(|(path, _)| format!("{path}: the exception is not needed, and has to go")).collect();
        let kept = faults.into_iter().filter(|(path, _)| !is_excepted(path));
        kept.map(|(path, what)| format!("{path}: {what}")).chain(idle).collect()
    }

    fn of_function(&self, line: &str) -> Option<Fault> {
        let path = line.strip_prefix("fn ")?;
        let (of, name) = path.rsplit_once("::")?;
        let unwanted = self.functions.iter().find(|unwanted| unwanted.word == name && of.ends_with(unwanted.of))?;
        Some((path.to_owned(), format!("`{name}` has another word here; right would be `{}`", unwanted.right)))
    }

    fn of_type(&self, one: &Type, libraries: &Libraries) -> Vec<Fault> {
        let words = words(one.name());
        let short = self.in_names.iter().filter(|unwanted| words.contains(&unwanted.word));
        let mut faults: Vec<String> = short
            .map(|unwanted| format!("`{}` is an abbreviation; right would be `{}`", unwanted.word, unwanted.right))
            .collect();
        let claims = words.last().is_some_and(|word| matches!(*word, "Error" | "Errors"));
        // What is handed on from elsewhere is looked at there.
        if claims && !one.is_handed_on() && !libraries.implements(one, "core::error::Error") {
            let what = "is named an error and does not implement `std::error::Error`; right would be a name that says \
                        what it is";
            faults.push(what.to_owned());
        }
        if one.name().ends_with("Config") && !one.is_handed_on() && !libraries.has(one, "builder") {
            faults.push("settings without `builder()`; right would be one that is made by their names".to_owned());
        }
        let builds_settings = one.name().ends_with("ConfigBuilder");
        if builds_settings && one.fails_with.as_deref().is_some_and(|error| error != "ConfigError") {
            faults.push("its `build` fails with another error than `ConfigError`".to_owned());
        }
        faults.into_iter().map(|what| (one.path.clone(), what)).collect()
    }
}

/// Types of one name in one library.
fn twice(library: &Library) -> Vec<Fault> {
    let mut of_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in &library.types {
        of_name.entry(one.name()).or_default().push(&one.path);
    }
    let several = of_name.values().filter(|paths| paths.len() > 1);
    let fault = |paths: &Vec<&str>| {
        let others = paths[1..].join(", ");
        (paths[0].to_owned(), format!("{others} has the same name; right would be names that say of what each is"))
    };
    several.map(fault).collect()
}

/// `BoxErrorLayer` -> `Box`, `Error`, `Layer`.
fn words(name: &str) -> Vec<&str> {
    let starts = |(at, letter): (usize, char)| (at == 0 || letter.is_ascii_uppercase()).then_some(at);
    let starts: Vec<usize> = name.char_indices().filter_map(starts).collect();
    let ends = starts.iter().skip(1).copied().chain([name.len()]);
    starts.iter().zip(ends).map(|(start, end)| &name[*start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::library;

    const RULES: Rules = Rules {
        functions: &[
            Unwanted { word: "snapshot", of: "", right: "stats" },
            Unwanted { word: "list", of: "Handle", right: "stats" },
        ],
        in_names: &[Unwanted { word: "Lb", of: "", right: "Balance" }],
        exceptions: &[],
    };

    fn found(rules: Rules, lines: &[&str]) -> Vec<String> {
        rules.faults(&Libraries(vec![library("plugin-it", lines)]))
    }

    #[test]
    fn a_function_with_an_unwanted_word_is_a_fault_on_any_type() {
        let faults = found(RULES, &["struct it::Any", "fn it::Any::snapshot", "fn it::Any::snapshots"]);
        assert_eq!(faults, ["it::Any::snapshot: `snapshot` has another word here; right would be `stats`"]);
    }

    #[test]
    fn a_word_may_be_unwanted_of_some_types_alone() {
        let faults = found(RULES, &["fn it::AnyHandle::list", "fn it::Any::list"]);
        assert_eq!(faults, ["it::AnyHandle::list: `list` has another word here; right would be `stats`"]);
    }

    #[test]
    fn an_abbreviation_is_a_fault_and_a_word_that_begins_with_it_is_none() {
        let faults = found(RULES, &["struct it::LbPolicy", "struct it::Lbtree"]);
        assert_eq!(faults, ["it::LbPolicy: `Lb` is an abbreviation; right would be `Balance`"]);
    }

    #[test]
    fn a_name_that_ends_in_error_has_to_be_one() {
        let faults = found(RULES, &["struct it::AnyError", "struct it::BoxErrors", "struct it::AsErrorValue"]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("it::AnyError: is named an error and does not implement"));
        assert!(faults[1].starts_with("it::BoxErrors: is named an error"));
    }

    #[test]
    fn an_error_may_be_named_one() {
        let mut library = library("plugin-it", &["struct it::ReadError"]);
        library.types[0] = library.types[0].clone().implementing("core::error::Error");
        assert_eq!(RULES.faults(&Libraries(vec![library])), [""; 0]);
    }

    #[test]
    fn settings_have_a_builder_or_are_a_fault() {
        let faults = found(RULES, &["struct it::AConfig", "fn it::AConfig::builder", "struct it::BConfig"]);
        assert_eq!(
            faults,
            ["it::BConfig: settings without `builder()`; right would be one that is made by their names"]
        );
    }

    #[test]
    fn a_builder_of_settings_fails_with_the_one_error() {
        let mut library = library("plugin-it", &["struct it::XConfigBuilder"]);
        library.types[0].fails_with = Some("ConfigError".to_owned());
        assert_eq!(RULES.faults(&Libraries(vec![library.clone()])), [""; 0]);
        library.types[0].fails_with = Some("BuildError".to_owned());
        let expected = "it::XConfigBuilder: its `build` fails with another error than `ConfigError`";
        assert_eq!(RULES.faults(&Libraries(vec![library])), [expected]);
    }

    #[test]
    fn one_name_twice_is_a_fault_and_a_second_path_is_not() {
        let faults = found(RULES, &["enum it::Kind", "enum it::settings::Kind", "use it::deep::Kind"]);
        let expected = "it::settings::Kind has the same name; right would be names that say of what each is";
        assert_eq!(faults, [format!("it::Kind: {expected}")]);
    }

    #[test]
    fn an_exception_excepts_one_path_and_no_longer_than_it_is_needed() {
        let rules = Rules { exceptions: &[("it::Any::snapshot", "it is one")], ..RULES };
        assert_eq!(found(rules, &["fn it::Any::snapshot"]), [""; 0]);
        assert_eq!(found(rules, &[]), ["it::Any::snapshot: the exception is not needed, and has to go"]);
        assert_eq!(found(rules, &["fn it::Any::snapshot", "fn it::Other::snapshot"]).len(), 1);
    }

    #[test]
    fn a_name_is_taken_apart_where_its_words_begin() {
        assert_eq!(words("BoxErrorLayer"), ["Box", "Error", "Layer"]);
        assert_eq!(words("Cache"), ["Cache"]);
    }
}
