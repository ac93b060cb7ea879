//! The gateway over real sockets: what a caller gets for good and for bad requests, and what an operator sees.

mod both_ways;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{Call, Code, PluginError, PluginInfo, PluginInstance, Reply};
use plugin_manager::{
    manager::Manager,
    server::{Access, ErrorDetail, Gateway, GatewaySettings, Role},
    stack::{Instance, StackSettings},
};
use plugin_ratelimit::RateLimitConfig;
use plugin_transports::auth::{Identity, Verifier};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::service_fn;

const LIMIT: Duration = Duration::from_secs(20);

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The status and code of a problem document.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{:?}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()));
        (self.status.as_u16(), problem["code"].as_str().expect("a code").to_owned())
    }
}

async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    };
    tokio::time::timeout(LIMIT, exchange).await.expect("in time")
}

async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut request = Request::post(format!("http://{address}{path}")).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::new(body.into())).expect("valid")).await
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(Request::get(format!("http://{address}{path}")).body(Full::default()).expect("valid")).await
}

type Reply1 = Result<Reply<Bytes>, PluginError>;

fn register<F, Fut>(manager: &Manager<Bytes, Bytes>, name: &str, settings: StackSettings, plugin: F)
where
    F: Fn(Call<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Reply1> + Send + 'static,
{
    let info = PluginInfo::new(name, "1.2.3").with_transport("inproc");
    let instance = Instance::new("only", PluginInstance::new(service_fn(plugin), info));
    let registration = settings.build(name, vec![instance]).expect("one instance");
    manager.register_with(name, registration).expect("a free name");
}

fn loopback() -> GatewaySettings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    GatewaySettings::default().with_listen(any).with_admin_listen(any).with_max_body(1 << 20)
}

async fn gateway() -> (Gateway, Manager<Bytes, Bytes>) {
    let manager = Manager::new();
    register(&manager, "echo", StackSettings::default(), |call| {
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    register(&manager, "fail", StackSettings::default(), |_| {
        std::future::ready(Err(PluginError::execution("no such user").with_detail("looked in the users table")))
    });
    register(&manager, "hang", StackSettings::default(), |_| std::future::pending());
    let gateway = Gateway::start(manager.clone(), loopback()).await.expect("free ports");
    gateway.set_ready();
    (gateway, manager)
}

#[tokio::test]
async fn a_call_carries_its_payload_its_id_and_its_headers() {
    let (gateway, manager) = gateway().await;
    register(&manager, "context", StackSettings::default(), |call| {
        let context = call.context();
        let told = json!({
            "id": context.request_id().to_string(),
            "retries": context.max_retries(),
            "affinity": context.affinity().is_some(),
            "idempotent": context.idempotent(),
            "tenant": context.headers().and_then(|h| h.get("x-plugin-tenant")).map(|v| v.to_str().expect("text")),
            "authorization": context.headers().is_some_and(|headers| headers.contains_key("authorization")),
        });
        std::future::ready(Ok(Reply::new(told.to_string().into())))
    });
    let answer = post(gateway.data_addr(), "/v1/plugins/echo", &[], r#"{"a":[1,2.5,"ü"]}"#).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"a":[1,2.5,"ü"]}"#));
    assert_eq!(answer.headers["x-request-id"].len(), 32, "an id is made when the caller brings none");
    let headers = [
        ("x-request-id", "order-17"),
        ("x-max-retries", "0"),
        ("x-affinity-key", "user-1"),
        ("idempotency-key", "k"),
        ("x-plugin-tenant", "t"),
        ("authorization", "Bearer secret"),
    ];
    let answer = post(gateway.data_addr(), "/v1/plugins/context", &headers, "null").await;
    assert_eq!(answer.headers["x-request-id"], "order-17");
    let expected = json!({"id": "order-17", "retries": 0, "affinity": true, "idempotent": true, "tenant": "t",
        "authorization": false});
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn each_bad_request_gets_its_own_status_and_code() {
    let (gateway, _manager) = gateway().await;
    let data = gateway.data_addr();
    let status =
        async |path: &str, headers: &[(&str, &str)], body: Bytes| post(data, path, headers, body).await.problem();
    let bad = |status: u16, code: Code| (status, code.as_str().to_owned());
    assert_eq!(status("/v1/plugins/nobody", &[], "1".into()).await, bad(404, Code::NotFound));
    assert_eq!(status("/v1/plugins/echo", &[], "{".into()).await, bad(400, Code::InvalidPayload));
    assert_eq!(status("/v1/plugins/echo", &[], Bytes::new()).await, bad(400, Code::InvalidPayload));
    assert_eq!(status("/v1/plugins/echo", &[], "\"\u{0}\"".into()).await, bad(400, Code::InvalidPayload));
    let headers = [("x-request-timeout", "5")];
    assert_eq!(status("/v1/plugins/echo", &headers, "1".into()).await, bad(400, Code::InvalidPayload));
    assert_eq!(status("/v1/plugins/fail", &[], "1".into()).await, bad(502, Code::ExecutionFailed));
    let headers = [("x-request-timeout", "50ms")];
    assert_eq!(status("/v1/plugins/hang", &headers, "1".into()).await, bad(504, Code::Timeout));
    assert_eq!(status("/v1/plugins/%ff", &[], "1".into()).await, bad(400, Code::InvalidName));
    let deep = "[".repeat(100_000);
    assert_eq!(status("/v1/plugins/echo", &[], deep.into()).await, bad(400, Code::InvalidPayload));
    let answer = post(data, "/v1/plugins/fail", &[], "1").await;
    assert_eq!(answer.json()["plugin_detail"], "looked in the users table");
    assert_eq!(answer.json()["plugin"], "fail");
    let other = get(data, "/v1/plugins/echo").await;
    assert_eq!(
        (other.problem(), &other.headers["allow"]),
        (bad(405, Code::InvalidPayload), &"POST".parse().expect("one"))
    );
    assert_eq!(get(data, "/elsewhere").await.problem(), bad(404, Code::InvalidPayload));
}

#[tokio::test]
async fn a_fault_names_the_request_and_the_plugin_whatever_is_wrong_with_it() {
    let (gateway, _manager) = gateway().await;
    let data = gateway.data_addr();
    for (path, header) in [
        ("/v1/plugins/echo", ("x-request-timeout", "5")),
        ("/v1/plugins/echo", ("x-max-retries", "many")),
        ("/v1/plugins/echo?timeout=5s", ("x-priority", "1")),
    ] {
        let answer = post(data, path, &[("x-request-id", "r-17"), header], "1").await;
        assert_eq!(answer.problem(), (400, "PLUGIN_1206".to_owned()), "{path} {header:?}");
        let told = answer.json();
        assert_eq!(
            (&told["request_id"], &told["plugin"], &told["sent"]),
            (&json!("r-17"), &json!("echo"), &json!("no"))
        );
        assert_eq!(answer.headers["x-request-id"], "r-17");
    }
    let answer = post(data, "/v1/plugins/echo", &[("x-request-id", "a b")], "1").await;
    assert_eq!(answer.json()["request_id"], answer.headers["x-request-id"].to_str().expect("text"), "one of our own");
}

#[tokio::test]
async fn each_plane_says_what_it_is_to_who_meant_the_other_one_and_speaks_in_problems_only() {
    let (gateway, _manager) = gateway().await;
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    let says = |answer: &Answer, text: &str| {
        let detail = answer.json()["detail"].as_str().expect("one").to_owned();
        assert!(detail.contains(text), "{detail}");
    };
    let answer = get(data, "/admin/v1/plugins").await;
    assert_eq!(answer.problem().0, 404);
    says(&answer, "this is the data plane");
    let answer = post(admin, "/v1/plugins/echo", &[], "1").await;
    assert_eq!(answer.problem().0, 404);
    says(&answer, "this is the admin plane; plugins are called at the data plane");
    let answer = get(admin, "/admin/v1/plugins/echo/drain").await;
    assert_eq!((answer.problem().0, &answer.headers["allow"]), (405, &"POST".parse().expect("one")));
    assert_eq!(get(admin, "/admin/v1/plugins/%ff").await.problem(), (400, "PLUGIN_1001".to_owned()));
    let answer = post(admin, "/admin/v1/plugins/echo/drain?timout=5s", &[], "").await;
    assert_eq!(answer.problem(), (400, "PLUGIN_1206".to_owned()));
    says(&answer, "did you mean \"timeout\"?");
    assert_eq!(post(data, "/v1/plugins/echo", &[], "1").await.status, StatusCode::OK, "nothing was drained");
    assert_eq!(post(admin, "/admin/v1/plugins/echo/disable?now=1", &[], "").await.problem().0, 400);
}

#[tokio::test]
async fn how_much_is_told_of_a_fault_is_the_operators_choice() {
    let beneath = || std::io::Error::other("10.0.0.7:5432 refused");
    for (detail, message, plugin_detail, causes) in [
        (ErrorDetail::Code, json!(null), json!(null), json!(null)),
        (ErrorDetail::Message, json!("no user"), json!("looked"), json!(null)),
        (ErrorDetail::Full, json!("no user in /etc/users"), json!("looked"), json!(["10.0.0.7:5432 refused"])),
    ] {
        let manager = Manager::new();
        register(&manager, "fail", StackSettings::default(), move |_| {
            let error = PluginError::execution("no user in /etc/users").with_message_for_callers("no user");
            std::future::ready(Err(error.with_detail("looked").with_source(beneath())))
        });
        register(&manager, "died", StackSettings::default(), move |_| {
            std::future::ready(Err(PluginError::execution("it died").with_detail_for_operators("no /etc/users")))
        });
        let settings = loopback().with_error_detail(detail);
        let gateway = Gateway::start(manager, settings).await.expect("free ports");
        let died = post(gateway.data_addr(), "/v1/plugins/died", &[], "1").await.json();
        assert_eq!(died["plugin_detail"].is_null(), detail != ErrorDetail::Full, "{died:#}");
        let told = post(gateway.data_addr(), "/v1/plugins/fail", &[], "1").await.json();
        assert_eq!((&told["detail"], &told["plugin_detail"], &told["causes"]), (&message, &plugin_detail, &causes));
        assert_eq!((&told["code"], &told["status"]), (&json!("PLUGIN_1203"), &json!(502)), "{detail:?}");
    }
}

#[tokio::test]
async fn a_plane_goes_by_the_names_that_it_is_given_and_its_own() {
    let settings = loopback().with_allowed_hosts(["plugins.example.com"]).with_admin_allowed_hosts(["ops.example.com"]);
    let manager = Manager::new();
    register(&manager, "echo", StackSettings::default(), |call| {
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    let gateway = Gateway::start(manager, settings).await.expect("free ports");
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    for (host, served) in [
        ("plugins.example.com", true),
        ("Plugins.Example.COM:8080", true),
        ("localhost", true),
        ("ops.example.com", false),
        ("x.plugins.example.com", false),
    ] {
        let status = post(data, "/v1/plugins/echo", &[("host", host)], "1").await.status;
        assert_eq!(status == StatusCode::OK, served, "{host}: {status}");
        assert!(served || status == StatusCode::FORBIDDEN, "{host}: {status}");
    }
    let list = async |host| {
        let request = Request::get(format!("http://{admin}/admin/v1/plugins")).header("host", host);
        send(request.body(Full::default()).expect("valid")).await.status
    };
    assert_eq!(list("ops.example.com").await, StatusCode::OK);
    assert_eq!(list("plugins.example.com").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_payload_of_100_mib_is_refused_whether_its_length_is_told_or_not() {
    let (gateway, _manager) = gateway().await;
    let huge = Bytes::from(vec![b'1'; 100 << 20]);
    let client: Client<_, http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>> =
        Client::builder(TokioExecutor::new()).build_http();
    let chunks = huge.chunks(1 << 16).map(|chunk| huge.slice_ref(chunk)).collect::<Vec<_>>();
    let stream = futures_util::stream::iter(
        chunks.into_iter().map(|c| Ok::<_, std::convert::Infallible>(http_body::Frame::data(c))),
    );
    let untold = BodyExt::boxed(http_body_util::StreamBody::new(stream));
    for body in [BodyExt::boxed(Full::new(huge.clone())), untold] {
        let request = Request::post(format!("http://{}/v1/plugins/echo", gateway.data_addr()))
            .header("content-type", "application/json");
        let request = request.body(body).expect("valid");
        // The gateway may answer and close before everything is sent; then the client sees either the answer or a
        // connection that was closed under it, never a success.
        match tokio::time::timeout(LIMIT, client.request(request)).await.expect("in time") {
            Ok(response) => assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE),
            Err(error) => assert!(!error.is_connect(), "{error}"),
        }
    }
    let small = post(gateway.data_addr(), "/v1/plugins/echo", &[], vec![b'1'; (1 << 20) + 1]).await;
    assert_eq!(small.problem(), (413, "PLUGIN_1207".to_owned()));
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back() {
    let (gateway, manager) = gateway().await;
    let limit = RateLimitConfig::builder().with_requests_per_second(0.5).with_burst_size(1).build().expect("in bounds");
    register(&manager, "limited", StackSettings::default().with_rate_limit(limit), |call| {
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    let data = gateway.data_addr();
    assert_eq!(post(data, "/v1/plugins/limited", &[], "1").await.status, StatusCode::OK);
    let refused = post(data, "/v1/plugins/limited", &[], "1").await;
    assert_eq!(refused.problem(), (429, "RATELIMIT_1501".to_owned()));
    assert_eq!(refused.headers["retry-after"], "2");
    for _ in 0..5 {
        assert_eq!(post(data, "/v1/plugins/fail", &[], "1").await.status, StatusCode::BAD_GATEWAY);
    }
    let open = post(data, "/v1/plugins/fail", &[], "1").await;
    assert_eq!(open.problem(), (503, "CIRCUIT_1401".to_owned()));
    assert_eq!(open.headers["retry-after"], "30");
}

#[tokio::test]
async fn the_metrics_count_exactly_and_unknown_names_make_no_series() {
    let (gateway, _manager) = gateway().await;
    let data = gateway.data_addr();
    for _ in 0..7 {
        post(data, "/v1/plugins/echo", &[], "1").await;
    }
    for _ in 0..3 {
        post(data, "/v1/plugins/fail", &[], "1").await;
    }
    let before = get(gateway.admin_addr(), "/metrics").await;
    let has = |text: &str, line: &str| assert!(text.lines().any(|found| found == line), "{line}\n---\n{text}");
    has(before.text(), r#"plugin_requests_total{plugin="echo",status="success"} 7"#);
    has(before.text(), r#"plugin_requests_total{plugin="fail",status="failure"} 3"#);
    has(before.text(), r#"plugin_errors_total{plugin="fail",code="PLUGIN_1203"} 3"#);
    has(before.text(), r#"plugin_request_duration_seconds_count{plugin="echo"} 7"#);
    has(before.text(), r#"plugin_active_requests{plugin="echo"} 0"#);
    has(before.text(), r#"plugin_circuit_breaker_state{plugin="fail"} 0"#);
    post(data, "/v1/plugins/echo", &[], "1").await;
    for number in 0..200 {
        post(data, &format!("/v1/plugins/nobody-{number}"), &[], "1").await;
    }
    let after = get(gateway.admin_addr(), "/metrics").await;
    has(after.text(), r#"plugin_requests_total{plugin="echo",status="success"} 8"#);
    has(after.text(), r#"plugin_request_duration_seconds_count{plugin="echo"} 8"#);
    assert!(!after.text().contains("nobody"));
    assert_eq!(before.text().lines().count(), after.text().lines().count(), "no series has come");
}

#[tokio::test]
async fn an_operator_sees_lists_switches_and_drains() {
    let (gateway, manager) = gateway().await;
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    assert_eq!(get(admin, "/healthz").await.status, StatusCode::OK);
    assert_eq!(get(admin, "/readyz").await.status, StatusCode::OK);
    let plugins = get(admin, "/admin/v1/plugins").await.json();
    let names: Vec<_> = plugins.as_array().expect("a list").iter().map(|plugin| plugin["name"].clone()).collect();
    assert_eq!(names, ["echo", "fail", "hang"]);
    assert_eq!((&plugins[0]["version"], &plugins[0]["transport"]), (&json!("1.2.3"), &json!("inproc")));
    assert_eq!(post(admin, "/admin/v1/plugins/echo/disable", &[], "").await.json()["state"], "disabled");
    assert_eq!(post(data, "/v1/plugins/echo", &[], "1").await.problem(), (503, "PLUGIN_1202".to_owned()));
    assert_eq!(post(admin, "/admin/v1/plugins/echo/enable", &[], "").await.json()["state"], "serving");
    assert_eq!(post(data, "/v1/plugins/echo", &[], "1").await.status, StatusCode::OK);
    assert_eq!(post(admin, "/admin/v1/plugins/nobody/drain", &[], "").await.problem().0, 404);
    assert_eq!(post(admin, "/admin/v1/plugins/echo/drain?timeout=soon", &[], "").await.problem().0, 400);

    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    register(&manager, "slow", StackSettings::default(), move |call| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            Ok(Reply::new(call.into_payload()))
        }
    });
    let call = tokio::spawn(async move { post(data, "/v1/plugins/slow", &[], "7").await });
    while manager.get("slow").expect("registered").in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let drain = tokio::spawn(async move { post(admin, "/admin/v1/plugins/slow/drain?timeout=10s", &[], "").await });
    while manager.get("slow").expect("listed while it drains").state.as_str() != "draining" {
        tokio::task::yield_now().await;
    }
    assert_eq!(post(data, "/v1/plugins/slow", &[], "1").await.problem(), (503, "LIFECYCLE_2101".to_owned()));
    go.notify_one();
    assert_eq!(call.await.expect("no panic").text(), "7");
    assert_eq!(drain.await.expect("no panic").json()["clean"], true);
    assert_eq!(post(data, "/v1/plugins/slow", &[], "1").await.problem(), (503, "LIFECYCLE_2101".to_owned()));
    assert_eq!(get(admin, "/admin/v1/plugins/slow").await.json()["state"], "drained");
    assert_eq!(post(admin, "/admin/v1/plugins/slow/enable", &[], "").await.json()["state"], "serving");
    go.notify_one();
    assert_eq!(post(data, "/v1/plugins/slow", &[], "8").await.text(), "8");
    let status = get(admin, "/admin/v1/status").await.json();
    assert_eq!((&status["plugins"], &status["shutting_down"]), (&json!(4), &json!(false)));
}

#[tokio::test]
async fn shutdown_waits_for_what_is_in_flight_and_refuses_the_rest() {
    let (gateway, manager) = gateway().await;
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    register(&manager, "slow", StackSettings::default(), move |call| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            Ok(Reply::new(call.into_payload()))
        }
    });
    let call = tokio::spawn(async move { post(data, "/v1/plugins/slow", &[], "7").await });
    while manager.get("slow").expect("registered").in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let shutdown = tokio::spawn(gateway.shutdown(LIMIT));
    while !manager.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(admin, "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    go.notify_one();
    assert_eq!(call.await.expect("no panic").text(), "7");
    let report = shutdown.await.expect("no panic");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.plugins.len(), 4);
    assert!(tokio::net::TcpStream::connect(data).await.is_err(), "the port is free");
}

#[tokio::test]
async fn tokens_guard_the_admin_plane_and_not_the_probes() {
    let verifier = Verifier::new().with_bearer("viewer", "look").with_bearer("sre", "turn");
    let role = |who: &Identity| if who.name() == "sre" { Role::Operate } else { Role::Read };
    let settings = loopback().with_access(Access::new(verifier, role));
    let manager = Manager::new();
    register(&manager, "echo", StackSettings::default(), |call| {
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    let gateway = Gateway::start(manager, settings).await.expect("free ports");
    let admin = gateway.admin_addr();
    let status = async |method: Method, path: &str, token: Option<&str>| {
        let mut request = Request::builder().method(method).uri(format!("http://{admin}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(request.body(Full::default()).expect("valid")).await.status.as_u16()
    };
    assert_eq!(status(Method::GET, "/healthz", None).await, 200);
    assert_eq!(status(Method::GET, "/metrics", None).await, 200);
    assert_eq!(status(Method::GET, "/readyz", None).await, 503, "not ready before it says so");
    assert_eq!(status(Method::GET, "/admin/v1/plugins", None).await, 401);
    assert_eq!(status(Method::GET, "/admin/v1/plugins", Some("wrong")).await, 401);
    assert_eq!(status(Method::GET, "/admin/v1/plugins", Some("look")).await, 200);
    assert_eq!(status(Method::POST, "/admin/v1/plugins/echo/disable", Some("look")).await, 403);
    assert_eq!(status(Method::POST, "/admin/v1/plugins/echo/disable", Some("turn")).await, 200);
}

#[tokio::test]
async fn a_plane_that_would_let_anybody_in_does_not_start_and_an_address_in_use_is_named() {
    let start = async |settings| Gateway::start(Manager::new(), settings).await.map(|_| ()).expect_err("refused");
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let data = start(loopback().with_listen(anywhere)).await.to_string();
    assert!(data.contains("server.tls") && data.contains("server.auth"), "{data}");
    let admin = start(loopback().with_admin_listen(anywhere)).await.to_string();
    assert!(admin.contains("admin.tokens"), "{admin}");
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let in_use = start(loopback().with_listen(address)).await.to_string();
    assert!(in_use.contains(&address.to_string()) && in_use.contains("in use"), "{in_use}");
}

#[tokio::test]
async fn the_page_of_a_plugin_shows_its_instances_and_what_its_layers_did() {
    let (gateway, manager) = gateway().await;
    let (data, admin) = (gateway.data_addr(), gateway.admin_addr());
    let mut info = PluginInfo::new("pair", "2.0.0").with_transport("inproc");
    info.metadata.insert("team".to_owned(), "payments".to_owned());
    let instance = |name: &str, enabled: bool| {
        let answers = service_fn(|call: Call<Bytes>| {
            let fails = call.payload().as_ref() == b"\"fail\"";
            let error = || PluginError::execution("as asked");
            std::future::ready(if fails { Err(error()) } else { Ok(Reply::new(call.into_payload())) })
        });
        let instance = Instance::new(name, PluginInstance::new(answers, info.clone()));
        instance.with_weight(3).with_priority(7).with_zone("here").with_enabled(enabled)
    };
    let settings = StackSettings::default()
        .with_rate_limit(RateLimitConfig::builder().with_burst_size(50).build().expect("valid"));
    let registration = settings.build("pair", vec![instance("a", true), instance("b", false)]).expect("two names");
    manager.register_with("pair", registration).expect("a free name");
    for _ in 0..3 {
        assert_eq!(post(data, "/v1/plugins/pair", &[], "1").await.status, StatusCode::OK);
    }
    assert_eq!(post(data, "/v1/plugins/pair", &[("x-max-retries", "0")], "\"fail\"").await.problem().0, 502);

    let page = get(admin, "/admin/v1/plugins/pair").await.json();
    assert_eq!(
        (&page["name"], &page["version"], &page["calls"]["total"]),
        (&json!("pair"), &json!("2.0.0"), &json!(4))
    );
    assert_eq!(page["metadata"], json!({"team": "payments"}));
    let limit = &page["rate_limit"];
    assert_eq!((&limit["enabled"], &limit["allowed"], &limit["refused"]), (&json!(true), &json!(4), &json!(0)));
    assert_eq!((&page["retry"]["enabled"], &page["retry"]["retries"]), (&json!(true), &json!(0)));
    assert_eq!(page["retry"]["gave_up"].as_object().expect("reasons").len(), 7);
    let (a, b) = (&page["instances"][0], &page["instances"][1]);
    for (key, used, idle) in [
        ("name", json!("a"), json!("b")),
        ("zone", json!("here"), json!("here")),
        ("weight", json!(3), json!(3)),
        ("priority", json!(7), json!(7)),
        ("enabled", json!(true), json!(false)),
        ("active", json!(0), json!(0)),
        ("total", json!(4), json!(0)),
        ("ok", json!(3), json!(0)),
        ("failed", json!(1), json!(0)),
        ("health_score", json!(95), json!(100)),
        ("success_rate_percent", json!(75.0), json!(0.0)),
    ] {
        assert_eq!((&a[key], &b[key]), (&used, &idle), "{key}");
    }
    assert_eq!(a["health"], "healthy");
    assert!(a["average_latency"].as_str().is_some_and(|text| text.ends_with('s') && text != "0s"), "{a}");
    let unlimited = get(admin, "/admin/v1/plugins/echo").await.json();
    assert!(unlimited.get("rate_limit").is_none() && unlimited["instances"][0]["name"] == "only", "{unlimited}");
    assert!(get(admin, "/admin/v1/plugins").await.json()[0].get("instances").is_none(), "the list is short");
}
