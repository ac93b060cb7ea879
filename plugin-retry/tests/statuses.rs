//! Retries by the status of a response: what the list `on` names, and which instance is avoided.
#![cfg(all(not(loom), feature = "http", feature = "grpc"))]

mod common;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use common::{config, ms};
use http::{Request, Response};
use plugin_core::{CallContext, InstanceId, Rejected, Sent, clock};
use plugin_retry::{GaveUp, RetryConfig, RetryLayer};
use tower::{Layer, Service, ServiceExt};

/// Answers with these responses in turn, and then with 200. Remembers which instances each request says were tried, and
/// when it came.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    answers: VecDeque<Response<()>>,
    tried: Vec<Vec<InstanceId>>,
    times: Vec<clock::Instant>,
}

impl Answers {
    fn then(self, response: http::response::Builder) -> Self {
        self.0.lock().expect("unpoisoned").answers.push_back(response.body(()).expect("a response"));
        self
    }

    fn tried(&self) -> Vec<Vec<InstanceId>> {
        self.0.lock().expect("unpoisoned").tried.clone()
    }

    fn calls(&self) -> usize {
        self.tried().len()
    }

    fn waits(&self) -> Vec<std::time::Duration> {
        let times = &self.0.lock().expect("unpoisoned").times;
        times.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect()
    }
}

impl Service<Request<()>> for Answers {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let Seen { answers, tried, times } = &mut *self.0.lock().expect("unpoisoned");
        let context = request.extensions().get::<CallContext>();
        tried.push(context.map(|context| context.tried().to_vec()).unwrap_or_default());
        times.push(clock::now());
        ready(Ok(answers.pop_front().unwrap_or_default()))
    }
}

fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

fn grpc(number: &str) -> http::response::Builder {
    status(200).header("grpc-status", number)
}

fn on(conditions: &[&str]) -> RetryConfig {
    let conditions: Vec<_> = conditions.iter().map(|text| text.parse().expect("a condition")).collect();
    config(|set| set.with_constant_interval(ms(10)).with_idempotent(true).with_retry_on(conditions))
}

#[tokio::test(start_paused = true)]
async fn a_404_that_the_list_names_is_retried_and_one_that_it_does_not_is_an_answer() {
    for (conditions, attempts) in
        [(&["404"][..], 3), (&["4xx"], 3), (&["410", "404"], 3), (&["410"], 1), (&["5xx"], 1), (&[], 1)]
    {
        let answers = Answers::default().then(status(404)).then(status(404));
        let layer = RetryLayer::new(on(conditions)).for_http();
        let response = layer.layer(answers.clone()).oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(answers.calls(), attempts, "{conditions:?}");
        assert_eq!(response.status(), if attempts == 3 { 200 } else { 404 }, "{conditions:?}");
        let stats = layer.handle().stats();
        assert_eq!(stats.recovered, u64::from(attempts == 3));
        assert_eq!(stats.gave_up(GaveUp::Final), 0, "a 404 that is not named is no failure");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_names_a_success_can_be_set_and_cleared_while_it_runs() {
    let layer = RetryLayer::new(on(&[])).for_http();
    for (conditions, attempts) in [(&["404"][..], 2), (&[], 1), (&["4xx"], 2)] {
        layer.handle().reconfigure(on(conditions));
        let answers = Answers::default().then(status(404));
        layer.layer(answers.clone()).oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(answers.calls(), attempts, "{conditions:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_status_that_the_list_names_is_retried_and_one_that_it_does_not_is_an_answer() {
    for (conditions, attempts) in [(&["NOT_FOUND"][..], 2), (&["ABORTED"], 1), (&["404"], 1), (&[], 1)] {
        let answers = Answers::default().then(grpc("5"));
        let layer = RetryLayer::new(on(conditions)).for_grpc();
        layer.layer(answers.clone()).oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(answers.calls(), attempts, "{conditions:?}");
    }
    // What was cancelled is never repeated, whatever is named.
    let answers = Answers::default().then(grpc("1"));
    RetryLayer::new(on(&["UNKNOWN"]))
        .for_grpc()
        .layer(answers.clone())
        .oneshot(Request::new(()))
        .await
        .expect("infallible");
    assert_eq!(answers.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_avoids_the_instance_that_failed_whatever_says_so() {
    let instance = InstanceId::next();
    let from = |response: http::response::Builder| response.extension(instance);
    for (name, named, response) in [
        ("an HTTP status", &[][..], from(status(503))),
        ("an HTTP refusal", &[], from(status(503)).extension(Rejected::overloaded())),
        ("a status that is named", &["404"], from(status(404))),
        ("a class that is named", &["4xx"], from(status(409))),
    ] {
        let answers = Answers::default().then(response);
        RetryLayer::new(on(named))
            .for_http()
            .layer(answers.clone())
            .oneshot(Request::new(()))
            .await
            .expect("infallible");
        assert_eq!(answers.tried(), [vec![], vec![instance]], "{name}");
    }
    for (name, response) in [
        ("a gRPC status", from(grpc("14"))),
        ("a proxy's page", from(status(503))),
        ("a gRPC refusal", from(grpc("8")).extension(Rejected::overloaded())),
    ] {
        let answers = Answers::default().then(response);
        RetryLayer::new(on(&[])).for_grpc().layer(answers.clone()).oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(answers.tried(), [vec![], vec![instance]], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_push_back_of_nothing_does_not_beat_the_backoff() {
    for (name, value) in [
        ("retry-after", "0"),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("grpc-retry-pushback-ms", "0"),
        ("grpc-retry-pushback-ms", "9"),
    ] {
        let answers = Answers::default().then(status(503).header(name, value)).then(status(503).header(name, value));
        match name {
            "retry-after" => RetryLayer::new(on(&[])).for_http().layer(answers.clone()).oneshot(Request::new(())).await,
            _ => RetryLayer::new(on(&[])).for_grpc().layer(answers.clone()).oneshot(Request::new(())).await,
        }
        .expect("infallible");
        assert_eq!(answers.waits(), [ms(10); 2], "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_refuses_says_what_an_attempt_before_had_sent() {
    fn refused() -> http::response::Builder {
        status(503).extension(Rejected::circuit_open(None))
    }

    let sent = |response: &Response<()>| response.extensions().get::<Rejected>().expect("the refusal").sent();
    let answers = Answers::default().then(status(503)).then(refused());
    let layer = RetryLayer::new(on(&[])).for_http();
    let response = layer.layer(answers.clone()).oneshot(Request::get("/").body(()).expect("a request")).await;
    assert_eq!((answers.calls(), sent(&response.expect("infallible"))), (2, Sent::Maybe));

    let answers = Answers::default().then(grpc("14")).then(refused());
    let layer = RetryLayer::new(on(&[])).for_grpc();
    let response = layer.layer(answers.clone()).oneshot(Request::post("/").body(()).expect("a request")).await;
    assert_eq!((answers.calls(), sent(&response.expect("infallible"))), (2, Sent::Maybe));
}
