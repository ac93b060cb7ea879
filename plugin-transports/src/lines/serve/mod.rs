//! The plugin's end of the line protocol.

mod error;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod request;
mod server;
mod session;
mod start;
mod stdio;

use std::{fmt, future::Future};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply};
use serde::{Serialize, de::DeserializeOwned};
use tower_service::Service;

use crate::{inproc, wire::json_faults};

pub use self::{error::ServeError, server::Server};

/// Makes a plugin out of any service of JSON payloads: serves it on stdin and stdout, as [`Server::serve`] does with
/// its default settings.
///
/// # Errors
///
/// Those of [`Server::serve`].
pub async fn serve<S>(service: S) -> Result<(), ServeError>
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error: fmt::Display, Future: Send> + Clone + Send + 'static,
{
    Server::new().serve(service).await
}

/// Makes a plugin out of an async function of typed values, which are read and written as JSON.
///
/// ```no_run
/// use plugin_transports::lines::{ServeError, serve_json};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), ServeError> {
///     serve_json(|name: String| async move { Ok::<_, String>(format!("hello {name}")) }).await
/// }
/// ```
///
/// # Errors
///
/// Those of [`Server::serve`].
pub async fn serve_json<F, Req, Fut, Res, E>(function: F) -> Result<(), ServeError>
where
    F: Fn(Req) -> Fut + Clone + Send + 'static,
    Req: DeserializeOwned + 'static,
    Fut: Future<Output = Result<Res, E>> + Send,
    Res: Serialize + 'static,
    E: fmt::Display,
{
    serve(inproc::plugin_fn(move |call: Call<Bytes>| {
        let work = serde_json::from_slice(call.payload()).map(&function);
        async move {
            let response = match work {
                Ok(work) => work.await.map_err(|error| PluginError::execution(error.to_string()))?,
                Err(error) => {
                    let text = format!("the payload is not what this plugin takes: {}", json_faults::said(&error));
                    return Err(PluginError::new(Code::InvalidPayload, text));
                }
            };
            let json = serde_json::to_vec(&response)
                .map_err(|error| PluginError::execution(format!("the result cannot be written as JSON: {error}")))?;
            Ok(Reply::new(Bytes::from(json)))
        }
    }))
    .await
}

#[cfg(test)]
mod tests;
