//! The schema knows the keys that the reader knows, and takes documents that are right.

use std::collections::{BTreeMap, BTreeSet};

use plugin_settings::conform;
use serde_json::json;

use super::super::schema;
use super::effects::{document, tables};
use super::*;

/// The keys of each section, as the schema has them.
fn sections() -> BTreeMap<String, BTreeSet<String>> {
    let schema = schema();
    let defs = schema["$defs"].as_object().unwrap().iter().map(|(name, def)| (name.clone(), def.clone()));
    let all = defs.chain([("config".to_owned(), schema.clone())]).filter(|(_, def)| def["type"] == "object");
    all.map(|(name, def)| (name, def["properties"].as_object().unwrap().keys().cloned().collect())).collect()
}

#[test]
fn in_every_section_the_reader_accepts_the_keys_of_the_schema_and_no_others() {
    let sections = sections();
    assert_eq!(sections.keys().map(String::as_str).collect::<Vec<_>>(), tables().into_keys().collect::<Vec<_>>());
    let every: BTreeSet<&String> = sections.values().flatten().collect();
    for (section, keys) in &sections {
        // What the document has around the section already; a key that is there twice is a fault of the document.
        let around: &[&str] = match section.as_str() {
            "config" => &["plugins"],
            "plugin" => &["name", "transport", "endpoint"],
            _ => &[],
        };
        let asked: Vec<_> = every.iter().filter(|key| !around.contains(&key.as_str())).collect();
        // A value that no key takes: what counts is whether the key itself is refused.
        let text: Vec<_> = asked.iter().map(|key| format!(" {key}: [[]]")).collect();
        let document = document(section, &text.join(","));
        let found = refused(&document);
        for key in asked {
            let refusals =
                [format!(" {key}: unknown"), format!(".{key}: unknown"), format!("`{key}` is not available")];
            // Where secrets stand an unknown key is told by its place.
            let column = document.find(&format!(" {key}: [[]]")).expect("it is asked") + 2;
            let is_unnamed = |line: &str| {
                line.starts_with(&format!("1:{column}: ")) && line.contains("has a key that is none of its own")
            };
            let unknown = refusals.iter().any(|refusal| found.contains(refusal)) || found.lines().any(is_unnamed);
            assert!(unknown != keys.contains(*key), "{section}: {key}\n{found}");
        }
    }
}

#[test]
fn every_default_is_what_its_key_takes() {
    let span = document::Span::whole_file(&document::Source::new("d", ""));
    for table in tables().into_values() {
        for key in table.keys() {
            let Some(value) = key.default_value() else { continue };
            let value = document::Node::at(&value, &span).to_json();
            let schema = document::schema("default", table);
            let document = json!({ key.name(): value });
            let errors = conform::errors(&schema, &document);
            let errors: Vec<_> = errors.iter().filter(|error| !error.ends_with("is missing")).collect();
            assert_eq!(errors, [""; 0], "{}.{}", table.name(), key.name());
        }
    }
}

#[test]
fn documents_that_are_read_follow_the_schema() {
    let example = include_str!("example.yaml");
    let env = |name: &str| (name == "GREETER_TOKEN").then(|| "t".to_owned()).or_else(|| with_path(name));
    from_text(Path::new("example.yaml"), example, None, &env).unwrap_or_else(|faults| panic!("{faults}"));
    for (name, text) in [("example.yaml", example), ("go_plugins.json", include_str!("go_plugins.json"))] {
        assert_eq!(errors(name, text), [""; 0], "{name}");
    }
}

#[test]
fn documents_that_are_wrong_do_not_follow_the_schema() {
    for (text, says) in [
        ("plugins: [{name: a, transport: exec, hegde: 1}]", "hegde"),
        ("plugins: [{name: a, transport: wasm}]", "transport"),
        ("plugins: [{transport: exec}]", "name"),
        ("{plugins: [], shutdown_timeout: 5 minutes}", "shutdown_timeout"),
        ("{plugins: [], metrics_port: 0}", "metrics_port"),
        ("{plugins: [], server: {max_body: lots}}", "max_body"),
        ("{plugins: {}}", "plugins"),
    ] {
        let errors = errors("g.yaml", text);
        assert!(errors.iter().any(|error| error.contains(says)), "{text}: {errors:?}");
    }
}

fn errors(name: &str, text: &str) -> Vec<String> {
    let document = document::parse(Path::new(name), text.as_bytes(), None).unwrap().to_json();
    conform::errors(&schema(), &document)
}

#[test]
fn the_schema_says_what_a_key_means_and_what_holds_without_it() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let retries = &schema["$defs"]["retry"]["properties"]["max_retries"];
    assert_eq!(retries["default"], json!(3));
    assert_eq!(retries["anyOf"][0], json!({ "type": "integer", "minimum": 0, "maximum": 100 }));
    for (name, def) in schema["$defs"].as_object().unwrap() {
        for (key, property) in def["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}.{key}");
        }
    }
}
