//! The schema knows the keys that the reader knows, and takes documents that are right.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::{Value, json};

use super::super::effective::default_value;
use super::super::schema::schema;
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
        let found = refused(&document(section, &text.join(",")));
        for key in asked {
            let refusals =
                [format!(" {key}: unknown"), format!(".{key}: unknown"), format!("`{key}` is not available")];
            let unknown = refusals.iter().any(|refusal| found.contains(refusal));
            assert!(unknown != keys.contains(*key), "{section}: {key}\n{found}");
        }
    }
}

#[test]
fn every_default_is_what_its_key_takes() {
    for table in tables().into_values() {
        for key in table.keys.iter().filter(|key| !key.default.is_empty()) {
            let value = default_value(key.default).unwrap_or_else(|| panic!("{}: {}", key.name, key.default)).to_json();
            let mut errors = Vec::new();
            let schema = schema();
            let def = if table.name == "config" { &schema } else { &schema["$defs"][table.name] };
            check(&schema, &def["properties"][key.name], &value, key.name, &mut errors);
            assert_eq!(errors, [""; 0], "{}.{}", table.name, key.name);
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
        ("plugins: [{name: a, transport: grpc}]", "transport"),
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
    let schema = schema();
    let mut errors = Vec::new();
    check(&schema, &schema, &document, "", &mut errors);
    errors
}

/// The words of JSON Schema that the schema uses. One that is not known here is an error, so that none is passed over.
fn check(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let mut fail = |problem: String| errors.push(format!("{at}: {problem}"));
    let mut inner: Vec<(&Value, &Value, String)> = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "writeOnly" => {}
            "$ref" => inner.push((
                root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(),
                value,
                at.to_owned(),
            )),
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("{other}"),
                };
                if !fits {
                    fail(format!("{value} is no {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    fail(format!("{value} is none of {rule}"));
                }
            }
            "minimum" | "maximum" | "exclusiveMinimum" => {
                let (bound, number) = (rule.as_f64().unwrap(), value.as_f64().unwrap_or(f64::NAN));
                let fits = match word.as_str() {
                    "minimum" => number >= bound,
                    "maximum" => number <= bound,
                    _ => number > bound,
                };
                if !fits {
                    fail(format!("{value} is past the {word} {rule}"));
                }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    fail(format!("{value} does not match {rule}"));
                }
            }
            "anyOf" => {
                let fits = |schema: &Value| {
                    let mut errors = Vec::new();
                    check(root, schema, value, at, &mut errors);
                    errors.is_empty()
                };
                if !rule.as_array().unwrap().iter().any(fits) {
                    fail(format!("{value} fits none of {rule}"));
                }
            }
            "required" => {
                for key in rule.as_array().unwrap().iter().map(|key| key.as_str().unwrap()) {
                    if value.get(key).is_none() {
                        fail(format!("{key} is missing"));
                    }
                }
            }
            "properties" => {
                let known = rule.as_object().unwrap();
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = known.get(key) {
                        inner.push((schema, value, format!("{at}.{key}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    match rule {
                        _ if known.is_some_and(|known| known.contains_key(key)) => {}
                        Value::Bool(false) => fail(format!("{key} is not known")),
                        schema => inner.push((schema, value, format!("{at}.{key}"))),
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    inner.push((rule, value, format!("{at}[{index}]")));
                }
            }
            other => panic!("{other} is not known here"),
        }
    }
    for (schema, value, at) in inner {
        check(root, schema, value, &at, errors);
    }
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
