//! A hyper client that repeats what may be repeated, and stops calling a server that fails.
//!
//! `hyper-client URL...`

use std::{env, process::ExitCode};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_breaker::CircuitBreakerLayer;
use plugin_core::{BoxError, BoxErrorLayer, ByHttpStatus};
use plugin_retry::{RetryConfig, RetryLayer};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> ExitCode {
    let mut client = ServiceBuilder::new()
        // Outside of the breaker: every attempt counts there, and an open circuit is not tried again.
        .layer(RetryLayer::new(RetryConfig::default()).for_http())
        .layer(CircuitBreakerLayer::default().classify(ByHttpStatus::new()))
        // hyper's error type is foreign and cannot hold a refusal; a boxed error can.
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http());

    let mut code = ExitCode::SUCCESS;
    for url in env::args().skip(1) {
        let answer = async {
            let request = Request::get(url.parse::<Uri>()?).body(Empty::<Bytes>::new())?;
            let response = client.ready().await?.call(request).await?;
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
    }
    code
}
