//! A line of the log for each request of the data plane, or for those that failed.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, Response, StatusCode},
    middleware::Next,
};
use plugin_core::clock::{self, Instant};
use plugin_transports::auth::Identity;

use super::problem::Told;

/// Characters of a path in the log, at most.
const LONGEST_PATH: usize = 256;

/// Which requests of the data plane have a line in the log, at the level `info` and with the target
/// `plugin_manager::access`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessLog {
    /// None.
    #[default]
    Off,
    /// Those with a status of 400 or above, and those whose client did not wait for the answer.
    Errors,
    /// All.
    All,
}

/// Writes the line of a request: method, path, status, code, request id, who called, and how long it took until there was
/// an answer. A client that went away has its line too, without a status.
pub(super) async fn write(State(log): State<AccessLog>, request: Request, next: Next) -> Response<Body> {
    // As it was sent, so that no character of it does anything in a log.
    let path = request.uri().path().chars().take(LONGEST_PATH).collect();
    let mut line = Line { log, method: request.method().clone(), path, began: clock::now(), answer: None };
    let response = next.run(request).await;
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    line.answer = Some(Answer {
        status: response.status(),
        code: response.extensions().get::<Told>().map(|told| told.code.as_str()),
        request_id: response.headers().get("x-request-id").map(text),
        who: response.extensions().get::<Identity>().cloned(),
    });
    response
}

struct Answer {
    status: StatusCode,
    code: Option<&'static str>,
    request_id: Option<String>,
    who: Option<Identity>,
}

/// Written when it is dropped.
struct Line {
    log: AccessLog,
    method: Method,
    path: String,
    began: Instant,
    answer: Option<Answer>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { log, method, path, began, answer } = self;
        let failed = answer.as_ref().is_none_or(|answer| answer.status.as_u16() >= 400);
        if *log == AccessLog::Off || (*log == AccessLog::Errors && !failed) {
            return;
        }
        let took_ms = began.elapsed().as_micros() as f64 / 1000.0;
        match answer {
            Some(Answer { status, code, request_id, who }) => tracing::info!(
                target: "plugin_manager::access",
                %method,
                path,
                status = status.as_u16(),
                code,
                request_id,
                who = who.as_ref().map(Identity::name),
                took_ms,
                "request"
            ),
            None => tracing::info!(target: "plugin_manager::access", %method, path, took_ms, "request, client gone"),
        }
    }
}
