//! What is listed and watched, and what is published of it.

use plugin_discovery::kubernetes::IpPreference;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_service_is_listed_once_and_watched_from_there() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server));
    let asked = server.list().await;
    assert_eq!(asked.path, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices");
    assert_eq!(asked.query["labelSelector"], "kubernetes.io%2Fservice-name%3Dpayments");
    assert!(!asked.query.contains_key("resourceVersion"), "what holds now");
    assert_eq!(asked.headers["authorization"], "Bearer abc");
    assert_eq!(asked.headers["host"], server.address.to_string());
    asked.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.2"), ready("10.0.0.1")])])).await;
    let asked = server.watch("10").await;
    assert_eq!((asked.query["allowWatchBookmarks"].as_str(), asked.connection), ("true", 1));
    let seconds: u64 = asked.query["timeoutSeconds"].parse().expect("seconds");
    assert!((150..=300).contains(&seconds), "{seconds}");
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.2:80"]);

    let mut watch = asked.begin().await;
    watch.event("ADDED", &slice("b", "11", &[ready("10.0.0.3")])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
    watch.event("MODIFIED", &slice("a", "12", &[ready("10.0.0.1")])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.3:80"]);
    watch.event("DELETED", &slice("b", "13", &[ready("10.0.0.3")])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
    assert!(discovery.fault().is_none());
}

#[tokio::test]
async fn a_watch_that_ends_in_order_goes_on_from_the_last_bookmark_on_the_same_connection() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.event("BOOKMARK", &json!({"kind": "EndpointSlice", "metadata": {"resourceVersion": "55"}})).await;
    watch.end().await;
    let asked = server.watch("55").await;
    assert_eq!(asked.connection, 1);
    let mut watch = asked.begin().await;
    watch.event("ADDED", &slice("b", "56", &[ready("10.0.0.3")])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.3:80"]);
    assert!(discovery.fault().is_none());
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_is_published_when_it_is_whole() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server));
    server.list().await.answer(200, page("10", "to/be=continued", &[slice("a", "1", &[ready("10.0.0.1")])])).await;
    let asked = server.list().await;
    assert_eq!(asked.query["continue"], "to%2Fbe%3Dcontinued");
    assert!(discovery.instances().is_empty(), "half a list is no set");
    asked.answer(200, page("10", "2", &[slice("b", "2", &[ready("10.0.0.2")])])).await;
    let asked = server.list().await;
    assert_eq!(asked.query["continue"], "2");
    asked.answer(200, list("10", &[slice("c", "3", &[ready("10.0.0.3")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
    server.watch("10").await;
}

#[tokio::test]
async fn a_list_that_is_forgotten_between_its_pages_is_taken_whole() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server));
    server.list().await.answer(200, page("10", "next", &[slice("old", "1", &[ready("10.0.0.9")])])).await;
    server.list().await.answer(410, gone().to_string()).await;
    let asked = server.list().await;
    assert!(!asked.query.contains_key("limit") && !asked.query.contains_key("continue"), "{:?}", asked.query);
    asked.answer(200, list("20", &[slice("a", "19", &[ready("10.0.0.1")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
    server.watch("20").await;
    assert!(discovery.fault().is_none());
}

#[tokio::test]
async fn zones_come_along_and_who_ends_drains_until_nobody_else_is_there() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.9"]).await;
    let ending = json!({"addresses": ["10.0.0.2"], "zone": "south",
        "conditions": {"ready": false, "serving": true, "terminating": true}});
    let dead =
        json!({"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": false, "terminating": true}});
    let well = json!({"addresses": ["10.0.0.1"], "zone": "north", "hints": {"forZones": [{"name": "south"}]}});
    watch.event("MODIFIED", &slice("a", "11", &[well, ending.clone(), dead.clone()])).await;
    let set = within(discovery.changed()).await;
    let seen: Vec<_> = set.iter().map(|found| (found.name(), found.zone(), found.is_draining())).collect();
    assert_eq!(seen, [("10.0.0.1:80", Some("north"), false), ("10.0.0.2:80", Some("south"), true)]);
    watch.event("MODIFIED", &slice("a", "12", &[ending, dead.clone()])).await;
    let set = within(discovery.changed()).await;
    assert_eq!((set.len(), set[0].name(), set[0].is_draining()), (1, "10.0.0.2:80", false));
    // Nobody at all: the last good set is kept, which is the rule of every source.
    watch.event("MODIFIED", &slice("a", "13", &[dead])).await;
    fault(&discovery, FaultKind::Empty).await;
    assert_eq!(names(&discovery), ["10.0.0.2:80"]);
}

#[tokio::test]
async fn of_both_families_one_is_published_with_brackets_where_it_has_them() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server).with_families(IpPreference::V6First));
    let mut v6 = slice("v6", "2", &[ready("fd00::1")]);
    v6["addressType"] = json!("IPv6");
    server.list().await.answer(200, list("10", &[slice("v4", "1", &[ready("10.0.0.1")]), v6])).await;
    assert_eq!(changed(&mut discovery).await, ["[fd00::1]:80"]);
    let mut watch = server.watch("10").await.begin().await;
    watch.event("DELETED", &slice("v6", "11", &[])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn events_that_come_in_pieces_and_together_are_the_same() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    let line = |name: &str, address: &str| {
        json!({"type": "ADDED", "object": slice(name, "11", &[ready(address)])}).to_string()
    };
    let text = format!("{}\r\n\n{}\n", line("b", "10.0.0.2"), line("c", "10.0.0.3"));
    for piece in text.as_bytes().chunks(97) {
        watch.bytes(piece).await;
    }
    within(async { while changed(&mut discovery).await.len() < 3 {} }).await;
    assert_eq!(names(&discovery), ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
}

#[tokio::test]
async fn an_event_of_a_kind_that_is_not_known_is_passed_over() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.event("SOMETHING", &slice("b", "11", &[ready("10.0.0.2")])).await;
    watch.event("ADDED", &slice("c", "12", &[ready("10.0.0.3")])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80", "10.0.0.3:80"]);
}

#[tokio::test]
async fn dropping_the_discovery_ends_the_watch() {
    let mut server = ApiServer::start().await;
    let (discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    drop(discovery);
    assert!(watch.is_closed().await);
}

#[tokio::test]
async fn a_bookmark_says_that_what_was_found_still_holds() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.event("ADDED", &slice("b", "11", &[ready("10.0.0.2")])).await;
    assert_eq!(changed(&mut discovery).await.len(), 2);
    server::skip(10 * MINUTE).await;
    assert!(discovery.age().is_some_and(|age| age >= 10 * MINUTE));
    watch.event("BOOKMARK", &json!({"metadata": {"resourceVersion": "55"}})).await;
    within(async {
        while discovery.age().is_some_and(|age| age > MINUTE) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
