use std::net::SocketAddr;

use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::{
    hello::{HelloReply, HelloRequest, greeter_client::GreeterClient, visits_client::VisitsClient},
    program::{Program, within},
};

const PATH: &str = env!("CARGO_BIN_EXE_limited-tonic");

/// Behind a proxy on this machine, so that a test can be several clients.
async fn behind_a_proxy() -> (Program, Channel) {
    let mut service = Program::start(PATH, ["127.0.0.1:0", "127.0.0.1"]);
    let channel = connect(service.address().await).await;
    (service, channel)
}

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    within(endpoint.connect()).await.expect("it listens")
}

fn request(client: &str) -> Request<HelloRequest> {
    let mut request = Request::new(HelloRequest { name: client.to_owned() });
    request.metadata_mut().insert("x-forwarded-for", client.parse().expect("text"));
    request
}

/// What this client is answered.
async fn greet(channel: &Channel, client: &str) -> Result<HelloReply, Status> {
    within(GreeterClient::new(channel.clone()).say_hello(request(client))).await.map(tonic::Response::into_inner)
}

/// A call that has been answered, and whose stream goes on: it is in flight.
async fn stay(channel: &Channel, client: &str) -> Result<Streaming<HelloReply>, Status> {
    within(VisitsClient::new(channel.clone()).stay(request(client))).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn each_client_has_its_own_burst_and_who_calls_more_often_is_told_when_to_come_back() {
    let (service, channel) = behind_a_proxy().await;
    // Far more than the burst: a machine would have to take a second for each call to never meet the limit.
    let mut refused = None;
    for number in 0..50 {
        match greet(&channel, "203.0.113.7").await {
            Ok(reply) => assert_eq!(reply.message, "hello 203.0.113.7"),
            Err(status) => {
                assert!(number >= 10, "call {number} is of the burst: {status}");
                refused = Some(status);
                break;
            }
        }
    }
    let refused = refused.expect("fifty are too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("RATELIMIT_1501"), "{refused}");
    let details = String::from_utf8_lossy(refused.details());
    assert!(details.contains("type.googleapis.com/google.rpc.RetryInfo"), "{details:?}");
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").expect("when to come back");
    let pushback: u64 = pushback.to_str().expect("text").parse().expect("milliseconds");
    assert!((1..=1000).contains(&pushback), "{pushback}");
    greet(&channel, "203.0.113.8").await.expect("another client has called for nothing yet");
    drop(channel);
    service.interrupt().await;
}

#[tokio::test]
async fn who_is_no_proxy_is_not_believed_whose_call_it_brings() {
    let mut service = Program::start(PATH, ["127.0.0.1:0"]);
    let channel = connect(service.address().await).await;
    let mut answers = Vec::new();
    for number in 0..50 {
        answers.push(greet(&channel, &format!("203.0.113.{number}")).await.map_err(|status| status.code()));
    }
    assert!(answers[..10].iter().all(Result::is_ok), "{answers:?}");
    assert!(answers.contains(&Err(Code::ResourceExhausted)), "one client, whatever it says: {answers:?}");
    drop(channel);
    service.interrupt().await;
}

#[tokio::test]
async fn a_service_that_is_full_says_so_and_a_stream_holds_its_place_until_it_is_dropped() {
    let (service, channel) = behind_a_proxy().await;
    let mut visits = Vec::new();
    for client in 1..=4 {
        visits.push(stay(&channel, &format!("203.0.113.{client}")).await.expect("there is room for four"));
    }
    let refused = greet(&channel, "203.0.113.7").await.expect_err("four are in flight");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("OVERLOAD_2002"), "{refused}");

    // Whoever comes now may still find the place taken, and waits in line until the server has heard of the end.
    visits.pop();
    greet(&channel, "203.0.113.7").await.expect("there is room again");
    drop((visits, channel));
    service.interrupt().await;
}
