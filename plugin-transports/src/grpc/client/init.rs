//! Tells a plugin its options, on each new connection and before any call on it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use plugin_core::{Code, PluginError, Sent};

use super::{GrpcConfig, headers, methods::Methods};
use crate::{
    grpc::{
        frame, proto, rich,
        status::{GrpcStatus, OK, UNIMPLEMENTED},
    },
    net::{body::Parts, connect::Greeting},
    wire::plugin_errors,
};

/// An answer has a message of no bytes.
const MAX_ANSWER: usize = 4 << 10;

/// What is said on a new connection: nothing where there are no options.
pub(super) fn greeting(config: &GrpcConfig, base: &HeaderMap, methods: &Methods) -> Option<Greeting> {
    if config.options.is_empty() {
        return None;
    }
    let options_json = Bytes::from(serde_json::to_vec(&config.options).unwrap_or_else(|_| b"{}".to_vec()));
    let message = frame::whole(&proto::InitRequest { options_json, plugin_name: config.name.clone() });
    let headers = headers::with_timeout(base, config.connection.connection_timeout());
    let uri = methods.init.uri();
    Some(Arc::new(move |sender| {
        let mut request = Request::new(Parts::from(message.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        Box::pin(tell(sender, request))
    }))
}

/// No call has been sent, whatever comes of this.
async fn tell(mut sender: SendRequest<Parts>, request: Request<Parts>) -> Result<(), PluginError> {
    let lost = |error: hyper::Error| {
        PluginError::connection("the connection closed before the plugin had taken its options", Sent::Nothing)
            .with_source(error)
    };
    let response = sender.send_request(request).await.map_err(lost)?;
    let (head, body) = response.into_parts();
    let status = GrpcStatus::read(&head.headers);
    let trailers = match status {
        Some(_) => None,
        None => frame::read(body.map_err(lost), MAX_ANSWER, false).await?.trailers,
    };
    match status.or_else(|| trailers.as_ref().and_then(GrpcStatus::read)) {
        Some(Ok(status)) if status.number == OK => Ok(()),
        Some(Ok(status)) => Err(refused(&status)),
        Some(Err(_)) | None => {
            let problem = format!("the server answered `Init` with {}, and no status of gRPC", head.status);
            Err(PluginError::connection(problem, Sent::Nothing))
        }
    }
}

/// The options were not taken. They may be with the next connection, which is made of another try.
fn refused(status: &GrpcStatus) -> PluginError {
    if status.number == UNIMPLEMENTED {
        let problem = "the plugin takes no options (its `Init` is UNIMPLEMENTED); take `options` out";
        return PluginError::new(Code::ConfigValue, problem).with_sent(Sent::Nothing);
    }
    let details = rich::read(status);
    let problem = format!("the plugin refused its options: {}", status.message);
    plugin_errors::error(Code::ExecutionFailed, problem, details.again).with_sent(Sent::Nothing)
}
