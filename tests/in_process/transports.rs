//! One line of a configuration chooses how a plugin is reached, and the data plane can be reached over a socket.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, HealthState, Plugin, PluginError, Reply};
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use plugin_transports::{
    grpc::{self, GrpcServerOptions},
    http::{self, ServerOptions},
    inproc::plugin_fn,
    json,
    listen::{SocketPath, UnixSocket, UnixSocketOptions},
    tls::ServerTlsConfig,
    unix::{self, UnixServerOptions},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
};

const LIMIT: Duration = Duration::from_secs(20);

/// Says what it was called with, and the options that it was told.
fn echo(options: impl Fn() -> Value + Clone + Send + Sync + 'static) -> impl Plugin<Bytes, Bytes> {
    json::serve(plugin_fn(move |call: Call<Value>| {
        let options = options();
        async move { Ok::<_, PluginError>(Reply::new(json!({"said": call.into_payload(), "options": options}))) }
    }))
}

fn nothing() -> Value {
    Value::Null
}

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

async fn socket(dir: &TempDir, name: &str) -> UnixSocket {
    let path: SocketPath = dir.path().join(name).to_str().expect("text").parse().expect("a path");
    UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("a socket")
}

async fn gateway(dir: &TempDir, plugins: &Value) -> Running {
    for _ in 0..20 {
        let (data, admin) = (port().await.local_addr(), port().await.local_addr());
        let [data, admin] = [data, admin].map(|address| address.expect("bound").to_string());
        let server = json!({"listen": data, "unix": {"path": "gateway.sock", "mode": "0600"}});
        let text = json!({"server": server, "admin": {"listen": admin}, "plugins": plugins}).to_string();
        let config = config::from_text(&dir.path().join("gateway.json"), &text, None, &|_| None);
        // Somebody else may have taken a port meanwhile.
        match Running::start(&config.unwrap_or_else(|faults| panic!("{faults}")), &Factories::new()).await {
            Ok(running) => return running,
            Err(error) => eprintln!("{error}"),
        }
    }
    panic!("it does not start")
}

/// A call through the data plane's socket, as curl makes it with `--unix-socket`: the status, and the answer.
async fn post(socket: &Path, plugin: &str, payload: &str) -> (String, Value) {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.expect("the socket");
        let head = format!("POST /v1/plugins/{plugin} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", payload.len());
        stream.write_all(format!("{head}{payload}").as_bytes()).await.expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).expect("a status").to_owned(), serde_json::from_str(body).expect(body))
    };
    tokio::time::timeout(LIMIT, exchange).await.expect("in time")
}

#[tokio::test]
async fn one_line_chooses_the_transport_and_every_plugin_answers_through_the_socket_of_the_data_plane() {
    let dir = tempfile::tempdir().expect("a directory");
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| dir.path().join(name));
    for path in [&cert, &ca] {
        std::fs::write(path, certified.cert.pem()).expect("a file");
    }
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("a file");
    let tls = ServerTlsConfig::new(&cert, &key).build().expect("good files");

    let told = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let init = {
        let told = std::sync::Arc::clone(&told);
        move |options: Bytes| {
            *told.lock().expect("sound") = serde_json::from_slice(&options).expect("JSON");
            std::future::ready(Ok(()))
        }
    };
    let options = move || told.lock().expect("sound").clone();

    let http = http::serve(echo(nothing), port().await, ServerOptions::new()).expect("bound");
    let https = http::serve(echo(nothing), port().await, ServerOptions::new().with_tls(tls.clone())).expect("bound");
    let grpc = grpc::serve(echo(options), port().await, GrpcServerOptions::new().with_init(init)).expect("bound");
    let grpc_tls = GrpcServerOptions::new().with_tls(tls);
    let grpc_tls = grpc::serve(echo(nothing), port().await, grpc_tls).expect("bound");
    let _lines = unix::serve(echo(nothing), socket(&dir, "l").await, UnixServerOptions::new()).expect("bound");
    let _h2 = http::serve(echo(nothing), socket(&dir, "h").await, ServerOptions::new()).expect("bound");
    let _unix_grpc = grpc::serve(echo(nothing), socket(&dir, "g").await, GrpcServerOptions::new()).expect("bound");

    let plugins = json!([
        {"name": "http", "transport": "http", "endpoint": format!("http://{}/", http.local_addr())},
        {"name": "https", "transport": "https", "endpoint": format!("https://{}/", https.local_addr()), "auth": {"ca_file": "ca.pem"}},
        {"name": "grpc", "transport": "grpc", "endpoint": grpc.local_addr().to_string(), "options": {"unit": "m"}},
        {"name": "grpc-tls", "transport": "grpc-tls", "endpoint": grpc_tls.local_addr().to_string(), "auth": {"ca_file": "ca.pem"}},
        // A path starts from the directory of the file.
        {"name": "unix", "transport": "unix", "endpoint": "l"},
        {"name": "unix-h2", "transport": "unix-h2", "endpoint": "./h"},
        {"name": "unix-http1", "transport": "http", "endpoint": "unix:h:/any/path"},
        {"name": "unix-grpc", "transport": "unix-grpc", "endpoint": format!("unix:{}", dir.path().join("g").display())},
    ]);
    let running = gateway(&dir, &plugins).await;
    let path = running.gateway().data_socket().expect("configured");
    let path = path.file().expect("a file");
    for plugin in plugins.as_array().expect("a list") {
        let name = plugin["name"].as_str().expect("text");
        let expected = json!({"said": {"name": name}, "options": plugin["options"]});
        assert_eq!(post(path, name, &json!({"name": name}).to_string()).await, ("200".to_owned(), expected), "{name}");
        let view = running.manager().get(name).expect("registered");
        assert_eq!(view.info.transport, plugin["transport"].as_str().expect("text"));
    }
    for name in plugins.as_array().expect("a list").iter().filter_map(|plugin| plugin["name"].as_str()) {
        let check = running.manager().get(name).expect("registered").controls.health_checks.remove(0);
        let health = tokio::time::timeout(LIMIT, check.check_now()).await.expect("in time");
        assert_eq!(health.state, HealthState::Healthy, "{name}: {health:?}");
    }
    let path = path.to_owned();
    assert!(running.shutdown().await.is_clean());
    assert!(!path.exists(), "its file goes with it");
}

#[test]
fn an_endpoint_of_another_transport_is_said_to_be_one() {
    for (transport, endpoint, says) in [
        ("http", "https://h/", "is it `transport: https`?"),
        ("https", "http://h/", "is it `transport: http`?"),
        ("https", "unix:/run/p", "is it `transport: unix-h2`?"),
        ("http", "grpc://h:1", "is it `transport: grpc`?"),
        ("grpc", "https://h:1", "is it `transport: grpc-tls`?"),
        ("grpc-tls", "grpc://h:1", "is it `transport: grpc`?"),
        ("grpc-tls", "unix:/run/p", "is it `transport: unix-grpc`?"),
        ("grpc", "localhost", "has no port"),
        ("unix", "127.0.0.1:9", "is it `transport: grpc`?"),
        ("unix", "http://h/", "is it `transport: http`?"),
        ("unix-grpc", "http://h:1", "is it `transport: grpc`?"),
        ("unix", "unix://h/p", "names a host"),
        (
            "unix",
            "/a/very/long/path/that/does/not/fit/into/the/address/of/a/socket/which/has/no/more/than/one/hundred/and/seven/bytes",
            "107 at most",
        ),
    ] {
        let text = json!({"plugins": [{"name": "p", "transport": transport, "endpoint": endpoint}]}).to_string();
        let faults = config::from_text("gateway.json".as_ref(), &text, None, &|_| None).expect_err(endpoint);
        assert!(faults.to_string().contains(says), "{transport} {endpoint}: {faults}");
    }
}

#[test]
fn a_setting_of_another_transport_is_a_fault() {
    for (transport, more, says) in [
        ("unix", json!({"options": {"a": 1}}), "options"),
        ("unix", json!({"health_check": {"endpoint": "/up"}}), "endpoint"),
        ("grpc", json!({"connection": {"keep_alive": false}}), "keep_alive"),
        ("unix", json!({"connection": {"disable_compression": true}}), "disable_compression"),
    ] {
        let mut plugin = json!({"name": "p", "transport": transport, "endpoint": "h:1"});
        for (key, value) in more.as_object().expect("an object") {
            plugin[key] = value.clone();
        }
        let text = json!({"plugins": [plugin]}).to_string();
        let faults = config::from_text("gateway.json".as_ref(), &text, None, &|_| None).expect_err(transport);
        assert!(faults.to_string().contains(says), "{transport} {more}: {faults}");
    }
}

#[test]
fn what_is_wrong_with_the_socket_of_the_data_plane_is_said_where_it_stands() {
    for (unix, says) in [
        (
            json!({"path": "g.sock", "mode": "rw"}),
            "is no mode: it is text, a zero and three octal digits, such as \"0660\"",
        ),
        (json!({"path": "g.sock", "mode": 432}), "is no mode"),
        (json!({"path": "g.sock", "mode": "7777"}), "is no mode"),
        (json!({"path": "@g", "mode": "0600"}), "an abstract name, which has no mode"),
        (json!({"path": "g.sock", "allowed_uids": ["root"]}), "a number, as `id` shows it"),
        (json!({"mode": "0600"}), "path"),
    ] {
        let text = json!({"plugins": [], "server": {"unix": unix}}).to_string();
        let faults = config::from_text("gateway.json".as_ref(), &text, None, &|_| None).expect_err(says);
        assert!(faults.to_string().contains(says), "{unix}: {faults}");
    }
}

#[tokio::test]
async fn the_ping_of_a_health_check_is_one_to_a_plugin_over_a_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = socket(&dir, "plugin.sock").await;
    let server = unix::serve(echo(nothing), socket, UnixServerOptions::new()).expect("it serves");
    let ping = plugin_health::probes::unix_ping(dir.path().join("plugin.sock"));
    let status = plugin_health::ask(&ping, LIMIT).await;
    assert_eq!((status.state, status.message.as_str()), (HealthState::Healthy, ""));
    server.shutdown(LIMIT).await.expect("an orderly end");
    assert_eq!(plugin_health::ask(&ping, LIMIT).await.state, HealthState::Unhealthy);
}
