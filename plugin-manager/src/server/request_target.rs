//! What the target of a request says: the name in its path, and its query.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{StatusCode, Uri, request::Parts},
};
use plugin_core::Code;

use super::problem::Fault;

/// A plugin's name, out of the path.
pub(super) struct PluginName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PluginName {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => {
                let problem = "the plugin's name in the path is not UTF-8";
                Err(Fault::of(StatusCode::BAD_REQUEST, Code::InvalidName, problem))
            }
        }
    }
}

/// Where plugins are called, with the name behind it.
const PLUGINS: &str = "/v1/plugins/";

/// The plugin that a path names in letters that stand for themselves, as nearly all do; another name is for the router to read.
pub(super) fn plain_name(path: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    path.strip_prefix(PLUGINS).filter(|name| !name.is_empty() && name.bytes().all(is_plain))
}

/// The parameters of a query. One that nobody reads is an error, as an unknown key of a configuration is: whoever writes
/// `?timout=5s` believes that there is a limit.
pub(super) fn query(uri: &Uri, known: &[&'static str]) -> Result<BTreeMap<String, String>, Fault> {
    if uri.query().is_none_or(str::is_empty) {
        return Ok(BTreeMap::new());
    }
    let bad = |problem: String| Err(Fault::of(StatusCode::BAD_REQUEST, Code::InvalidPayload, problem));
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return bad("the query is not made of parameters such as `name=value`".to_owned());
    };
    let mut read = BTreeMap::new();
    for (name, value) in pairs {
        if !known.contains(&name.as_str()) {
            let shown: String = name.chars().take(64).collect();
            let remedy = match plugin_settings::nearest(&name, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if known.is_empty() => "this path takes none".to_owned(),
                None => format!("this path takes {}", known.join(", ")),
            };
            return bad(format!("the parameter {shown:?} of the query is unknown; {remedy}"));
        }
        if read.contains_key(&name) {
            return bad(format!("the parameter {name:?} stands twice in the query"));
        }
        read.insert(name, value);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_one_segment_of_letters_that_stand_for_themselves() {
        assert_eq!(plain_name("/v1/plugins/a-B_2.x"), Some("a-B_2.x"));
        for path in
            ["/v1/plugins/", "/v1/plugins", "/v1/plugins/a/", "/v1/plugins/a/b", "/v1/plugins/%61", "/v1/plugin/a", "/"]
        {
            assert_eq!(plain_name(path), None, "{path}");
        }
    }

    #[test]
    fn a_parameter_that_nobody_reads_is_an_error_with_the_nearest_name() {
        let read =
            |text: &'static str| query(&Uri::from_static(text), &["timeout"]).map_err(|fault| format!("{fault:?}"));
        assert_eq!(read("/x?timeout=1m%2030s").expect("known")["timeout"], "1m 30s");
        assert!(read("/x").expect("none").is_empty() && read("/x?").expect("none").is_empty());
        for (target, says) in [
            ("/x?timout=5s", "did you mean \\\"timeout\\\"?"),
            ("/x?force=1", "this path takes timeout"),
            ("/x?timeout=1s&timeout=2s", "stands twice"),
        ] {
            let fault = read(target).expect_err(target);
            assert!(fault.contains(says), "{fault}");
        }
        let none = query(&Uri::from_static("/x?timeout=1s"), &[]).map_err(|fault| format!("{fault:?}"));
        assert!(none.expect_err("it takes none").contains("this path takes none"));
    }
}
