//! What a plugin's server does with what it is sent, by whoever sends it.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use plugin_core::{Call, Code, HealthStatus, PluginError, PluginInfo, Reply};
use plugin_transports::{
    auth::Verifier,
    grpc::{GrpcPluginServer, GrpcServerOptions},
    inproc::plugin_fn,
    listen::{ListenOptions, serve_http},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{codec::CompressionEncoding, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    peer::{Told, ask, framed, message, request},
    support::{call, config, connect, echo, listener, serving, within},
};

const EXECUTE: &str = "/plugin.v1.PluginService/Execute";

/// The status, and the code in its details.
fn said(told: &Told) -> (&str, String) {
    let details = told.headers.get("grpc-status-details-bin").map(|coded| coded.to_str().expect("text").to_owned());
    let bytes = details.map(|coded| {
        use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
        BASE64_STANDARD_NO_PAD.decode(coded).expect("base64")
    });
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let code = Code::ALL.iter().find(|code| text.contains(code.as_str()));
    (told.number(), code.map_or(String::new(), ToString::to_string))
}

#[tokio::test]
async fn a_request_with_a_flaw_is_its_callers_fault_and_is_told_which() {
    let server = serving(echo(), GrpcServerOptions::new().with_max_message(1024)).await;
    let address = server.local_addr();
    let good = framed(0, &message("1"));
    for (more, body, number, code, says) in [
        (&[][..], good[..3].to_vec(), "3", "PLUGIN_1206", "2 bytes too early"),
        (&[], good[..7].to_vec(), "3", "PLUGIN_1206", "too early"),
        (&[], good.repeat(2), "3", "PLUGIN_1206", "more than its one message"),
        (&[], Vec::new(), "3", "PLUGIN_1206", "no message"),
        (&[], framed(1, &message("1")), "3", "PLUGIN_1206", "no `grpc-encoding`"),
        (&[], framed(9, &message("1")), "3", "PLUGIN_1206", "begins with 9"),
        (&[], framed(0, b"\xff\xff"), "3", "PLUGIN_1206", "cannot be read"),
        (&[], framed(0, &message("NaN")), "3", "PLUGIN_1206", "payload is not taken"),
        (&[], vec![0, 0, 0, 4, 1], "8", "PLUGIN_1207", "has 1025 bytes, and this plugin takes 1024"),
        (&[], vec![0, 0xff, 0xff, 0xff, 0xff], "8", "PLUGIN_1207", "4294967295"),
        (&[("grpc-encoding", "gzip")], framed(1, b"no gzip"), "3", "PLUGIN_1206", "is gzip, and is not"),
        (&[("grpc-encoding", "zstd")], good.clone(), "12", "PLUGIN_1206", "\"zstd\""),
        (&[("grpc-timeout", "soon")], good.clone(), "3", "PLUGIN_1206", "`grpc-timeout` is \"soon\""),
    ] {
        let told = ask(request(address, EXECUTE, more), body.clone()).await;
        assert_eq!((told.status, said(&told)), (200, (number, code.to_owned())), "{body:?}: {told:?}");
        assert!(told.text().contains(says), "{told:?} does not say {says:?}");
        assert_eq!(told.headers.contains_key("grpc-accept-encoding"), number == "12");
    }
    let told = ask(request(address, EXECUTE, &[]), good).await;
    assert_eq!((told.number(), told.headers["content-type"].as_bytes()), ("0", &b"application/grpc"[..]));
    assert!(told.trailers.contains_key("grpc-status") && !told.headers.contains_key("grpc-status"), "{told:?}");
}

#[tokio::test]
async fn a_method_that_is_not_there_and_a_stream_are_unimplemented() {
    let server = serving(echo(), GrpcServerOptions::new()).await;
    for (path, says) in [
        ("/plugin.v1.PluginService/Nothing", "has no method \"Nothing\""),
        ("/plugin.v1.PluginService/ExecuteStream", "takes no streams"),
        ("/plugin.v1.PluginService/Init", "takes no options"),
        ("/plugin.v2.PluginService/Execute", "no service \"plugin.v2.PluginService\""),
        ("/", "no service \"\""),
    ] {
        let told = ask(request(server.local_addr(), path, &[]), framed(0, b"")).await;
        assert_eq!((told.status, told.number()), (200, "12"), "{path}: {told:?}");
        assert!(told.text().contains(says), "{told:?} does not say {says:?}");
    }
}

#[tokio::test]
async fn what_is_none_of_grpc_is_told_so_in_http() {
    let server = serving(echo(), GrpcServerOptions::new()).await;
    let address = server.local_addr();
    let json = ask(request(address, EXECUTE, &[("content-type", "application/json")]), b"{}".to_vec()).await;
    assert_eq!((json.status, json.number()), (415, "none"));
    let mut get = request(address, EXECUTE, &[]);
    *get.method_mut() = http::Method::GET;
    let get = ask(get, Vec::new()).await;
    assert_eq!((get.status, get.headers["allow"].as_bytes()), (405, &b"POST"[..]));
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n"
    );
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 505") && answer.contains("gRPC is spoken over HTTP/2"), "{answer}");
}

#[tokio::test]
async fn who_is_not_known_is_unauthenticated_everywhere_and_a_page_of_another_site_is_turned_away() {
    let verifier = Verifier::new().with_bearer("host", "s3cret");
    let server = serving(echo(), GrpcServerOptions::new().with_verifier(verifier)).await;
    let address = server.local_addr();
    for path in [EXECUTE, "/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
        for more in [&[][..], &[("authorization", "Bearer s3cre")]] {
            let told = ask(request(address, path, more), framed(0, &message("1"))).await;
            assert_eq!(said(&told), ("16", "AUTH_1106".to_owned()), "{path}");
        }
    }
    let known = &[("authorization", "Bearer s3cret")];
    assert_eq!(ask(request(address, EXECUTE, known), framed(0, &message("1"))).await.number(), "0");
    let foreign = [known[0], ("origin", "https://elsewhere.example")];
    let told = ask(request(address, EXECUTE, &foreign), framed(0, &message("1"))).await;
    assert_eq!(said(&told), ("7", "AUTH_1107".to_owned()));
}

#[tokio::test]
async fn a_request_that_does_not_come_is_given_up() {
    let server = serving(echo(), GrpcServerOptions::new().with_body_timeout(Duration::from_millis(20))).await;
    let stream = tokio::net::TcpStream::connect(server.local_addr()).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("room");
    let (response, mut body) = sender.send_request(request(server.local_addr(), EXECUTE, &[]), false).expect("sent");
    body.send_data(Bytes::from_static(&[0, 0]), false).expect("sent");
    let response = within(response).await.expect("an answer");
    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn a_request_to_a_service_beside_the_plugins_is_waited_for_no_longer() {
    let server = serving(echo(), GrpcServerOptions::new().with_body_timeout(Duration::from_millis(20))).await;
    for path in ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
        let stream = tokio::net::TcpStream::connect(server.local_addr()).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("room");
        let (response, _body) = sender.send_request(request(server.local_addr(), path, &[]), false).expect("sent");
        // Its end is in the head, or behind it.
        let mut answer = within(response).await.expect("an answer").into_body();
        while let Some(Ok(_)) = within(answer.data()).await {}
    }
}

#[tokio::test]
async fn who_watches_does_not_keep_a_server_from_its_end() {
    let server = serving(echo(), GrpcServerOptions::new()).await;
    let mut health = HealthClient::new(channel(server.local_addr()).await);
    let mut watched = within(health.watch(HealthCheckRequest::default())).await.expect("known").into_inner();
    let first = within(watched.message()).await.expect("a status").expect("at once");
    assert_eq!(first.status(), ServingStatus::Serving);
    within(server.shutdown(Duration::from_secs(60))).await.expect("nothing had to be cut off");
    assert!(within(watched.message()).await.is_ok_and(|next| next.is_none()), "it ended in order");
}

async fn channel(address: std::net::SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a URL");
    within(endpoint.connect()).await.expect("a connection")
}

#[tokio::test]
async fn the_standard_health_check_knows_the_service_and_what_the_plugin_says() {
    let server =
        serving(echo(), GrpcServerOptions::new().with_health(|| async { HealthStatus::degraded("one of three") }))
            .await;
    let mut health = HealthClient::new(channel(server.local_addr()).await);
    let mut ask = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        within(health.check(request)).await.map(|answer| answer.into_inner().status())
    };
    for service in ["", "plugin.v1.PluginService"] {
        assert_eq!(ask(service).await.expect("known"), ServingStatus::Serving);
    }
    assert_eq!(ask("other").await.expect_err("unknown").code(), tonic::Code::NotFound);
    let mut compressing =
        HealthClient::new(channel(server.local_addr()).await).send_compressed(CompressionEncoding::Gzip);
    within(compressing.check(HealthCheckRequest::default())).await.expect("a compressed question is one too");

    let failing = serving(echo(), GrpcServerOptions::new().with_health(|| async { panic!("no disk") })).await;
    let mut health = HealthClient::new(channel(failing.local_addr()).await);
    let answer = within(health.check(HealthCheckRequest::default())).await.expect("an answer").into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
    let mut watched = within(health.watch(HealthCheckRequest::default())).await.expect("a stream").into_inner();
    let first = within(watched.next()).await.expect("at once").expect("a status");
    assert_eq!(first.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_lists_the_services_and_has_the_description() {
    const SERVED: [&str; 4] = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "plugin.v1.PluginService",
    ];
    let server = serving(echo(), GrpcServerOptions::new()).await;
    let channel = channel(server.local_addr()).await;
    let services = async |request: v1::server_reflection_request::MessageRequest| {
        let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
        let stream = futures_util::stream::once(async { request });
        let mut answers = within(client.server_reflection_info(stream)).await.expect("a stream").into_inner();
        within(answers.next()).await.expect("an answer").expect("no fault").message_response.expect("a message")
    };
    use v1::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};
    let MessageResponse::ListServicesResponse(listed) = services(MessageRequest::ListServices(String::new())).await
    else {
        panic!("a list")
    };
    let mut names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, SERVED);
    let symbol = MessageRequest::FileContainingSymbol("plugin.v1.PluginService.Execute".to_owned());
    let MessageResponse::FileDescriptorResponse(file) = services(symbol).await else { panic!("a file") };
    assert!(String::from_utf8_lossy(&file.file_descriptor_proto[0]).contains("plugin/v1/plugin.proto"));

    let mut older = v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let stream = futures_util::stream::once(async { request });
    let mut answers = within(older.server_reflection_info(stream)).await.expect("a stream").into_inner();
    let answer = within(answers.next()).await.expect("an answer").expect("no fault").message_response;
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(listed)) = answer else {
        panic!("a list: {answer:?}")
    };
    let mut names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, SERVED);
}

#[tokio::test]
async fn a_plugin_goes_into_a_server_that_is_there() {
    let plugin = || GrpcPluginServer::new(echo()).with_info(PluginInfo::new("echo", "1.0.0"));
    let axum = axum::Router::new().route_service("/plugin.v1.PluginService/{method}", plugin());
    let tonic = tonic::service::Routes::new(plugin()).into_axum_router();
    for router in [axum, tonic] {
        let server = serve_http(router, listener().await.0, ListenOptions::new()).expect("an address");
        let instance = connect(config(server.local_addr()));
        assert_eq!(call(&instance, "[1]").await.expect("an echo").payload(), "[1]");
        let told = ask(request(server.local_addr(), "/plugin.v1.PluginService/Info", &[]), framed(0, b"")).await;
        assert_eq!(told.body, framed(0, b"\x0a\x04echo\x12\x051.0.0"));
    }
}

#[tokio::test]
async fn what_layers_before_the_plugin_refuse_they_see_as_their_own_refusal() {
    use plugin_core::Rejected;
    use tower::ServiceExt;

    let plugin =
        plugin_fn(|_: Call<Bytes>| async { Err::<Reply<Bytes>, _>(PluginError::from(Rejected::overloaded())) });
    let request: Request<http_body_util::Full<Bytes>> =
        request(([127, 0, 0, 1], 1).into(), EXECUTE, &[]).map(|()| framed(0, &message("1")).into());
    let response: Result<_, Infallible> = GrpcPluginServer::new(plugin).oneshot(request).await;
    assert_eq!(response.expect("an answer").extensions().get::<Rejected>(), Some(&Rejected::overloaded()));
}
