//! Keeping secrets out of what is printed.

use super::node::{Node, Value};

/// What stands in the place of a secret.
pub const SECRET: &str = "***";

/// Words that make a key the key of a secret.
const SECRET_WORDS: [&str; 8] =
    ["token", "password", "passwd", "secret", "credential", "credentials", "authorization", "cookie"];

/// The same, in two words.
const SECRET_PAIRS: [(&str, &str); 4] = [("api", "key"), ("access", "key"), ("private", "key"), ("signing", "key")];

/// Maps whose values may all be secret: variables of a process, which may be a list too, and headers that are sent.
const VARIABLES: &str = "env";
const HEADERS: &str = "headers";

/// Whether the key names a secret: `token`, `db_password`, `API-Key`, `clientSecret`. One that ends in `_file` names a
/// file, which is none.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    let words = words(key);
    if words.last().is_some_and(|last| last == "file" || last == "path") {
        return false;
    }
    let one = |word: &String| SECRET_WORDS.contains(&word.as_str()) || word == "apikey";
    let two = |pair: &[String]| SECRET_PAIRS.iter().any(|(a, b)| pair[0] == *a && pair[1] == *b);
    words.iter().any(one) || words.windows(2).any(two)
}

/// The tree with `***` for every secret.
///
/// A secret is what the environment had a part in, a string or number under a key that [`is_secret_key`] or
/// `secret_keys` names, at any depth below it, a header or process variable, and the password in a URL. `file:PATH` stays
/// as it is: it says where the secret is.
#[must_use]
pub fn redact(node: &Node, secret_keys: &[&str]) -> Node {
    hide(node, Hidden::No, secret_keys)
}

/// Whether a number says how much of something there is, such as `token_ratio: 0.1`: the secret's word is not what the key
/// names.
fn is_a_measure(key: &str, value: &Node) -> bool {
    let is_number = matches!(value.value, Value::Int(_) | Value::Float(_) | Value::Bool(_)) && !value.tainted;
    is_number && words(key).last().is_some_and(|last| !is_secret_key(last) && last != "key")
}

/// What is hidden of a value.
#[derive(Clone, Copy, PartialEq)]
enum Hidden {
    No,
    All,
    /// What comes after the first `=` of each item: `env` as a list of `NAME=value`.
    Values,
}

fn hide(node: &Node, hidden: Hidden, secret_keys: &[&str]) -> Node {
    let value = match &node.value {
        Value::List(items) => Value::List(items.iter().map(|item| hide(item, hidden, secret_keys)).collect()),
        Value::Map(entries) => {
            let mut entries = entries.clone();
            for entry in &mut entries {
                let hidden =
                    if hidden == Hidden::No { below(&entry.key, &entry.value, secret_keys) } else { Hidden::All };
                entry.value = hide(&entry.value, hidden, secret_keys);
            }
            Value::Map(entries)
        }
        Value::Null => Value::Null,
        Value::Str(text) if !node.tainted && text.starts_with("file:") => Value::Str(text.clone()),
        Value::Str(text) if hidden == Hidden::Values && !node.tainted => Value::Str(after_name(text)),
        _ if hidden != Hidden::No || node.tainted => Value::Str(SECRET.to_owned()),
        Value::Str(text) => Value::Str(redact_url(text)),
        other => other.clone(),
    };
    node.with_value(value)
}

/// What is hidden of the value of a key.
fn below(key: &str, value: &Node, secret_keys: &[&str]) -> Hidden {
    let is_named = is_secret_key(key) && !is_a_measure(key, value);
    match &value.value {
        _ if is_named || secret_keys.contains(&key) => Hidden::All,
        Value::List(_) if key == VARIABLES => Hidden::Values,
        // A label that is called `env` is no map of variables.
        Value::Map(_) | Value::List(_) if key == VARIABLES || key == HEADERS => Hidden::All,
        _ => Hidden::No,
    }
}

/// Hides the value of `NAME=value`, and the whole of anything else: a secret may have a `=` in it.
fn after_name(text: &str) -> String {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    match text.split_once('=') {
        Some((name, _)) if is_name(name) => format!("{name}={SECRET}"),
        _ => SECRET.to_owned(),
    }
}

/// A URL as it may be shown: `***` for the password in it, and for what its query gives to a key that names a secret.
///
/// Any other text is as it was.
#[must_use]
pub fn redact_url(text: &str) -> String {
    let text = without_password(text);
    let Some((before, query)) = text.split_once('?').filter(|(before, _)| before.contains("://")) else { return text };
    let (query, after) = query.find('#').map_or((query, ""), |at| query.split_at(at));
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, value)) if !value.is_empty() && is_secret_parameter(key) => format!("{key}={SECRET}"),
        _ => pair.to_owned(),
    });
    format!("{before}?{}{after}", pairs.collect::<Vec<_>>().join("&"))
}

/// In a query a `key` and a signature are secrets too.
fn is_secret_parameter(key: &str) -> bool {
    let last = words(key).pop().unwrap_or_default();
    is_secret_key(key) || matches!(last.as_str(), "key" | "sig" | "signature" | "auth" | "code")
}

/// `redis://user:password@host` without the password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, password)) => {
            let after = &rest[user.len() + 1 + password.len()..];
            format!("{scheme}://{user}:{SECRET}{after}")
        }
        None => text.to_owned(),
    }
}

/// Whether a line of a file has a word in it that names a secret, or a password in a URL.
pub(super) fn mentions_secret(line: &str) -> bool {
    let named = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).any(is_secret_key);
    named || redact_url(line) != line
}

/// The words of a key, in lower case: `clientSecret`, `client_secret` and `client-secret` are two each.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
