//! A client of one protocol at a server of another, over real sockets: what the call is told, pair by pair.
#![cfg(all(feature = "full", target_os = "linux", not(loom)))]

use std::{convert::Infallible, future::Future, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use plugin_core::{BoxFuture, Call, PluginError, PluginInstance, Reply};
use plugin_transports::{
    ConnectionConfig,
    auth::AuthConfig,
    grpc::{self, GrpcConfig, GrpcPlugin, GrpcServerOptions},
    http::{self as over_http, HttpConfig, HttpPlugin, HttpVersion, ServerOptions},
    inproc::plugin_fn,
    listen::{Listen, SocketPath, UnixSocket, UnixSocketOptions},
    tls::ServerTlsConfig,
    unix::{self, UnixConfig, UnixPlugin, UnixServerOptions},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Service, ServiceExt};

#[path = "../src/tls/test_files.rs"]
#[allow(dead_code, reason = "a part of it is of use here")]
mod test_files;

use test_files::Files;

/// What a client asks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Http1,
    Http2,
    Https,
    Grpc,
    GrpcTls,
    Lines,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    /// HTTP/1.1 and no other. It says so, as servers in Python and Node do, ...
    Http1,
    /// ... or hangs up on what is none, as hyper does.
    QuietHttp1,
    /// HTTP/2 and no other, as servers of gRPC do.
    Http2,
    /// This crate's server of plugins over HTTP, of both versions.
    Http,
    /// This crate's server of gRPC.
    Grpc,
    /// Another one.
    OtherGrpc,
    /// TLS, and either version of HTTP over it.
    Tls,
    Lines,
    /// It hangs up on whatever it is sent.
    Nothing,
}

async fn echo(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    Ok(Reply::new(call.into_payload()))
}

async fn ok(_: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    Ok(http::Response::new(Full::new(Bytes::from_static(b"{}"))))
}

async fn unimplemented(_: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let answer = http::Response::builder().header("content-type", "application/grpc").header("grpc-status", "12");
    Ok(answer.body(Full::default()).expect("good headers"))
}

/// Answers one request of HTTP/1.1, whose head it does not wait for longer than it must.
async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while head.len() < 64 && !head.contains(&b'\n') {
        if stream.read_buf(&mut head).await.map_or(true, |read| read == 0) {
            return;
        }
    }
    let answer: &[u8] = match head.starts_with(b"POST / HTTP/1.1") {
        true => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        false => b"HTTP/1.0 400 Bad request version\r\nconnection: close\r\n\r\n",
    };
    let _ = stream.write_all(answer).await;
    hang_up(stream).await;
}

/// Serves each connection of a listener with this, as long as the test runs.
fn each<L, F, Fut>(listener: L, serve: F)
where
    L: Listen,
    F: Fn(L::Stream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
}

/// Starts a server; what it is made of lives as long as what this returns.
fn start<L: Listen<Addr: Send>>(speaks: Speaks, listener: L, files: &Files) -> Box<dyn std::any::Any + Send> {
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files");
    match speaks {
        Speaks::Http => {
            Box::new(over_http::serve(plugin_fn(echo), listener, ServerOptions::new()).expect("it listens"))
        }
        Speaks::Tls => {
            let options = ServerOptions::new().with_tls(tls);
            Box::new(over_http::serve(plugin_fn(echo), listener, options).expect("it listens"))
        }
        Speaks::Grpc => Box::new(grpc::serve(plugin_fn(echo), listener, GrpcServerOptions::new()).expect("it listens")),
        Speaks::Http1 => {
            each(listener, http1);
            Box::new(())
        }
        Speaks::QuietHttp1 => {
            each(listener, |stream| async move {
                let io = TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(ok)).await;
            });
            Box::new(())
        }
        Speaks::Http2 => {
            each(listener, |stream| async move {
                let (io, on) = (TokioIo::new(stream), TokioExecutor::new());
                let _ = hyper::server::conn::http2::Builder::new(on).serve_connection(io, service_fn(ok)).await;
            });
            Box::new(())
        }
        Speaks::OtherGrpc => {
            each(listener, |stream| async move {
                let (io, on) = (TokioIo::new(stream), TokioExecutor::new());
                let served = hyper::server::conn::http2::Builder::new(on);
                let _ = served.serve_connection(io, service_fn(unimplemented)).await;
            });
            Box::new(())
        }
        Speaks::Nothing => {
            each(listener, hang_up);
            Box::new(())
        }
        Speaks::Lines => unreachable!("it has a listener of its own"),
    }
}

/// Reads all that comes for a moment, so that the end is one in order.
async fn hang_up(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.shutdown().await;
    while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
}

fn connection() -> ConnectionConfig {
    let short = Duration::from_secs(10);
    ConnectionConfig::builder().with_connection_timeout(short).with_request_timeout(short).build().expect("valid")
}

/// What comes of a call, and of the next one.
async fn asked<S>(instance: PluginInstance<S>) -> [Result<Bytes, PluginError>; 2]
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error = PluginError> + Clone,
{
    let call = || async {
        let called = instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")));
        let called = tokio::time::timeout(Duration::from_secs(30), called).await.expect("it hangs");
        called.map(Reply::into_payload)
    };
    [call().await, call().await]
}

fn ask(asks: Asks, endpoint: String, files: &Files) -> BoxFuture<[Result<Bytes, PluginError>; 2]> {
    let ca = AuthConfig::none().with_ca_file(files.ca());
    match asks {
        Asks::Http1 | Asks::Http2 | Asks::Https => {
            let version = match asks {
                Asks::Http1 => HttpVersion::Http1,
                Asks::Http2 => HttpVersion::Http2,
                _ => HttpVersion::Auto,
            };
            let config = HttpConfig::builder("p", endpoint).with_version(version).with_connection(connection());
            let config = if asks == Asks::Https { config.with_auth(ca) } else { config };
            Box::pin(asked(HttpPlugin::connect(config.build().expect("valid")).expect("good files")))
        }
        Asks::Grpc | Asks::GrpcTls => {
            let config = GrpcConfig::builder("p", endpoint).with_connection(connection());
            let config = if asks == Asks::GrpcTls { config.with_auth(ca) } else { config };
            Box::pin(asked(GrpcPlugin::connect(config.build().expect("valid")).expect("good files")))
        }
        Asks::Lines => {
            let config = UnixConfig::builder("p", endpoint).with_connection(connection());
            Box::pin(asked(UnixPlugin::connect(config.build().expect("valid")).expect("nothing to read")))
        }
    }
}

/// What each pair says, `None` where the two understand each other.
type Pair = (Asks, Speaks, Option<&'static str>);

#[track_caller]
fn check(pair: Pair, told: &[Result<Bytes, PluginError>; 2], wrong: &mut Vec<String>) {
    let (asks, speaks, says) = pair;
    for result in told {
        let is_right = match (result, says) {
            (Ok(_), None) => true,
            (Err(error), Some(says)) => {
                let said = format!("{error} {}", error.detail().unwrap_or_default());
                // A server may speak something else for a moment, as a proxy does whose own is away; TLS it does for good.
                let of_tls = said.contains("speaks TLS") && error.is_retryable();
                let of_another = said.contains(" and was asked in ") && !error.is_retryable();
                said.contains(says) && !of_tls && !of_another
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{asks:?} at {speaks:?}: {result:?}\n    and not {says:?}"));
        }
    }
}

const IS_GRPC: &str = "speaks HTTP/2, and was asked in HTTP/1.1: is the transport that is right `grpc`, or `HttpVersion::Http2` in a program?";
const IS_HTTP1: &str = "speaks HTTP/1.1, and was asked in HTTP/2: is the transport that is right `http`, or `HttpVersion::Http1` in a program?";
const IS_TLS: &str =
    "speaks TLS, and was sent plain text: is the transport that is right one with TLS (`https`, `grpc-tls`)?";
const IS_PLAIN: &str = "it does not speak TLS: what it sends is something else, such as plain text; is the transport that is right \
                        one without TLS (`http`, `grpc`)?";
const HUNG_UP: &str = "closed the connection before it began HTTP/2; does it speak that";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp_each_pair_that_does_not_fit_names_what_was_spoken_and_what_would_be_right() {
    let pairs: &[Pair] = &[
        (Asks::Http1, Speaks::Http, None),
        (Asks::Http2, Speaks::Http, None),
        (Asks::Https, Speaks::Tls, None),
        (Asks::Grpc, Speaks::Grpc, None),
        (Asks::Http1, Speaks::Http2, Some(IS_GRPC)),
        (Asks::Http1, Speaks::Tls, Some(IS_TLS)),
        (Asks::Http1, Speaks::Nothing, Some("the connection closed before an answer came")),
        (Asks::Http2, Speaks::Http1, Some(IS_HTTP1)),
        (Asks::Http2, Speaks::QuietHttp1, Some(HUNG_UP)),
        (Asks::Http2, Speaks::Tls, Some(IS_TLS)),
        (Asks::Http2, Speaks::Nothing, Some(HUNG_UP)),
        (Asks::Https, Speaks::QuietHttp1, Some(IS_PLAIN)),
        (Asks::Https, Speaks::Http, Some(IS_PLAIN)),
        (Asks::Https, Speaks::Http1, Some(IS_PLAIN)),
        (Asks::Https, Speaks::Http2, Some(IS_PLAIN)),
        (Asks::Https, Speaks::Grpc, Some(IS_PLAIN)),
        (Asks::Https, Speaks::Nothing, Some("in the middle of the handshake; does it speak TLS?")),
        (Asks::Grpc, Speaks::Http1, Some(IS_HTTP1)),
        (Asks::Grpc, Speaks::QuietHttp1, Some(HUNG_UP)),
        (Asks::Grpc, Speaks::Tls, Some(IS_TLS)),
        (Asks::Grpc, Speaks::Nothing, Some(HUNG_UP)),
        (Asks::GrpcTls, Speaks::Http, Some(IS_PLAIN)),
        (Asks::GrpcTls, Speaks::Http1, Some(IS_PLAIN)),
        (Asks::GrpcTls, Speaks::Http2, Some(IS_PLAIN)),
        (Asks::GrpcTls, Speaks::Grpc, Some(IS_PLAIN)),
        (Asks::GrpcTls, Speaks::Nothing, Some("in the middle of the handshake; does it speak TLS?")),
        // HTTP is spoken by both, and what is wrong is known by the answer.
        (Asks::Http1, Speaks::Grpc, Some("gRPC")),
        (Asks::Http2, Speaks::Grpc, Some("gRPC")),
        (Asks::Http2, Speaks::OtherGrpc, Some("answered 200 OK in gRPC; is the transport that is right `grpc`")),
        (Asks::Grpc, Speaks::Http, Some("gRPC")),
        (Asks::Grpc, Speaks::Http2, Some("gRPC")),
        (Asks::GrpcTls, Speaks::Tls, Some("gRPC")),
    ];
    let (files, mut wrong) = (Files::new(), Vec::new());
    for &pair in pairs {
        let (asks, speaks, _) = pair;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let _serving = start(speaks, listener, &files);
        let scheme = if matches!(asks, Asks::Https | Asks::GrpcTls) { "https" } else { "http" };
        check(pair, &ask(asks, format!("{scheme}://localhost:{port}"), &files).await, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_each_pair_that_does_not_fit_names_what_was_spoken_and_what_would_be_right() {
    let is_http1 = "speaks HTTP/1.1, and was asked in HTTP/2: is the transport that is right `http`, with an endpoint that begins \
                    with `unix:`?";
    let is_http2 = "speaks HTTP/2, and was asked in HTTP/1.1: is the transport that is right `unix-grpc` or `unix-h2`";
    let lines_at_http1 = "speaks HTTP/1.1, and was asked in JSON by lines: is the transport that is right `http`, with";
    let lines_at_http2 =
        "speaks HTTP/2, and was asked in JSON by lines: is the transport that is right `unix-grpc` or `unix-h2`";
    let is_lines = "speaks JSON by lines, and was asked in HTTP/";
    let pairs: &[Pair] = &[
        (Asks::Lines, Speaks::Lines, None),
        (Asks::Http1, Speaks::Http, None),
        (Asks::Http2, Speaks::Http, None),
        (Asks::Grpc, Speaks::Grpc, None),
        (Asks::Http1, Speaks::Http2, Some(is_http2)),
        (Asks::Http1, Speaks::Lines, Some(is_lines)),
        (Asks::Http2, Speaks::Http1, Some(is_http1)),
        (Asks::Http2, Speaks::Lines, Some(is_lines)),
        (Asks::Http2, Speaks::Nothing, Some(HUNG_UP)),
        (Asks::Grpc, Speaks::Http1, Some(is_http1)),
        (Asks::Grpc, Speaks::Lines, Some(is_lines)),
        (Asks::Grpc, Speaks::Nothing, Some(HUNG_UP)),
        (Asks::Lines, Speaks::Http1, Some(lines_at_http1)),
        (Asks::Lines, Speaks::QuietHttp1, Some(lines_at_http1)),
        (Asks::Lines, Speaks::Http, Some(lines_at_http1)),
        (Asks::Lines, Speaks::Grpc, Some(lines_at_http1)),
        (Asks::Lines, Speaks::Http2, Some(lines_at_http2)),
        (Asks::Lines, Speaks::Tls, Some("speaks TLS, which no transport speaks over a socket")),
        (Asks::Lines, Speaks::Nothing, Some("the connection closed before an answer came")),
        (Asks::Http1, Speaks::Tls, Some("speaks TLS, which no transport speaks over a socket")),
        (Asks::Grpc, Speaks::Http, Some("gRPC")),
        (Asks::Http2, Speaks::Grpc, Some("gRPC")),
    ];
    let (files, mut wrong) = (Files::new(), Vec::new());
    for (index, &pair) in pairs.iter().enumerate() {
        let (asks, speaks, _) = pair;
        let path = files.path(&format!("{index}.sock"));
        let socket = SocketPath::try_from(path.as_path()).expect("short enough");
        let socket = UnixSocket::bind(&socket, UnixSocketOptions::new()).await.expect("free");
        let _serving: Box<dyn std::any::Any + Send> = match speaks {
            Speaks::Lines => {
                Box::new(unix::serve(plugin_fn(echo), socket, UnixServerOptions::new()).expect("it listens"))
            }
            _ => start(speaks, socket, &files),
        };
        check(pair, &ask(asks, format!("unix:{}", path.display()), &files).await, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
