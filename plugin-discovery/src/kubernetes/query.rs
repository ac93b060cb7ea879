//! The paths that are asked for.

use std::fmt::Write as _;
use std::time::Duration;

/// How many slices are asked for at once. A slice has 100 endpoints unless the cluster is told otherwise, and at most 1,000.
const SLICES_A_PAGE: usize = 100;

/// The slices of one Service. The names of both are such as stand in a path as they are.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) namespace: &'a str,
    pub(super) service: &'a str,
}

impl Query<'_> {
    fn slices(&self) -> String {
        let Self { namespace, service } = self;
        format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
        )
    }

    /// One page of all slices, from where the last one ended. Without a version, which asks for what holds now.
    pub(super) fn page(&self, next: Option<&str>) -> String {
        let mut path = format!("{}&limit={SLICES_A_PAGE}", self.slices());
        if let Some(next) = next {
            path.push_str("&continue=");
            escape(next, &mut path);
        }
        path
    }

    /// All slices in one answer.
    pub(super) fn whole(&self) -> String {
        self.slices()
    }

    /// What changes after this version, and now and then what the version is (bookmarks).
    pub(super) fn watch(&self, version: &str, time: Duration) -> String {
        let mut path = format!("{}&watch=true&allowWatchBookmarks=true", self.slices());
        // Writing to a text does not fail.
        let _ = write!(path, "&timeoutSeconds={}&resourceVersion=", time.as_secs().max(1));
        escape(version, &mut path);
        path
    }
}

fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Query<'static> = Query { namespace: "shop", service: "payments" };
    const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
                          ?labelSelector=kubernetes.io%2Fservice-name%3Dpayments";

    #[test]
    fn a_page_is_asked_for_by_what_the_last_one_said_whatever_it_is() {
        assert_eq!(QUERY.page(None), format!("{SLICES}&limit=100"));
        assert_eq!(QUERY.page(Some("a+/=&é")), format!("{SLICES}&limit=100&continue=a%2B%2F%3D%26%C3%A9"));
        assert_eq!(QUERY.whole(), SLICES);
    }

    #[test]
    fn a_watch_begins_after_a_version_and_lasts_for_whole_seconds() {
        let rest = "&watch=true&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion=12%2034";
        assert_eq!(QUERY.watch("12 34", Duration::from_millis(150_900)), format!("{SLICES}{rest}"));
    }
}
