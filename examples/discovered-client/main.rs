//! A hyper client over the instances that a file lists, and in step with it.
//!
//! `discovered-client FILE REQUESTS`, with a file such as `[{"address": "127.0.0.1:3000"}, {"address": "127.0.0.1:3001", "weight": 2}]`.
//! It sends a request each 100 ms; change the file meanwhile.

use std::{env, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{
    Request, Uri,
    uri::{Parts, Scheme},
};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{BoxError, BoxErrorLayer};
use plugin_discovery::{Discovery, FoundInstance, file::FileSource};
use plugin_lb::{Balance, BalanceConfig, Endpoint, OutlierConfig, Strategy};
use tower::{Layer, ServiceExt};

type Outgoing = Request<Empty<Bytes>>;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [file, requests] = args.as_slice() else { return Err("usage: discovered-client FILE REQUESTS".into()) };
    let requests: u32 = requests.parse()?;

    let config = BalanceConfig::builder()
        .with_strategy(Strategy::WeightedRoundRobin)
        .with_outlier(OutlierConfig::default())
        .with_slow_start(Duration::from_secs(10))
        .build()?;
    let balance = Balance::new(config, [])?.for_http().retain_with(|request: &Outgoing| Some(request.clone()));

    // Each set that is found becomes the membership in one step: what stays keeps its connections and its figures.
    let client = BoxErrorLayer.layer(Client::builder(TokioExecutor::new()).build_http());
    let connect = move |_: &str, authority: String| client.clone().map_request(move |request| to(&authority, request));
    let handle = balance.handle();
    let discovery = Discovery::start(FileSource::new(file));
    // Before anybody follows: the closure is then called with this set before any request is sent.
    discovery.first(Duration::from_secs(5)).await?;
    let _following = discovery.for_each(move |set: &[FoundInstance]| {
        if let Err(error) = handle.replace(set.iter().map(endpoint), &connect) {
            eprintln!("the instances stay as they are: {error}");
        }
    });

    let mut code = ExitCode::SUCCESS;
    for _ in 0..requests {
        let answer = async {
            let response = balance.clone().oneshot(Request::get("/").body(Empty::new())?).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, BoxError>(format!("{status}: {}", String::from_utf8_lossy(&body)))
        };
        match answer.await {
            Ok(answer) => println!("{answer}"),
            Err(error) => {
                println!("{error}");
                code = ExitCode::FAILURE;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(code)
}

/// What the balancer knows of an instance that was found. One that drains gets no further calls.
fn endpoint(found: &FoundInstance) -> Endpoint<String> {
    let endpoint = Endpoint::new(found.name(), found.address().to_owned())
        .with_weight(found.weight())
        .with_priority(found.priority())
        .with_enabled(!found.is_draining());
    match found.zone() {
        Some(zone) => endpoint.with_zone(zone),
        None => endpoint,
    }
}

/// The same request to this instance.
fn to(authority: &str, mut request: Outgoing) -> Outgoing {
    let mut parts: Parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = authority.parse().ok();
    // What cannot be an address is a fault of this call, and hyper says so.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
