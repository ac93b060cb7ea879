//! The data plane: `POST /v1/plugins/{name}`.

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use plugin_core::{Call, CallContext, Code, PluginError, Sent};
use plugin_transports::json;

use super::{context, problem};
use crate::manager::Manager;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone)]
struct Plane {
    manager: Manager<Bytes, Bytes>,
    max_body: u64,
}

/// The routes of the data plane. The body of a request is the payload, and must be JSON; the body of an answer is the
/// plugin's reply.
pub(super) fn routes(manager: Manager<Bytes, Bytes>, max_body: u64) -> Router {
    Router::new()
        .route("/v1/plugins/{name}", post(call).fallback(only_post))
        .fallback(no_such_path)
        .with_state(Plane { manager, max_body })
}

async fn call(
    State(plane): State<Plane>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let context = match context::read(&parts.headers) {
        Ok(context) => context,
        Err(error) => return problem::respond(&error, None),
    };
    let request_id = context.request_id().to_string();
    let answer = match name {
        Ok(Path(name)) => forward(&plane, &name, context, body).await,
        Err(_) => {
            let problem = "the plugin's name in the path is not UTF-8";
            Err(PluginError::new(Code::InvalidName, problem).with_sent(Sent::Nothing))
        }
    };
    let mut response = match answer {
        Ok(payload) => {
            let mut response = Response::new(Body::from(payload));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => problem::respond(&error, Some(request_id.clone())),
    };
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

async fn forward(plane: &Plane, name: &str, context: CallContext, body: Body) -> Result<Bytes, PluginError> {
    if !plane.manager.contains(name) {
        // Before the body is read: an unknown name must not cost the memory of a payload.
        let shown: String = name.chars().take(crate::manager::MAX_NAME).collect();
        return Err(PluginError::not_found(&shown));
    }
    let payload = read_body(body, plane.max_body).await.map_err(|error| error.with_plugin(name))?;
    // The one place where it is read as JSON on its way to a transport, however many attempts it takes.
    let call = json::checked(Call::with_context(context, payload)).map_err(|error| error.with_plugin(name))?;
    let reply = plane.manager.execute_with(name, call).await?;
    Ok(reply.into_payload())
}

async fn read_body(body: Body, max: u64) -> Result<Bytes, PluginError> {
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let problem = format!("the payload is larger than {max} bytes; `server.max_body` sets the limit");
            Err(PluginError::new(Code::PayloadTooLarge, problem).with_sent(Sent::Nothing))
        }
        Err(error) => {
            let problem = "the payload did not arrive whole";
            Err(PluginError::new(Code::InvalidPayload, problem).with_source(error).with_sent(Sent::Nothing))
        }
    }
}

async fn only_post() -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Call a plugin with POST; the body is its payload.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn no_such_path() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "Plugins are called with POST /v1/plugins/NAME.\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    (status, text).into_response()
}
