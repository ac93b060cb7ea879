//! Which names a plugin may have.

use plugin_core::{Code, PluginError};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Characters that a name must not have, since names end up in paths, URLs, shells and metrics.
const FORBIDDEN: &[char] = &['/', '\\', '<', '>', '|', '&', ';', '$', '*', '?', '"', '\'', '`'];

/// Checks a plugin's name: 1 to 128 bytes, no `..`, none of `/ \ < > | & ; $ * ?`, quotes, or control characters, and
/// no space at either end.
///
/// # Errors
///
/// `PLUGIN_1001`, which says what is wrong with the name.
pub fn check_name(name: &str) -> Result<(), PluginError> {
    let problem = match name {
        "" => "a plugin's name must not be empty".to_owned(),
        _ if name.len() > MAX_NAME => {
            format!("a plugin's name has at most {MAX_NAME} bytes, and this one has {}", name.len())
        }
        _ if name.contains("..") => "a plugin's name must not contain \"..\"".to_owned(),
        _ if name.trim() != name => "a plugin's name must not begin or end with a space".to_owned(),
        _ => match name.chars().find(|c| FORBIDDEN.contains(c) || c.is_control()) {
            Some(forbidden) => format!("a plugin's name must not contain {forbidden:?}"),
            None => return Ok(()),
        },
    };
    let shown: String = name.chars().take(MAX_NAME).collect();
    Err(PluginError::new(Code::InvalidName, problem).with_plugin(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_that_is_safe_in_paths_urls_and_metrics() {
        for good in ["a", "payment.v2", "Übersetzer", "a b", &"x".repeat(128)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a\\b", "..", "a..b", "a\0", "a\n", "$HOME", "x;y", "it's", " a", &"x".repeat(129)] {
            let error = check_name(bad).expect_err(bad);
            assert_eq!(error.code(), Code::InvalidName, "{bad}");
        }
    }
}
