//! What a page in a browser on this machine can make it send, requests whose heads are wrong, and what bounds a body: raw
//! bytes on real sockets.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, PluginError, Reply};
use plugin_manager::{
    manager::{Manager, Registration},
    server::{Access, Gateway, GatewaySettings, Role},
};
use plugin_transports::auth::Verifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;

async fn gateway(change: impl FnOnce(GatewaySettings) -> GatewaySettings) -> (Gateway, Manager<Bytes, Bytes>) {
    let manager = Manager::new();
    let echo = service_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    manager.register_with("echo", Registration::new(echo)).expect("a free name");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = change(GatewaySettings::default().with_listen(any).with_admin_listen(any));
    let gateway = Gateway::start(manager.clone(), settings).await.expect("free ports");
    gateway.set_ready();
    (gateway, manager)
}

/// The answer to these bytes, on a connection of their own.
async fn raw(address: SocketAddr, request: &str) -> String {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        // An end or a reset: what came before it is the answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("in time")
}

/// A POST of `1` that asks to close.
fn post(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 1\r\n\r\n1")
}

fn status(answer: &str) -> u16 {
    answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn no_page_of_another_site_and_no_rebound_name_acts() {
    let (gateway, manager) = gateway(|settings| settings).await;
    let json = "content-type: application/json\r\n";
    let pages = [
        "host: localhost\r\norigin: https://evil.example\r\n".to_owned(),
        "host: localhost\r\norigin: null\r\n".to_owned(),
        "host: localhost:9090\r\norigin: http://localhost:3000\r\n".to_owned(),
        "host: 127.0.0.1\r\nsec-fetch-site: cross-site\r\n".to_owned(),
        "host: 127.0.0.1\r\nsec-fetch-site: same-site\r\n".to_owned(),
        "host: evil.example\r\n".to_owned(),
        "host: evil.example\r\norigin: http://evil.example\r\nsec-fetch-site: same-origin\r\n".to_owned(),
        "host: 127.0.0.1.evil.example\r\n".to_owned(),
        "host: 10.0.0.1\r\n".to_owned(),
    ];
    for page in &pages {
        for path in ["disable", "drain", "restart", "enable"] {
            let answer = raw(gateway.admin_addr(), &post(&format!("/admin/v1/plugins/echo/{path}"), page)).await;
            assert_eq!(status(&answer), 403, "{path} {page}: {answer}");
            assert!(answer.contains("AUTH_1107") && answer.contains("application/problem+json"), "{answer}");
        }
        let answer = raw(gateway.data_addr(), &post("/v1/plugins/echo", &format!("{page}{json}"))).await;
        assert_eq!(status(&answer), 403, "{page}: {answer}");
    }
    assert_eq!(manager.get("echo").expect("registered").state.as_str(), "serving");
    let read = "GET /admin/v1/plugins HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&raw(gateway.admin_addr(), read).await), 403, "nor does a rebound name look");
}

#[tokio::test]
async fn who_is_on_this_machine_acts_under_every_name_of_it_and_probes_need_none() {
    let (gateway, _manager) = gateway(|settings| settings).await;
    let port = gateway.admin_addr().port();
    for headers in [
        "host: localhost\r\n".to_owned(),
        format!("host: LOCALHOST:{port}\r\n"),
        format!("host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\nsec-fetch-site: same-origin\r\n"),
        "host: [::1]:1\r\nsec-fetch-site: none\r\n".to_owned(),
    ] {
        let answer = raw(gateway.admin_addr(), &post("/admin/v1/plugins/echo/enable", &headers)).await;
        assert_eq!(status(&answer), 200, "{headers}: {answer}");
        let json = format!("{headers}content-type: application/json\r\n");
        assert_eq!(status(&raw(gateway.data_addr(), &post("/v1/plugins/echo", &json)).await), 200, "{headers}");
    }
    for probe in ["healthz", "readyz", "metrics"] {
        let request = format!("GET /{probe} HTTP/1.1\r\nhost: gateway.svc:9090\r\nconnection: close\r\n\r\n");
        assert_eq!(status(&raw(gateway.admin_addr(), &request).await), 200, "{probe}");
    }
}

#[tokio::test]
async fn a_payload_says_that_it_is_json_and_is_not_compressed() {
    let (gateway, _manager) = gateway(|settings| settings).await;
    for headers in [
        "",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: text/plain\r\n",
        "content-type: text/plain; a=application/json\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        "content-type: application/json; charset=latin1\r\n",
        "content-type: application/json; a=b; Charset=\"utf-16\"\r\n",
    ] {
        let answer =
            raw(gateway.data_addr(), &post("/v1/plugins/echo", &format!("host: localhost\r\n{headers}"))).await;
        assert_eq!(status(&answer), 415, "{headers}: {answer}");
        let says = match headers {
            _ if headers.contains("gzip") => "content-encoding",
            _ if headers.contains("harset") => "JSON is UTF-8",
            _ => "curl --json",
        };
        assert!(answer.contains(says) && answer.contains("PLUGIN_1206"), "{headers}: {answer}");
    }
    for kind in [
        "application/json; charset=utf-8",
        "application/json;a=b; charset=\"UTF-8\"",
        "Application/JSON",
        "application/vnd.x+json",
    ] {
        let headers = format!("host: localhost\r\ncontent-type: {kind}\r\ncontent-encoding: identity\r\n");
        assert_eq!(status(&raw(gateway.data_addr(), &post("/v1/plugins/echo", &headers)).await), 200, "{kind}");
    }
}

#[tokio::test]
async fn a_refusal_names_its_request_also_before_there_is_a_call() {
    let verifier = Verifier::new().with_bearer("ci", "t");
    let access = Access::new(verifier.clone(), |_| Role::Read);
    let (gateway, _manager) = gateway(|settings| settings.with_verifier(verifier).with_access(access)).await;
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    let (call, enable) = ("/v1/plugins/echo", "/admin/v1/plugins/echo/enable");
    for (address, path, headers, expected) in [
        (data, call, "host: localhost\r\n", 401),
        (data, call, "host: evil.example\r\n", 403),
        (data, "/elsewhere", "host: localhost\r\nauthorization: Bearer t\r\n", 404),
        (data, call, "", 400),
        (admin, enable, "host: localhost\r\n", 401),
        (admin, enable, "host: localhost\r\nauthorization: Bearer t\r\n", 403),
        (admin, "/elsewhere", "host: localhost\r\n", 404),
    ] {
        for (said, id) in [("x-request-id: r-17\r\n", Some("r-17")), ("", None), ("x-request-id: a b\r\n", None)] {
            let answer = raw(address, &post(path, &format!("{headers}{said}"))).await;
            assert_eq!(status(&answer), expected, "{path} {headers}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
            let document: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
            let told = document["request_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(head.contains(&format!("x-request-id: {told}")) && told != "a b", "{answer}");
            assert!(id.is_none_or(|id| id == told), "{answer}");
        }
    }
}

#[tokio::test]
async fn no_host_and_two_hosts_are_bad_requests() {
    let (gateway, _manager) = gateway(|settings| settings).await;
    for headers in ["", "host: localhost\r\nhost: localhost\r\n", "host: a b\r\n"] {
        let request = post("/v1/plugins/echo", &format!("{headers}content-type: application/json\r\n"));
        let answer = raw(gateway.data_addr(), &request).await;
        assert_eq!(status(&answer), 400, "{headers}: {answer}");
        assert!(answer.contains("`Host`"), "{headers}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_asked_for() {
    let (gateway, _manager) = gateway(|settings| settings.with_max_body(1000)).await;
    let head = "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let request = format!("{head}expect: 100-continue\r\ncontent-length: 1001\r\n\r\n");
    let answer = raw(gateway.data_addr(), &request).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.contains("PLUGIN_1207") && !answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_a_byte_at_a_time_is_given_up_in_time() {
    let (gateway, _manager) = gateway(|settings| settings.with_body_timeout(Duration::from_millis(100))).await;
    let mut stream = tokio::net::TcpStream::connect(gateway.data_addr()).await.expect("a connection");
    let (mut read, mut write) = stream.split();
    let head = "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    write.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.expect("written");
    let drip = async {
        while write.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let heard = async {
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let both = futures_util::future::join(heard, drip);
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it is given up");
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("did not arrive within 100ms"), "{answer}");
}

#[tokio::test]
async fn no_payload_is_nested_deeper_than_the_bound_or_has_a_number_that_a_parser_gives_up_on() {
    let (gateway, _manager) = gateway(|settings| settings).await;
    let head = "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let call = async |plugin: &str, payload: &str| {
        let length = payload.len();
        let request = format!("POST /v1/plugins/{plugin} HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n{payload}");
        raw(gateway.data_addr(), &request).await
    };
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(status(&call("echo", &nested(128)).await), 200);
    let answer = call("echo", &nested(129)).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("PLUGIN_1206") && answer.contains("`max_json_depth`, which is 128"), "{answer}");
    assert!(answer.contains(r#""sent":"no""#), "{answer}");
    assert_eq!(status(&call("echo", &"7".repeat(4000)).await), 200);
    let answer = call("echo", &"7".repeat(5000)).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("PLUGIN_1206") && answer.contains("a number of more than 4000 characters"), "{answer}");
}

#[tokio::test]
async fn what_is_held_of_payloads_is_bounded_and_given_back_when_their_client_goes() {
    let (gateway, _manager) = gateway(|settings| settings.with_max_bodies(100 << 10)).await;
    let head = |length: usize| {
        format!(
            "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let call = async |length: usize| {
        let payload = format!("\"{}\"", "x".repeat(length - 2));
        raw(gateway.data_addr(), &(head(length) + &payload)).await
    };
    let mut slow = tokio::net::TcpStream::connect(gateway.data_addr()).await.expect("a connection");
    let most = head(80 << 10) + "\"" + &"x".repeat((80 << 10) - 2);
    slow.write_all(most.as_bytes()).await.expect("written");
    let held = async || loop {
        let answer = call(80 << 10).await;
        if status(&answer) != 200 {
            return answer;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), held()).await.expect("the slow one is counted");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("OVERLOAD_2002") && answer.contains("server.max_bodies"), "{answer}");
    assert!(answer.contains(r#""sent":"no""#) && answer.contains(r#""retryable":true"#), "{answer}");
    assert_eq!(status(&call(16 << 10).await), 200, "small ones are not counted");
    drop(slow);
    let free = async || while status(&call(80 << 10).await) != 200 {};
    tokio::time::timeout(Duration::from_secs(20), free()).await.expect("its bytes come back");
}

#[tokio::test]
async fn a_client_that_announces_payloads_and_sends_none_takes_no_room_from_another() {
    let (gateway, _manager) = gateway(|settings| settings.with_max_bodies(100 << 10)).await;
    let request = |sent: usize| {
        format!(
            "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{}",
            80 << 10,
            &format!("\"{}\"", "x".repeat((80 << 10) - 2))[..sent]
        )
    };
    let mut announced = Vec::new();
    for _ in 0..5 {
        let mut stream = tokio::net::TcpStream::connect(gateway.data_addr()).await.expect("a connection");
        stream.write_all(request(10).as_bytes()).await.expect("written");
        announced.push(stream);
    }
    // Those heads were read long ago by then, and nothing else holds what would not leave room for the rest.
    for _ in 0..20 {
        let answer = raw(gateway.data_addr(), &request(80 << 10)).await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
}

#[tokio::test]
async fn replies_that_nobody_takes_are_bounded_and_cost_neither_small_calls_nor_payloads_their_place() {
    // More than any buffer of a connection takes.
    const LARGE: usize = 16 << 20;
    let (gateway, manager) = gateway(|settings| settings.with_max_bodies(20 << 20)).await;
    let reply = Bytes::from("1".repeat(LARGE));
    let large = service_fn(move |_: Call<Bytes>| {
        let reply = Reply::new(reply.clone());
        async move { Ok::<_, PluginError>(reply) }
    });
    manager.register_with("large", Registration::new(large)).expect("a free name");
    let request = |plugin: &str, payload: &str| {
        format!(
            "POST /v1/plugins/{plugin} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{payload}",
            payload.len()
        )
    };
    let data = gateway.data_addr();
    let call = async |plugin: &str, payload: &str| raw(data, &request(plugin, payload)).await;
    let mut unread = tokio::net::TcpStream::connect(data).await.expect("a connection");
    unread.write_all(request("large", "1").as_bytes()).await.expect("written");
    let refused = async || loop {
        let answer = call("large", "1").await;
        if status(&answer) != 200 {
            return answer;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), refused()).await.expect("the unread one is counted");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("OVERLOAD_2002") && answer.contains("server.max_bodies"), "{answer}");
    assert!(answer.contains(r#""sent":"yes""#) && answer.contains(r#""plugin":"large""#), "{answer}");
    // To the plugin it was a success. An operator sees it all the same.
    let metrics =
        raw(gateway.admin_addr(), "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let counted = r#"plugin_manager_rejected_requests_total{code="OVERLOAD_2002",http_status="503"} 1"#;
    let other = r#"plugin_manager_rejected_requests_total{http_status="503",code="OVERLOAD_2002"} 1"#;
    assert!(metrics.contains(counted) || metrics.contains(other), "{metrics}");
    assert_eq!(status(&call("echo", "1").await), 200);
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(status(&call("echo", &text).await), 200, "what is left of both is enough for it");
    drop(unread);
    let free = async || while status(&call("large", "1").await) != 200 {};
    tokio::time::timeout(Duration::from_secs(20), free()).await.expect("its bytes come back");
}

#[tokio::test]
async fn a_client_that_closes_its_side_has_gone_and_hears_only_what_is_answered_at_once() {
    use std::sync::Arc;
    use tokio::sync::Semaphore;
    struct Tells(Arc<Semaphore>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    let (gateway, manager) = gateway(|settings| settings).await;
    let (begun, dropped) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, drops) = (Arc::clone(&begun), Arc::clone(&dropped));
    let hang = service_fn(move |_: Call<Bytes>| {
        begins.add_permits(1);
        let tells = Tells(Arc::clone(&drops));
        async move {
            let _tells = tells;
            std::future::pending::<Result<Reply<Bytes>, PluginError>>().await
        }
    });
    manager.register_with("hang", Registration::new(hang)).expect("a free name");
    let json = "host: localhost\r\ncontent-type: application/json\r\n";
    let heard = async |name: &str, begun: Option<&Semaphore>| {
        let exchange = async {
            let mut stream = tokio::net::TcpStream::connect(gateway.data_addr()).await.expect("a connection");
            let request = post(&format!("/v1/plugins/{name}"), json);
            stream.write_all(request.as_bytes()).await.expect("written");
            if let Some(begun) = begun {
                begun.acquire().await.expect("open").forget();
            }
            stream.shutdown().await.expect("it is open");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("in time")
    };
    assert_eq!(heard("hang", Some(&begun)).await, "");
    let noticed = tokio::time::timeout(Duration::from_secs(20), dropped.acquire()).await;
    noticed.expect("the call is given up").expect("open").forget();
    assert_eq!(status(&heard("nobody", None).await), 404);
}

#[tokio::test]
async fn the_admin_plane_reads_every_parameter_and_says_nothing_of_what_was_sent() {
    let (gateway, _manager) = gateway(|settings| settings).await;
    let admin = gateway.admin_addr();
    let ask = async |method: &str, target: &str| {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw(admin, &request).await;
        let body = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
        (status(&answer), body)
    };
    for path in ["/metrics", "/healthz", "/readyz", "/health", "/admin/v1/status", "/admin/v1/plugins/echo"] {
        assert_eq!(ask("GET", path).await.0, 200, "{path}");
        let (status, body) = ask("GET", &format!("{path}?verbose&x=1")).await;
        if path.starts_with("/admin/") {
            assert!(status == 400 && body.contains("this path takes none"), "{path}: {status} {body}");
        } else {
            assert_eq!(status, 200, "whoever only looks may ask as he likes: {path}: {body}");
        }
    }
    for (target, expected, says) in [
        ("/admin/v1/plugins/echo/drain?timeout=5", 400, "the parameter timeout is no duration"),
        ("/admin/v1/plugins/echo/drain?timout=5s", 400, "did you mean"),
        ("/admin/v1/plugins/echo/drian", 404, "/drain, .../enable, .../disable and .../restart"),
        ("/admin/v1/plugins/nobody/enable", 404, "no plugin has this name"),
        ("/admin/v1/plugins/echo/restart", 409, "no process of its own"),
    ] {
        let (status, body) = ask("POST", target).await;
        assert!(status == expected && body.contains(says), "{target}: {status} {body}");
        assert!(body.contains("\"request_id\"") && !body.contains("\"sent\""), "there is no call: {body}");
    }
}
