use std::net::SocketAddr;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::program::{Program, within};

const PATH: &str = env!("CARGO_BIN_EXE_limited-axum");

/// Behind a proxy on this machine, so that a test can be several clients.
async fn behind_a_proxy() -> (Program, SocketAddr) {
    let mut service = Program::start(PATH, ["127.0.0.1:0", "127.0.0.1"]);
    let address = service.address().await;
    (service, address)
}

/// What this client is answered.
async fn ask(address: SocketAddr, client: &str) -> Response<String> {
    let request = Request::get(format!("http://{address}/")).header("x-forwarded-for", client);
    let request = request.body(Body::empty()).expect("a request");
    let answer = within(Client::builder(TokioExecutor::new()).build_http().request(request)).await;
    let (parts, body) = answer.expect("an answer").into_parts();
    let bytes = within(body.collect()).await.expect("a body").to_bytes();
    Response::from_parts(parts, String::from_utf8_lossy(&bytes).into_owned())
}

/// An upload of five bytes, none of which have been sent: the service works on it.
async fn upload(address: SocketAddr, client: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(within(TcpStream::connect(address)).await.expect("it listens"));
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: limited\r\nX-Forwarded-For: {client}\r\nContent-Length: 5\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    within(stream.write_all(head.as_bytes())).await.expect("it reads");
    // A server says so when somebody asks for the body.
    assert_eq!(line(&mut stream).await, "HTTP/1.1 100 Continue");
    assert_eq!(line(&mut stream).await, "");
    stream
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    within(stream.read_line(&mut line)).await.expect("text");
    line.trim_end().to_owned()
}

#[tokio::test]
async fn each_client_has_its_own_burst_and_who_asks_for_more_is_told_when_to_come_back() {
    let (service, address) = behind_a_proxy().await;
    // Far more than the burst: a machine would have to take a second for each request to never meet the limit.
    let mut refused = None;
    for number in 0..50 {
        let answer = ask(address, "203.0.113.7").await;
        match answer.status() {
            StatusCode::OK => assert_eq!(answer.body(), "hello\n"),
            _ => {
                assert!(number >= 10, "request {number} is of the burst");
                refused = Some(answer);
                break;
            }
        }
    }
    let refused = refused.expect("fifty are too many");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["ratelimit-policy"], "\"default\";q=1;w=1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.body().contains("RATELIMIT_1501"), "{}", refused.body());
    assert_eq!(ask(address, "203.0.113.8").await.status(), StatusCode::OK, "another client has asked for nothing yet");
    service.interrupt().await;
}

#[tokio::test]
async fn who_is_no_proxy_is_not_believed_whose_request_it_brings() {
    let mut service = Program::start(PATH, ["127.0.0.1:0"]);
    let address = service.address().await;
    let mut statuses = Vec::new();
    for number in 0..50 {
        statuses.push(ask(address, &format!("203.0.113.{number}")).await.status());
    }
    assert!(statuses[..10].iter().all(StatusCode::is_success), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "one client, whatever it says: {statuses:?}");
    service.interrupt().await;
}

#[tokio::test]
async fn a_service_that_is_full_answers_503_until_somebody_has_ended() {
    let (service, address) = behind_a_proxy().await;
    let mut uploads = Vec::new();
    for client in 1..=4 {
        uploads.push(upload(address, &format!("203.0.113.{client}")).await);
    }
    let refused = ask(address, "203.0.113.7").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body());
    assert!(refused.body().contains("OVERLOAD_2002"), "{}", refused.body());
    assert_eq!(refused.headers().get("retry-after"), None, "nobody knows when an upload will end");

    let mut first = uploads.remove(0);
    within(first.write_all(b"12345")).await.expect("it reads");
    assert_eq!(line(&mut first).await, "HTTP/1.1 200 OK");
    // Its place is free when its body has gone out, which is a moment after its head.
    let mut rest = Vec::new();
    while !rest.ends_with(b"5 bytes\n") {
        assert_ne!(within(first.read_until(b'\n', &mut rest)).await.expect("a body"), 0);
    }
    assert_eq!(ask(address, "203.0.113.7").await.status(), StatusCode::OK);
    drop(uploads);
    service.interrupt().await;
}
