//! One request to a gateway, and what comes of it.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use plugin_core::rounded;
use plugin_transports::dial::{DialError, Dialer};
use secrecy::ExposeSecret;
use tokio::runtime::Builder;

use super::super::{CommandFault, args::Remote, early_answers::Hearing, runtime};

/// How long connecting to a gateway may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// Sends a request to a gateway, with the token if there is one.
pub(super) fn send(
    remote: &Remote,
    request: http::request::Builder,
    body: Bytes,
    limit: Duration,
) -> Result<(StatusCode, Bytes), CommandFault> {
    let mut request = request.body(Full::new(body)).map_err(|error| CommandFault::Wrong(error.to_string()))?;
    if let Some(token) = &remote.token {
        let mut value = http::HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| CommandFault::Wrong("the token has characters that a header cannot hold".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    runtime::block_on(&mut Builder::new_current_thread(), async {
        let place = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_safe = request.method().is_safe();
        let connector = tower::service_fn(|uri: Uri| {
            Box::pin(async move {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
                let dialer = Dialer::new(host, uri.port_u16().unwrap_or(80));
                Ok::<_, DialError>(TokioIo::new(Hearing::new(dialer.connect(CONNECT_LIMIT).await?)))
            })
        });
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let exchange = async {
            let response =
                client.request(request).await.map_err(|error| unreachable_gateway(&place, is_safe, &error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body =
                body.map_err(|error| CommandFault::Failed(format!("the answer of {place} broke off: {error}")))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(CommandFault::Failed(format!("{place} did not answer within {}", rounded(limit)))),
        }
    })
}

/// Why there is no answer. What is not `is_safe` does something.
fn unreachable_gateway(place: &str, is_safe: bool, error: &hyper_util::client::legacy::Error) -> CommandFault {
    let mut cause: &dyn std::error::Error = error;
    // What a person needs of it: which addresses were tried, or the innermost.
    while let Some(next) = cause.source().filter(|_| !cause.is::<DialError>()) {
        cause = next;
    }
    // There was a connection: somebody is there.
    if !error.is_connect() {
        let done = match is_safe {
            true => "",
            false => "; what was asked for may have been done all the same",
        };
        return CommandFault::Failed(format!(
            "the connection with {place} broke off before there was an answer: {cause}{done}"
        ));
    }
    CommandFault::Unreached(format!(
        "no gateway answers at {place} ({cause}). Start one with `plugin-manager run` or `plugin-manager demo`, \
         or name another with --url and --admin."
    ))
}
