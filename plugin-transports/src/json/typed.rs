//! A service that speaks in types over one that speaks in JSON, and the other way round.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use plugin_core::{Call, Code, PluginError, Reply, Sent, polled_after_end, readiness};
use serde::{Serialize, de::DeserializeOwned};
use tower_service::Service;

use super::checked::sealed;

/// A plugin that takes `Req` and gives `Res`, over one that takes and gives JSON.
///
/// A request that cannot be written is `PLUGIN_1206`, and nothing is sent; neither is it worth a second attempt. A reply
/// that is not a `Res` is `PLUGIN_1206` too, after the plugin has done its work.
#[must_use]
pub fn typed<Req, Res, S>(plugin: S) -> Typed<S, Req, Res> {
    JsonService { inner: plugin, way: PhantomData }
}

/// A plugin that takes and gives JSON, over a service that takes `Req` and gives `Res`.
///
/// A payload that is not a `Req` is refused with `PLUGIN_1206`, which says what was expected and where.
#[must_use]
pub fn serve<Req, Res, S>(service: S) -> Served<S, Req, Res>
where
    S: Service<Call<Req>, Response = Reply<Res>, Error = PluginError>,
{
    JsonService { inner: service, way: PhantomData }
}

/// What [`typed`] makes.
/// ```
/// use plugin_transports::json::{self, Typed};
///
/// struct Transport;
///
/// // A client of a plugin that adds numbers, over a transport that carries bytes.
/// let client: Typed<Transport, Vec<u32>, u32> = json::typed(Transport);
/// # drop(client);
/// ```
pub type Typed<S, Req, Res> = JsonService<S, ToJson<Req, Res>>;

/// What [`serve`] makes.
/// ```
/// use plugin_core::{Call, PluginError, Reply};
/// use plugin_transports::json::{self, Served};
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), PluginError> {
/// async fn sum(call: Call<Vec<u32>>) -> Result<Reply<u32>, PluginError> {
///     Ok(Reply::new(call.payload().iter().sum()))
/// }
///
/// let plugin: Served<_, Vec<u32>, u32> = json::serve(service_fn(sum));
/// let reply = plugin.oneshot(Call::new("[1, 2, 3]".into())).await?;
/// assert_eq!(reply.payload(), "6");
/// # Ok(()) }
/// ```
pub type Served<S, Req, Res> = JsonService<S, FromJson<Req, Res>>;

/// A service between callers that speak in types and one that speaks in JSON, or the other way round: [`Typed`] or
/// [`Served`].
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
///
/// let bytes = json::serve(double); // JSON outside, types inside
/// let reply = bytes.clone().oneshot(Call::new(Bytes::from_static(b"21"))).await?;
/// assert_eq!(reply.payload(), "42");
///
/// let typed = json::typed::<u32, u32, _>(bytes); // and the way back
/// assert_eq!(typed.oneshot(Call::new(21)).await?.into_payload(), 42);
/// # Ok(())
/// # }
/// ```
pub struct JsonService<S, W> {
    inner: S,
    way: PhantomData<fn() -> W>,
}

/// Which way requests are translated; replies go the other.
pub trait Direction {
    /// The payload of a call to the service.
    type Taken;
    /// The payload of the call that it makes of it.
    type Asked;
    /// The payload of the reply to that.
    type Answered;
    /// The payload of the reply that it makes of it.
    type Given;

    /// # Errors
    ///
    /// Why it cannot be translated: nothing is sent.
    fn request(call: Call<Self::Taken>) -> Result<Call<Self::Asked>, PluginError>;

    /// # Errors
    ///
    /// Why it cannot be translated, after the work was done.
    fn reply(reply: Reply<Self::Answered>) -> Result<Reply<Self::Given>, PluginError>;
}

/// Takes a type, and asks in JSON.
pub struct ToJson<Req, Res>(PhantomData<fn(Req) -> Res>);

/// Takes JSON, and asks in a type.
pub struct FromJson<Req, Res>(PhantomData<fn(Req) -> Res>);

impl<Req: Serialize, Res: DeserializeOwned> Direction for ToJson<Req, Res> {
    type Taken = Req;
    type Asked = Bytes;
    type Answered = Bytes;
    type Given = Res;

    fn request(call: Call<Req>) -> Result<Call<Bytes>, PluginError> {
        let (context, payload) = call.into_parts();
        let bytes = serde_json::to_vec(&payload).map_err(|error| {
            PluginError::new(Code::InvalidPayload, format!("the payload cannot be written as JSON: {error}"))
                .with_sent(Sent::Nothing)
        })?;
        Ok(sealed(Call::with_context(context, Bytes::from(bytes))))
    }

    fn reply(reply: Reply<Bytes>) -> Result<Reply<Res>, PluginError> {
        let value = decode("reply", reply.payload())?;
        Ok(reply.map(|_| value))
    }
}

impl<Req: DeserializeOwned, Res: Serialize> Direction for FromJson<Req, Res> {
    type Taken = Bytes;
    type Asked = Req;
    type Answered = Res;
    type Given = Bytes;

    fn request(call: Call<Bytes>) -> Result<Call<Req>, PluginError> {
        let (context, bytes) = call.into_parts();
        let payload = decode("payload", &bytes).map_err(|error| error.with_sent(Sent::Nothing))?;
        Ok(Call::with_context(context, payload))
    }

    fn reply(reply: Reply<Res>) -> Result<Reply<Bytes>, PluginError> {
        // The plugin has done its work, so this is its failure and not the caller's.
        let bytes = serde_json::to_vec(reply.payload())
            .map_err(|error| PluginError::execution(format!("the reply cannot be written as JSON: {error}")))?;
        Ok(reply.map(|_| Bytes::from(bytes)))
    }
}

fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, PluginError> {
    serde_json::from_slice(bytes).map_err(|error| {
        PluginError::new(
            Code::InvalidPayload,
            format!("the {what} is not the JSON that was expected: {}", crate::wire::json_faults::said(&error)),
        )
    })
}

impl<S, W> JsonService<S, W> {
    /// A reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, W> Clone for JsonService<S, W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), way: PhantomData }
    }
}

impl<S: fmt::Debug, W> fmt::Debug for JsonService<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonService").field("inner", &self.inner).finish()
    }
}

impl<S, W> Service<Call<W::Taken>> for JsonService<S, W>
where
    W: Direction,
    S: Service<Call<W::Asked>, Response = Reply<W::Answered>, Error = PluginError>,
{
    type Response = Reply<W::Given>;
    type Error = PluginError;
    type Future = JsonFuture<S::Future, W>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<W::Taken>) -> Self::Future {
        let work = match W::request(call) {
            Ok(call) => JsonWork::Calling { future: self.inner.call(call) },
            Err(error) => {
                // The inner service is not called.
                readiness::unused();
                JsonWork::Failed { error: Some(error) }
            }
        };
        JsonFuture { work, way: PhantomData }
    }
}

pin_project! {
    #[project = WorkProject]
    enum JsonWork<F> {
        Calling { #[pin] future: F },
        // What could not be written or read, until it has been told.
        Failed { error: Option<PluginError> },
    }
}

pin_project! {
    /// The future of [`JsonService`]. Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct JsonFuture<F, W> {
        #[pin]
        work: JsonWork<F>,
        way: PhantomData<fn() -> W>,
    }
}

impl<F, W> Future for JsonFuture<F, W>
where
    W: Direction,
    F: Future<Output = Result<Reply<W::Answered>, PluginError>>,
{
    type Output = Result<Reply<W::Given>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().work.project() {
            WorkProject::Calling { future } => Poll::Ready(W::reply(ready!(future.poll(cx))?)),
            WorkProject::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => polled_after_end("plugin_transports::json::JsonFuture"),
            },
        }
    }
}

impl<F, W> fmt::Debug for JsonFuture<F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonFuture").finish_non_exhaustive()
    }
}

impl<Req, Res> fmt::Debug for ToJson<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToJson")
    }
}

impl<Req, Res> fmt::Debug for FromJson<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromJson")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::json::checked::is_checked;

    #[tokio::test]
    async fn what_is_written_out_of_a_type_is_known_to_be_json() {
        let far = service_fn(|call: Call<Bytes>| async move {
            assert!(is_checked(&call));
            let copied = allocation_counter::measure(|| drop(std::hint::black_box(call.clone()))).count_total;
            assert_eq!(copied, 0);
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        });
        let reply = typed::<_, String, _>(far).oneshot(Call::new("text".to_owned())).await.expect("an echo");
        assert_eq!(reply.payload(), "text");
    }

    fn answering(
        text: &'static str,
    ) -> impl Service<
        Call<Bytes>,
        Response = Reply<Bytes>,
        Error = PluginError,
        Future = std::future::Ready<Result<Reply<Bytes>, PluginError>>,
    > {
        service_fn(move |_: Call<Bytes>| std::future::ready(Ok(Reply::new(Bytes::from_static(text.as_bytes())))))
    }

    #[tokio::test]
    async fn both_sides_meet_in_the_same_json() {
        let far = serve(service_fn(|call: Call<Vec<u32>>| async move {
            assert_eq!(call.context().priority(), 7, "the context goes through");
            Ok(Reply::new(call.payload().iter().sum::<u32>()).with_metadata([("k".into(), "v".into())].into()))
        }));
        let mut call = Call::new(vec![1, 2, 3]);
        call.context_mut().set_priority(7);
        let reply = typed::<Vec<u32>, u32, _>(far).oneshot(call).await.expect("a sum");
        assert_eq!((*reply.payload(), reply.metadata()["k"].as_str()), (6, "v"));
    }

    #[tokio::test]
    async fn a_payload_of_another_shape_is_refused_and_says_where() {
        let far = serve(service_fn(|_: Call<Vec<u32>>| async { Ok(Reply::new(())) }));
        let error = far.oneshot(Call::new(Bytes::from_static(b"[1,\"x\"]"))).await.expect_err("no number");
        assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, Sent::Nothing));
        assert!(error.message().contains("line 1 column 6"), "{error}");
    }

    #[tokio::test]
    async fn a_document_that_is_too_deep_is_refused_and_not_followed() {
        let far = serve(service_fn(|_: Call<serde_json::Value>| async { Ok(Reply::new(())) }));
        let deep = Bytes::from("[".repeat(100_000) + &"]".repeat(100_000));
        let error = far.oneshot(Call::new(deep)).await.expect_err("too deep");
        assert!(error.message().contains("recursion limit"), "{error}");
    }

    #[tokio::test]
    async fn a_reply_of_another_shape_is_an_error_after_the_work() {
        let error = typed::<(), u32, _>(answering("\"x\"")).oneshot(Call::new(())).await.expect_err("no number");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::InvalidPayload, Sent::Maybe, false));
    }

    #[tokio::test]
    async fn a_request_that_json_cannot_hold_sends_nothing() {
        let keys: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        let error = typed::<_, (), _>(answering("null")).oneshot(Call::new(keys)).await.expect_err("keys are lists");
        assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, Sent::Nothing));
    }
}
