//! What goes wrong, what is told of it, and that what was found is kept meanwhile.

use server::skip;

use super::*;

#[tokio::test]
async fn a_version_that_is_gone_is_listed_again_and_nothing_is_lost_in_between() {
    for is_event in [true, false] {
        let mut server = ApiServer::start().await;
        let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
        if is_event {
            watch.event("ERROR", &gone()).await;
        } else {
            watch.end().await;
            server.watch("10").await.answer(410, gone().to_string()).await;
        }
        let asked = server.list().await;
        assert_eq!(names(&discovery), ["10.0.0.1:80"]);
        assert!(discovery.fault().is_none(), "it is no fault: {:?}", discovery.fault());
        // One slice is the same, one is gone, one is new: one change.
        asked.answer(200, list("99", &[slice("b", "98", &[ready("10.0.0.2")])])).await;
        assert_eq!(changed(&mut discovery).await, ["10.0.0.2:80"]);
        server.watch("99").await;
    }
}

#[tokio::test]
async fn a_server_that_forgets_at_once_is_a_fault_and_is_asked_less_and_less() {
    let mut server = ApiServer::start().await;
    let discovery = start(config(&server));
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        server.list().await.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
        server.watch("10").await.answer(410, gone().to_string()).await;
    }
    assert!(fault(&discovery, FaultKind::Refused).await.contains("has forgotten what it listed"));
    // After 1, 2 and 4 seconds, each a tenth more or less.
    assert!(began.elapsed() >= Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_line_goes_on_from_the_last_whole_one() {
    let mut server = ApiServer::start().await;
    let (mut discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.event("ADDED", &slice("b", "11", &[ready("10.0.0.2")])).await;
    assert_eq!(changed(&mut discovery).await.len(), 2);
    watch.bytes(br#"{"type":"DELETED","object":{"metadata":{"name":"b","resourceVersion":"12""#).await;
    drop(watch);
    let asked = server.watch("11").await;
    assert_eq!((asked.connection, names(&discovery).len()), (2, 2));
    assert!(discovery.fault().is_none(), "a watch that was one may end");
    let mut watch = asked.begin().await;
    watch.event("DELETED", &slice("b", "12", &[])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_server_that_cuts_every_watch_at_once_is_a_fault_and_is_asked_at_most_once_a_second() {
    let mut server = ApiServer::start().await;
    let (discovery, watch) = watched(&mut server, &["10.0.0.1"]).await;
    drop(watch);
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        drop(server.watch("10").await.begin().await);
    }
    // After 1, 2, 4 and 8 seconds, each a tenth more or less; set forward on a slow machine, one may seem to have lasted.
    assert!(began.elapsed() >= Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(fault(&discovery, FaultKind::Unreachable).await.starts_with("the watch was cut off"));
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
    let _watch = server.watch("10").await.begin().await;
    recovered(&discovery).await;
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_asked_once_a_second() {
    let mut server = ApiServer::start().await;
    let (discovery, watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.end().await;
    // Here alone the machine's time is waited for: set forward, it would be over before a slow machine has sent the request.
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        let asked = within(server.asked_within(HOUR)).await.expect("within the hour");
        asked.begin().await.end().await;
    }
    // From the first of them two seconds, less the time that it was under way.
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(discovery.fault().is_none(), "{:?}", discovery.fault());
}

#[tokio::test]
async fn a_watch_that_is_silent_is_given_up_and_goes_on_where_it_was() {
    let mut server = ApiServer::start().await;
    let silence = Duration::from_secs(60);
    let (mut discovery, mut watch) =
        watched_with(&mut server, &["10.0.0.1"], |config| config.with_silence_timeout(silence)).await;
    watch.event("ADDED", &slice("b", "11", &[ready("10.0.0.2")])).await;
    assert_eq!(changed(&mut discovery).await.len(), 2);
    skip(silence - Duration::from_secs(5)).await;
    assert!(server.asked_within(Duration::from_millis(50)).await.is_none(), "it is not yet silent for long enough");
    skip(Duration::from_secs(5)).await;
    let asked = server.watch("11").await;
    assert_eq!(asked.connection, 2, "whether the old one is well is not known");
    assert!(watch.is_closed().await && discovery.fault().is_none());
}

#[tokio::test]
async fn a_watch_of_which_nothing_ever_came_is_no_witness_so_that_all_is_listed() {
    let mut server = ApiServer::start().await;
    let silence = Duration::from_secs(60);
    let (mut discovery, _watch) =
        watched_with(&mut server, &["10.0.0.1"], |config| config.with_silence_timeout(silence)).await;
    skip(silence).await;
    server.list().await.answer(200, list("20", &[slice("a", "19", &[ready("10.0.0.2")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.2:80"]);
    server.watch("20").await;
}

#[tokio::test]
async fn a_server_that_says_who_may_not_is_told_with_the_rule_that_is_missing() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server));
    let denied = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message":
        "endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:shop:gateway\" cannot list"});
    server.list().await.answer(403, denied.to_string()).await;
    let message = fault(&discovery, FaultKind::Refused).await;
    for part in ["(403)", "namespace `shop`", "verbs [list, watch]", "system:serviceaccount:shop:gateway"] {
        assert!(message.contains(part), "{message}");
    }
    server.list().await.answer(401, "{}").await;
    within(async {
        while !discovery.fault().is_some_and(|fault| fault.message().contains("does not know who asks (401)")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.list().await.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
    recovered(&discovery).await;
}

#[tokio::test]
async fn a_watch_that_is_refused_for_now_goes_on_where_it_was_and_says_so_meanwhile() {
    for status in [401, 403, 429, 500, 503] {
        let mut server = ApiServer::start().await;
        let (discovery, watch) = watched(&mut server, &["10.0.0.1"]).await;
        watch.end().await;
        server.watch("10").await.answer(status, "{}").await;
        let message = fault(&discovery, FaultKind::Refused).await;
        assert!(message.contains(&status.to_string()), "{message}");
        assert_eq!((names(&discovery).len(), discovery.is_stale()), (1, true));
        let _watch = server.watch("10").await.begin().await;
        recovered(&discovery).await;
    }
}

#[tokio::test]
async fn a_server_without_room_is_asked_again_when_it_says_and_not_before() {
    let mut server = ApiServer::start().await;
    let discovery = start(config(&server));
    let began = tokio::time::Instant::now();
    server.list().await.answer_with(429, "retry-after: 20\r\n", "{}").await;
    fault(&discovery, FaultKind::Refused).await;
    let asked = server.list().await;
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    // One that says tomorrow is not believed.
    drop(asked);
    let began = tokio::time::Instant::now();
    server.list().await.answer_with(503, "retry-after: 86400\r\n", "{}").await;
    let _list = server.list().await;
    assert!(began.elapsed() < HOUR, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_error_that_is_told_in_the_watch_is_a_fault_until_all_was_listed_again() {
    let mut server = ApiServer::start().await;
    let (discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.event("ERROR", &json!({"kind": "Status", "code": 500, "message": "etcd is away"})).await;
    let message = fault(&discovery, FaultKind::Refused).await;
    assert!(message.contains("(500)") && message.contains("etcd is away"), "{message}");
    server.list().await.answer(200, list("20", &[slice("a", "19", &[ready("10.0.0.1")])])).await;
    let _watch = server.watch("20").await.begin().await;
    recovered(&discovery).await;
}

#[tokio::test]
async fn bytes_that_are_none_of_a_watch_are_a_fault_and_all_is_listed_again() {
    for garbage in [&b"\xff\xfe\x00\n"[..], b"<html>\n", b"{\"type\":7}\n", b"[]\n", b"{\"object\":{}}\n"] {
        let mut server = ApiServer::start().await;
        let (discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
        watch.bytes(garbage).await;
        let message = fault(&discovery, FaultKind::Unreadable).await;
        assert!(message.starts_with("a line of the watch cannot be read"), "{message}");
        assert_eq!(names(&discovery), ["10.0.0.1:80"]);
        server.list().await;
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_a_fault() {
    for (body, says) in [
        ("", "cannot be read"),
        ("<html>", "cannot be read"),
        ("{\"items\": 1}", "cannot be read"),
        ("{\"items\": null, \"metadata\": {}}", "has no version"),
    ] {
        let mut server = ApiServer::start().await;
        let discovery = start(config(&server));
        server.list().await.answer(200, body).await;
        let message = fault(&discovery, FaultKind::Unreadable).await;
        assert!(message.contains(says), "{body:?}: {message}");
        server.list().await;
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_given_up_at_its_bound() {
    let mut server = ApiServer::start().await;
    let (discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..9 {
        watch.bytes(&piece).await;
    }
    let message = fault(&discovery, FaultKind::Unreadable).await;
    assert!(message.contains("longer than 8388608 bytes"), "{message}");
    assert!(watch.is_closed().await);
}

#[tokio::test]
async fn a_list_that_is_too_slow_is_given_up_at_its_limit() {
    let mut server = ApiServer::start().await;
    let limit = Duration::from_secs(30);
    let discovery = start(config(&server).with_request_timeout(limit));
    let mut answer = server.list().await.begin().await;
    answer.bytes(b"{\"items\": [").await;
    skip(limit).await;
    let message = fault(&discovery, FaultKind::Unreachable).await;
    assert_eq!(message, "the API server gave no answer within 30s");
}

#[tokio::test]
async fn a_service_that_does_not_exist_or_has_another_port_is_told() {
    let mut server = ApiServer::start().await;
    let discovery = start(config(&server));
    server.list().await.answer(200, list("10", &[])).await;
    let message = fault(&discovery, FaultKind::Absent).await;
    assert!(message.starts_with("Service `payments` has no EndpointSlice"), "{message}");
    let mut watch = server.watch("10").await.begin().await;
    let mut other = slice("a", "11", &[ready("10.0.0.1")]);
    other["ports"] = json!([{"name": "grpc", "port": 50051}]);
    watch.event("ADDED", &other).await;
    let expected = "no endpoint of Service `payments` has port `http`: they have `grpc` 50051";
    within(async {
        while discovery.fault().is_none_or(|fault| fault.message() != expected) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    watch.event("MODIFIED", &slice("a", "12", &[ready("10.0.0.1")])).await;
    recovered(&discovery).await;
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_server_where_there_is_none_is_a_fault_and_is_found_when_it_is_there() {
    let server = ApiServer::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let access = KubernetesAccess::at(format!("https://{address}")).with_ca_file(server.authority.path("ca.crt"));
    let discovery = start(config(&server).with_access(access));
    let message = fault(&discovery, FaultKind::Unreachable).await;
    assert!(message.starts_with(&format!("no connection to https://{address}")), "{message}");
}

#[tokio::test]
async fn a_server_that_takes_a_connection_and_says_nothing_is_given_up_at_the_limit() {
    let server = ApiServer::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let access = KubernetesAccess::at(url).with_ca_file(server.authority.path("ca.crt"));
    let limit = Duration::from_secs(5);
    let discovery = start(config(&server).with_access(access).with_connect_timeout(limit));
    let (_stream, _) = within(silent.accept()).await.expect("a connection");
    skip(limit).await;
    assert_eq!(fault(&discovery, FaultKind::Unreachable).await, "no connection to the API server within 5s");
}

#[tokio::test]
async fn what_is_told_of_a_line_that_is_none_has_a_bound_and_is_one_line() {
    let mut server = ApiServer::start().await;
    let (discovery, mut watch) = watched(&mut server, &["10.0.0.1"]).await;
    let long = "\\n".repeat(100_000);
    watch.bytes(format!("{{\"type\":\"ADDED\",\"object\":{{\"endpoints\":\"{long}\"}}}}\n").as_bytes()).await;
    let message = fault(&discovery, FaultKind::Unreadable).await;
    assert!(message.len() < 4096 && !message.contains('\n'), "{} bytes", message.len());
}

#[tokio::test]
async fn a_connection_that_the_server_closes_between_two_watches_is_no_fault() {
    let mut server = ApiServer::start().await;
    let (mut discovery, watch) = watched(&mut server, &["10.0.0.1"]).await;
    watch.end().await;
    let asked = server.watch("10").await;
    assert_eq!(asked.connection, 1);
    drop(asked);
    let asked = server.watch("10").await;
    assert_eq!((asked.connection, discovery.fault()), (2, None));
    asked.begin().await.event("ADDED", &slice("b", "11", &[ready("10.0.0.2")])).await;
    assert_eq!(changed(&mut discovery).await.len(), 2);
}
