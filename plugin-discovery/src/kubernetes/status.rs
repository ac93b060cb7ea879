//! What an answer that is no success says.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use plugin_core::{classify::retry_after, clock};

use super::{failure::Failure, object::Object, query::Query};
use crate::FaultKind;

/// The most that is shown of what the API server says.
const SHOWN: usize = 300;

/// The failure that a status stands for. A body that is no `Status` says nothing.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], query: &Query<'_>) -> Failure {
    let said: Object = serde_json::from_slice(body).unwrap_or_default();
    let Query { namespace, service } = query;
    let what = match status {
        StatusCode::UNAUTHORIZED => {
            "the API server does not know who asks (401): the token or certificate has expired, or is of another cluster".to_owned()
        }
        StatusCode::FORBIDDEN => format!(
            "the EndpointSlices of `{service}` may not be read (403): in namespace `{namespace}` the account needs a Role with \
             apiGroups [discovery.k8s.io], resources [endpointslices], verbs [list, watch], and a RoleBinding to it"
        ),
        StatusCode::NOT_FOUND => {
            "there are no EndpointSlices here (404): this is no API server, or one before Kubernetes 1.21".to_owned()
        }
        StatusCode::TOO_MANY_REQUESTS => "the API server has no room for a request (429)".to_owned(),
        status => format!("the API server answers with {}", status.as_u16()),
    };
    let wait = retry_after::from_http(headers, clock::wall());
    Failure { retry_after: wait, ..Failure::new(FaultKind::Refused, with_words(what, said.message.as_deref())) }
}

/// The failure that an event of the type `ERROR` stands for. What is gone is not one.
pub(super) fn reported(said: &Object) -> Failure {
    let code = said.code.map_or_else(String::new, |code| format!(" ({code})"));
    let what = format!("the API server ended the watch with an error{code}");
    Failure::new(FaultKind::Refused, with_words(what, said.message.as_deref())).listing_again()
}

fn with_words(what: String, said: Option<&str>) -> String {
    let Some(said) = said.filter(|said| !said.is_empty()) else { return what };
    let end = said.char_indices().nth(SHOWN).map_or(said.len(), |(at, _)| at);
    let (shown, more) = (said.get(..end).unwrap_or(said), if end < said.len() { "…" } else { "" });
    format!("{what}; it says: {shown}{more}")
}

/// The longest that a server is believed which says when to come back.
pub(super) const LONGEST_PUSH_BACK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Query<'static> = Query { namespace: "shop", service: "payments" };

    fn message(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).expect("a status");
        refused(status, &HeaderMap::new(), body.as_bytes(), &QUERY).message
    }

    #[test]
    fn a_403_names_the_rule_that_is_missing_and_what_the_server_said() {
        let message = message(403, r#"{"kind": "Status", "message": "User \"a\" cannot list\nendpointslices"}"#);
        for part in [
            "namespace `shop`",
            "[discovery.k8s.io]",
            "[endpointslices]",
            "[list, watch]",
            r#"User "a" cannot list\nendp"#,
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_body_that_is_no_status_says_nothing_and_one_without_end_is_cut() {
        assert_eq!(message(502, "<html>"), "the API server answers with 502");
        let long = format!(r#"{{"message": "{}"}}"#, "é".repeat(1000));
        assert!(message(500, &long).chars().count() < 400);
    }

    #[test]
    fn the_time_to_come_back_is_taken_from_the_header() {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, http::HeaderValue::from_static("7"))]);
        let failure = refused(StatusCode::TOO_MANY_REQUESTS, &headers, b"", &QUERY);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }
}
