//! What a payload is.

/// What stands for no type at all.
pub(super) const JSON: &str = "application/json";

/// The type that is meant.
pub(super) fn meant(content_type: &str) -> &str {
    if content_type.is_empty() { JSON } else { content_type }
}

/// Whether it is JSON, whatever stands behind its name.
pub(super) fn is_json(content_type: &str) -> bool {
    let name = name(meant(content_type));
    let (kind, subtype) = name.split_once('/').unwrap_or((name, ""));
    kind.eq_ignore_ascii_case("application")
        && (subtype.eq_ignore_ascii_case("json")
            || subtype.get(subtype.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case("+json")))
}

/// Whether one can be read as the other: both are JSON, or they have one name.
pub(super) fn is_like(one: &str, other: &str) -> bool {
    (is_json(one) && is_json(other)) || name(meant(one)).eq_ignore_ascii_case(name(meant(other)))
}

/// Without parameters such as a charset.
fn name(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_many_names_and_nothing_else_is_like_it() {
        for json in ["", "application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is_json(json) && is_like(json, JSON), "{json:?}");
            assert!(!is_like(json, "application/octet-stream"), "{json:?}");
        }
        for other in ["text/plain", "application/jsonx", "json", "application/é", "application/grpc"] {
            assert!(!is_json(other) && !is_like(other, ""), "{other:?}");
        }
        assert!(is_like("application/x-protobuf; v=1", "APPLICATION/x-protobuf"));
    }
}
