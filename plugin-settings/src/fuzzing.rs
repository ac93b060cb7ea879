//! The fuzz targets of this crate: what holds for any bytes that are read as a configuration.

use std::path::Path;

use crate::{MAX_DEPTH, MAX_TEXT, MAX_VALUES, Node, Syntax, Value, parse, redact, redact_url, substitute, to_yaml};

/// The tree, where these bytes are one in this syntax. A fault has a place within the text, and says something.
fn tree(bytes: &[u8], syntax: Option<Syntax>) -> Option<Node> {
    match parse(Path::new("fuzz"), bytes, syntax) {
        Ok(tree) => {
            let (values, text) = tree.size();
            assert!(values <= MAX_VALUES && text <= MAX_TEXT && tree.depth() <= MAX_DEPTH);
            Some(tree)
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            let lines = bytes.split(|byte| *byte == b'\n').count();
            for fault in &faults {
                assert!(!fault.to_string().is_empty() && fault.span().line() as usize <= lines, "{fault}");
                let _shown = fault.snippet();
            }
            None
        }
    }
}

/// What was read is the same once it was written as YAML and as JSON.
fn reads_back(tree: &Node) {
    let yaml = to_yaml(tree);
    assert_eq!(&parse(Path::new("fuzz"), yaml.as_bytes(), Some(Syntax::Yaml)).expect("our own YAML"), tree, "{yaml}");
    if matches!(tree.value, Value::Map(_) | Value::List(_)) {
        let json = tree.to_json().to_string();
        let back = parse(Path::new("fuzz"), json.as_bytes(), Some(Syntax::Json)).expect("our own JSON");
        assert_eq!(&back, tree, "{json}");
    }
}

/// YAML is read without a panic and within its bounds, and reads back.
pub fn yaml(bytes: &[u8]) {
    if let Some(tree) = tree(bytes, Some(Syntax::Yaml)) {
        reads_back(&tree);
    }
}

/// So is TOML.
pub fn toml(bytes: &[u8]) {
    if let Some(tree) = tree(bytes, Some(Syntax::Toml)) {
        reads_back(&tree);
    }
}

/// What is JSON to this crate is JSON to serde_json, and what is JSON to that is read here, unless a key is given twice, a
/// number is none that a configuration can hold, or a text has a NUL in it.
pub fn json(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    if let Some(tree) = tree(bytes, Some(Syntax::Json)) {
        assert!(theirs.is_ok() || bytes.starts_with(b"\xef\xbb\xbf"), "{:?}", theirs.err());
        reads_back(&tree);
    } else if let Ok(theirs) = theirs {
        let faults = parse(Path::new("fuzz"), bytes, Some(Syntax::Json)).expect_err("no tree").to_string();
        let allowed = ["duplicate key", "does not fit in 64 bits", "is too large", "NUL character", "nest deeper"];
        assert!(allowed.iter().any(|reason| faults.contains(reason)), "{theirs}: {faults}");
    }
}

/// The syntax is guessed, and variables are put in: what the environment had a part in is not shown.
pub fn substituted(bytes: &[u8]) {
    const SECRET: &str = "hunter2hunter2";
    let Some(mut tree) = tree(bytes, None) else { return };
    let had = to_yaml(&tree).contains(SECRET);
    let env = |name: &str| (name.len() < 3).then(|| SECRET.to_owned());
    match substitute(&mut tree, &env) {
        Ok(()) => {
            assert!(tree.size().1 <= MAX_TEXT + bytes.len());
            assert!(had || !to_yaml(&redact(&tree, &[])).contains(SECRET));
        }
        Err(faults) => assert!(!faults.to_string().is_empty()),
    }
}

/// A URL that is shown has no password, and what is shown is shown as it is once more.
pub fn shown_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let shown = redact_url(text);
    assert_eq!(redact_url(&shown), shown, "{text:?}");
    if !text.contains("://") {
        assert_eq!(shown, text);
    }
}

#[cfg(test)]
fuzz_twins::twins!(yaml, toml, json, substituted, shown_url);
