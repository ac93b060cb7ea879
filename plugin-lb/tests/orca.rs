//! Backends behind real sockets that say of their load: axum servers in a header, and tonic servers in trailers.

#![cfg(all(feature = "axum", feature = "tonic"))]

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{AsGrpcStatus, BoxErrorLayer};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, LoadReport, ReportedWeightsConfig, Strategy};
use tonic::{body::Body, metadata::MetadataValue};
use tower::{Layer, Service, ServiceExt, util::MapResponseLayer};

#[path = "../../plugin-core/tests/servers/grpc.rs"]
#[allow(dead_code, reason = "what the balancer's tests do not ask of it, others do")]
mod grpc;
use grpc::{EchoClient, channel, drain, serve};

const LIMIT: Duration = Duration::from_secs(30);

async fn bounded<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(LIMIT, test).await.expect("in time")
}

const BUSY: [f64; 3] = [0.2, 0.5, 0.8];

/// As many requests for each: A58 makes weights of 500, 200 and 125 of that.
fn report(utilization: f64) -> LoadReport {
    LoadReport::new().with_cpu_utilization(utilization).with_requests_per_second(100.0)
}

fn config() -> BalanceConfig {
    let weights = ReportedWeightsConfig::builder().with_blackout_period(Duration::ZERO).build().expect("valid");
    let config = BalanceConfig::builder().with_strategy(Strategy::ReportedWeights).with_reported_weights(weights);
    config.build().expect("valid")
}

/// A second later: what was reported holds.
async fn assert_shares<S: Clone>(handle: &BalanceHandle<S>) {
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut counts = [0_usize; 3];
    for _ in 0..1650 {
        let picked = handle.pick(&Hints::new()).expect("enabled");
        counts[picked.name().parse::<usize>().expect("a number")] += 1;
    }
    let is_right = counts.iter().zip([1000, 400, 250]).all(|(count, wanted)| count.abs_diff(wanted) <= 3);
    assert!(is_right, "{counts:?}");
}

fn weights<S>(handle: &BalanceHandle<S>) -> Vec<Option<f32>> {
    handle.stats().iter().map(|stats| stats.reported_weight).collect()
}

async fn axum_server(header: &'static str, value: String) -> SocketAddr {
    let answer = move || std::future::ready(([(HeaderName::from_static(header), value.clone())], "an answer"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    address
}

#[tokio::test(start_paused = true)]
async fn axum_servers_that_report_in_a_header_have_the_shares_that_they_report() {
    let forms = [
        ("endpoint-load-metrics", report(BUSY[0]).to_header_value()),
        ("endpoint-load-metrics", format!(r#"JSON {{"cpu_utilization":{},"rps_fractional":100}}"#, BUSY[1])),
        ("endpoint-load-metrics-bin", "CZqZmZmZmek/MQAAAAAAAFlA".to_owned()),
    ];
    let client = BoxErrorLayer.layer(Client::builder(TokioExecutor::new()).build_http());
    let mut endpoints = Vec::new();
    for (index, (header, value)) in forms.into_iter().enumerate() {
        let origin = format!("http://{}/", axum_server(header, value).await).parse::<Uri>().expect("a URL");
        let to_origin = move |mut request: Request<Empty<Bytes>>| {
            *request.uri_mut() = origin.clone();
            request
        };
        endpoints.push(Endpoint::new(index.to_string(), client.clone().map_request(to_origin)));
    }
    let mut balance = Balance::new(config(), endpoints).expect("names of their own").for_http();
    let handle = balance.handle();
    for _ in 0..9 {
        let response = bounded(balance.call(Request::new(Empty::new()))).await.expect("answered");
        assert_eq!(bounded(response.into_body().collect()).await.expect("a body").to_bytes(), "an answer");
    }
    assert_eq!(weights(&handle), [Some(500.0), Some(200.0), Some(125.0)]);
    assert_shares(&handle).await;
}

fn in_base64(report: LoadReport) -> HeaderValue {
    let value = MetadataValue::from_bytes(&report.to_bytes());
    HeaderValue::from_bytes(value.as_encoded_bytes()).expect("base64")
}

/// Puts the report into the trailers, or into the head that stands for them.
fn reporting(report: LoadReport) -> impl Fn(Response<Body>) -> Response<Body> + Clone {
    let value = in_base64(report);
    move |mut response| {
        if response.headers().contains_key("grpc-status") {
            response.headers_mut().insert(LoadReport::BINARY_HEADER, value.clone());
            return response;
        }
        let value = value.clone();
        response.map(|body| {
            Body::new(body.map_frame(move |frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    trailers.insert(LoadReport::BINARY_HEADER, value.clone());
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn tonic_servers_that_report_in_trailers_have_the_shares_that_they_report() {
    for (asked, is_stream) in [("ok", false), ("fail 5", false), ("ok 2", true), ("fail 2", true)] {
        let mut endpoints = Vec::new();
        for (index, busy) in BUSY.into_iter().enumerate() {
            let server = serve(MapResponseLayer::new(reporting(report(busy)))).await;
            endpoints.push(Endpoint::new(index.to_string(), channel(server.address)));
        }
        let balance =
            Balance::new(config(), endpoints).expect("names of their own").for_grpc().reject_with(AsGrpcStatus);
        let handle = balance.handle();
        let mut client = EchoClient::new(balance);
        for _ in 0..9 {
            if is_stream {
                let stream = bounded(client.stream(asked)).await.expect("the head is good");
                bounded(drain(stream)).await;
            } else {
                // A failure is a head alone, which stands for trailers.
                assert_eq!(bounded(client.unary(asked)).await.is_ok(), asked == "ok");
            }
        }
        assert_eq!(weights(&handle), [Some(500.0), Some(200.0), Some(125.0)], "{asked}");
        assert_shares(&handle).await;
    }
}
