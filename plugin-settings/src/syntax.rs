//! Which of the three syntaxes a file is in.

use std::fmt;
use std::path::Path;

/// A syntax that configuration may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Syntax {
    /// YAML 1.2.
    Yaml,
    /// JSON, RFC 8259.
    Json,
    /// TOML 1.1.
    Toml,
}

impl Syntax {
    /// By extension: `yaml`, `yml`, `json`, `toml`, in any case; `None` for another or none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    /// By content, for a file whose name does not say.
    ///
    /// A map in braces with a quoted key is JSON, and so is a list in brackets that is no TOML header. Otherwise the
    /// first line with `=` or `:` outside quotes decides between TOML and YAML; YAML when there is none.
    #[must_use]
    pub fn sniff(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if let Some(inner) = text.strip_prefix('{') {
            let next = inner.trim_start().chars().next();
            return if matches!(next, None | Some('"' | '}')) { Self::Json } else { Self::Yaml };
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let Some(first) = lines.next() else {
            return Self::Yaml;
        };
        if first.starts_with('[') {
            return if is_toml_header(first) { Self::Toml } else { Self::Json };
        }
        std::iter::once(first).chain(lines).find_map(by_separator).unwrap_or(Self::Yaml)
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        })
    }
}

/// `[name]` or `[[name]]`, with nothing but a comment behind it. Not `["a"]` or `[true]`, which JSON has too.
fn is_toml_header(line: &str) -> bool {
    let Some((name, rest)) = line.trim_start_matches('[').split_once(']') else {
        return false;
    };
    let (name, rest) = (name.trim(), rest.trim_start_matches(']').trim_start());
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | ' ');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(part)
        && !matches!(name, "true" | "false" | "null")
        && (rest.is_empty() || rest.starts_with('#'))
}

/// What the first separator on a line says.
fn by_separator(line: &str) -> Option<Syntax> {
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '=') => return Some(Syntax::Toml),
            (None, ':') => return Some(Syntax::Yaml),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_the_syntax() {
        for (path, syntax) in [
            ("a.yaml", Some(Syntax::Yaml)),
            ("a.YML", Some(Syntax::Yaml)),
            ("a.b.json", Some(Syntax::Json)),
            ("/x/y.toml", Some(Syntax::Toml)),
            ("whitelist.conf", None),
            ("yaml", None),
        ] {
            assert_eq!(Syntax::of(Path::new(path)), syntax, "{path}");
        }
    }

    #[test]
    fn the_content_says_the_syntax_when_the_name_does_not() {
        for (text, syntax) in [
            ("\u{feff}{\"a\": 1}", Syntax::Json),
            ("{}", Syntax::Json),
            ("{a: 1}", Syntax::Yaml),
            ("[1, 2]", Syntax::Json),
            ("[\"a\"]", Syntax::Json),
            ("[true]", Syntax::Json),
            ("# c\n[server]\nlisten = \"x\"", Syntax::Toml),
            ("[[plugins]] # c", Syntax::Toml),
            ("a = \"b: c\"", Syntax::Toml),
            ("\"a=b\": c", Syntax::Yaml),
            ("url: http://x/?a=b", Syntax::Yaml),
            ("---\na: 1", Syntax::Yaml),
            ("- a\n- b: c", Syntax::Yaml),
            ("plain", Syntax::Yaml),
            ("", Syntax::Yaml),
        ] {
            assert_eq!(Syntax::sniff(text), syntax, "{text:?}");
        }
    }
}
