//! What is said of certificates.

use plugin_core::in_days;
use serde_json::Value;

use super::{ages::Ages, values::text};

/// `localhost, 127.0.0.1, ends in 29 days`, and what is wrong with the files where they are not in use.
pub(super) fn said(certificate: &Value, ages: &Ages) -> String {
    let names: Vec<_> = certificate["names"].as_array().into_iter().flatten().map(text).collect();
    let mut said = match names.as_slice() {
        [] => "no client certificate".to_owned(),
        names => names.join(", "),
    };
    if certificate["valid_until_ms"].is_u64() {
        said.push_str(&match ages.until(&certificate["valid_until_ms"]) {
            Some(left) => format!(", ends in {}", in_days(left)),
            None => format!(", has ended {} ago", in_days(ages.past(&certificate["valid_until_ms"]))),
        });
        if certificate["ends_soon"] == true {
            said.push_str(" and has not been renewed");
        }
    }
    if let Some(refused) = certificate["refused"].as_str() {
        let since = in_days(ages.past(&certificate["refused_since_ms"]));
        said.push_str(&match certificate["unanswered"] == true {
            // It may be what is in use.
            true => format!("; what its files hold is not known, as was told {since} ago: {refused}"),
            false => format!("; what its files hold for {since} is not used: {refused}"),
        });
    }
    said
}

/// Whether somebody has to look after it.
pub(super) fn is_in_trouble(certificate: &Value) -> bool {
    certificate["ends_soon"] == true || certificate["refused"].is_string()
}

/// Whose it is.
pub(super) fn owner(certificate: &Value) -> String {
    match certificate["listener"].as_str() {
        Some(listener) => listener.to_owned(),
        None => format!("plugin {}", text(&certificate["plugin"])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_certificate_is_told_with_its_end_and_with_what_is_wrong_with_a_new_one() {
        let ages = Ages::at(100 * DAY * 1000);
        for (certificate, says, trouble) in [
            (
                json!({"names": ["a.example", "127.0.0.1"], "valid_until_ms": 129 * DAY * 1000 + 5000, "ends_soon": false}),
                "a.example, 127.0.0.1, ends in 29 days",
                false,
            ),
            (
                json!({"names": ["a"], "valid_until_ms": 100 * DAY * 1000 + 7_200_000, "ends_soon": true}),
                "a, ends in 2h and has not been renewed",
                true,
            ),
            (
                json!({"names": ["a"], "valid_until_ms": 97 * DAY * 1000, "ends_soon": true}),
                "a, has ended 3 days ago and has not been renewed",
                true,
            ),
            (
                json!({"ends_soon": false, "refused": "`ca_file` \"/a\" is not there", "refused_since_ms": 100 * DAY * 1000 - 60_000}),
                "no client certificate; what its files hold for 1m is not used: `ca_file` \"/a\" is not there",
                true,
            ),
            (
                json!({"names": ["a"], "refused": "`cert_file` \"/a\" has not been read for a minute",
                       "refused_since_ms": 100 * DAY * 1000 - 60_000, "unanswered": true}),
                "a; what its files hold is not known, as was told 1m ago: `cert_file` \"/a\" has not been read for a minute",
                true,
            ),
        ] {
            assert_eq!(said(&certificate, &ages), says);
            assert_eq!(is_in_trouble(&certificate), trouble, "{says}");
        }
    }
}
