//! Whether a document follows a schema: the words of JSON Schema that [`schema()`](crate::schema()) uses.

use regex_lite::Regex;
use serde_json::Value;

/// What in the document does not follow the schema.
///
/// # Panics
///
/// When the schema has a word that is not known here, so that none is passed over.
#[must_use]
pub fn errors(schema: &Value, document: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(schema, schema, document, "", &mut errors);
    errors
}

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
                let names = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
                let fits = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("{other}"),
                };
                if !names.iter().any(fits) {
                    fail(format!("{value} is no {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    fail(format!("{value} is none of {rule}"));
                }
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                let (bound, number) = (rule.as_f64().unwrap(), value.as_f64().unwrap_or(f64::NAN));
                let fits = match word.as_str() {
                    "minimum" => number >= bound,
                    "maximum" => number <= bound,
                    "exclusiveMaximum" => number < bound,
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
