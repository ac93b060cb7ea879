//! A JSON object.

use serde::Deserialize;

/// Reads an object. serde would read a list too, as the fields in order: that is the fault `is_list`. What the parser finds is
/// told by `describe`.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    text: &'a str,
    is_list: &str,
    describe: impl FnOnce(&serde_json::Error) -> String,
) -> Result<T, String> {
    if text.trim_ascii_start().starts_with('[') {
        return Err(is_list.to_owned());
    }
    serde_json::from_str(text).map_err(|error| describe(&error))
}
