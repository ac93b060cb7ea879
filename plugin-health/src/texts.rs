//! Texts of others, which are logged and shown.

/// So many bytes of what is asked are kept of a text, which is logged and shown by others.
pub(crate) const LONGEST_TEXT: usize = 500;

/// As much of the text as is kept.
pub(crate) fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default()
}

/// An error with what it has beneath it.
#[cfg(any(feature = "probe-http", feature = "probe-grpc"))]
pub(crate) fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source.filter(|_| text.len() < LONGEST_TEXT) {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    bounded(&text).to_owned()
}
