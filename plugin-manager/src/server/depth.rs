//! How deep a document of JSON is nested.

/// Whether lists and objects stand in each other more than `max` deep. The bytes need not be JSON.
///
/// Many parsers call themselves for each level, and a few thousand of them end their process.
pub(super) fn exceeds(json: &[u8], max: usize) -> bool {
    // What is shorter than its own depth would be has no need to be looked at.
    if json.len() <= max {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_at_once_counts_and_nothing_in_a_string() {
        assert!(!exceeds(b"[[[]]]", 3) && exceeds(b"[[[]]]", 2));
        assert!(!exceeds(br#"[{"a":[]},{"b":[]}]"#, 3) && exceeds(br#"[{"a":[]},{"b":[]}]"#, 2));
        assert!(!exceeds(br#"["[[[[\"[[[[","\\"]"#, 1) && exceeds(br#"["\\",[]]"#, 1));
        assert!(exceeds(b"[", 0) && !exceeds(b"1", 0));
    }
}
