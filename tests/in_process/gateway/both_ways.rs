//! A plain name goes straight to its plugin, and one with an escaped letter by the router and its layers.

use plugin_manager::server::AccessLog;

use super::*;

/// What is sent, and how it is answered.
struct Row {
    to: SocketAddr,
    headers: [(&'static str, &'static str); 1],
    plain: &'static str,
    escaped: &'static str,
    body: &'static str,
    status: u16,
}

const NOTHING: (&str, &str) = ("accept", "*/*");
const ECHO: [&str; 2] = ["echo", "ech%6f"];

fn row(
    to: SocketAddr,
    header: (&'static str, &'static str),
    [plain, escaped]: [&'static str; 2],
    body: &'static str,
    status: u16,
) -> Row {
    Row { to, headers: [header], plain, escaped, body, status }
}

#[tokio::test]
async fn a_request_is_answered_alike_on_both_ways_to_a_plugin() {
    let (open, manager) = gateway().await;
    register(&manager, "breaks", StackSettings::default(), |_| async { panic!("on purpose") });
    let verifier = Verifier::new().with_bearer("billing", "s3cret");
    let closed = Gateway::start(manager.clone(), loopback().with_verifier(verifier)).await.expect("free ports");
    let logged = Gateway::start(manager, loopback().with_access_log(AccessLog::All)).await.expect("free ports");
    let mut rows = Vec::new();
    for to in [open.data_addr(), logged.data_addr()] {
        rows.extend([
            row(to, ("x-max-retries", "0"), ECHO, "[1]", 200),
            row(to, ("x-max-retries", "many"), ECHO, "[1]", 400),
            row(to, ("host", "elsewhere.example"), ECHO, "[1]", 403),
            row(to, ("origin", "https://elsewhere.example"), ECHO, "[1]", 403),
            row(to, ("content-encoding", "gzip"), ECHO, "[1]", 415),
            row(to, NOTHING, ECHO, "{", 400),
            row(to, NOTHING, ["echo?x=1", "ech%6f?x=1"], "[1]", 400),
            row(to, NOTHING, ["nobody", "nobod%79"], "[1]", 404),
            row(to, NOTHING, ["fail", "fai%6c"], "[1]", 502),
            row(to, NOTHING, ["breaks", "break%73"], "[1]", 502),
        ]);
    }
    rows.push(row(closed.data_addr(), ("authorization", "Bearer s3cret"), ECHO, "[1]", 200));
    rows.push(row(closed.data_addr(), ("authorization", "Bearer guess"), ECHO, "[1]", 401));
    for Row { to, headers, plain, escaped, body, status } in rows {
        let headers = [headers[0], ("x-request-id", "r1")];
        let ask = async |name: &str| {
            let mut answer = post(to, &format!("/v1/plugins/{name}"), &headers, body).await;
            answer.headers.remove("date");
            (answer.status.as_u16(), answer.headers, answer.body)
        };
        let (straight, routed) = (ask(plain).await, ask(escaped).await);
        assert_eq!(straight, routed, "{plain} {headers:?}");
        assert_eq!(straight.0, status, "{plain} {headers:?}: {straight:?}");
        assert_eq!(straight.1["x-request-id"], "r1");
    }
}
