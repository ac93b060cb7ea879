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
    Typed { inner: plugin, types: PhantomData }
}

/// A plugin that takes and gives JSON, over a service that takes `Req` and gives `Res`.
///
/// A payload that is not a `Req` is refused with `PLUGIN_1206`, which says what was expected and where.
#[must_use]
pub fn serve<Req, Res, S>(service: S) -> Served<S, Req, Res>
where
    S: Service<Call<Req>, Response = Reply<Res>, Error = PluginError>,
{
    Served { inner: service, types: PhantomData }
}

/// Writes a payload.
fn encode<T: Serialize>(payload: &T) -> Result<Bytes, PluginError> {
    serde_json::to_vec(payload).map(Bytes::from).map_err(|error| {
        PluginError::new(Code::InvalidPayload, format!("the payload cannot be written as JSON: {error}"))
            .with_sent(Sent::Nothing)
    })
}

fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, PluginError> {
    serde_json::from_slice(bytes).map_err(|error| {
        PluginError::new(
            Code::InvalidPayload,
            format!("the {what} is not the JSON that was expected: {}", crate::flaw::said(&error)),
        )
    })
}

/// What [`typed`] makes.
pub struct Typed<S, Req, Res> {
    inner: S,
    types: PhantomData<fn(Req) -> Res>,
}

impl<S, Req, Res> Typed<S, Req, Res> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to write to.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, Req, Res> Clone for Typed<S, Req, Res> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), types: PhantomData }
    }
}

impl<S: fmt::Debug, Req, Res> fmt::Debug for Typed<S, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("inner", &self.inner).finish()
    }
}

impl<S, Req, Res> Service<Call<Req>> for Typed<S, Req, Res>
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error = PluginError>,
    Req: Serialize,
    Res: DeserializeOwned,
{
    type Response = Reply<Res>;
    type Error = PluginError;
    type Future = TypedFuture<S::Future, Res>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Req>) -> Self::Future {
        let (context, payload) = call.into_parts();
        let work = match encode(&payload) {
            Ok(bytes) => Work::Calling { future: self.inner.call(sealed(Call::with_context(context, bytes))) },
            Err(error) => Work::failed(error),
        };
        TypedFuture { work, types: PhantomData }
    }
}

pin_project! {
    #[project = WorkProject]
    enum Work<F> {
        Calling { #[pin] future: F },
        // What could not be written or read, until it has been told.
        Failed { error: Option<PluginError> },
    }
}

impl<F> Work<F> {
    /// The inner service is not called.
    fn failed(error: PluginError) -> Self {
        readiness::unused();
        Self::Failed { error: Some(error) }
    }
}

impl<F, T> Future for Work<F>
where
    F: Future<Output = Result<T, PluginError>>,
{
    type Output = Result<T, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            WorkProject::Calling { future } => future.poll(cx),
            WorkProject::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => polled_after_end("plugin_transports::json::{TypedFuture, ServedFuture}"),
            },
        }
    }
}

pin_project! {
    /// The future of [`Typed`]. Dropping it drops the call.
    pub struct TypedFuture<F, Res> {
        #[pin]
        work: Work<F>,
        types: PhantomData<fn() -> Res>,
    }
}

impl<F, Res> Future for TypedFuture<F, Res>
where
    F: Future<Output = Result<Reply<Bytes>, PluginError>>,
    Res: DeserializeOwned,
{
    type Output = Result<Reply<Res>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(self.project().work.poll(cx))?;
        let value = decode("reply", reply.payload())?;
        Poll::Ready(Ok(reply.map(|_| value)))
    }
}

impl<F, Res> fmt::Debug for TypedFuture<F, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedFuture").finish_non_exhaustive()
    }
}

/// What [`serve`] makes.
pub struct Served<S, Req, Res> {
    inner: S,
    types: PhantomData<fn(Req) -> Res>,
}

impl<S, Req, Res> Served<S, Req, Res> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to write to.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, Req, Res> Clone for Served<S, Req, Res> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), types: PhantomData }
    }
}

impl<S: fmt::Debug, Req, Res> fmt::Debug for Served<S, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("inner", &self.inner).finish()
    }
}

impl<S, Req, Res> Service<Call<Bytes>> for Served<S, Req, Res>
where
    S: Service<Call<Req>, Response = Reply<Res>, Error = PluginError>,
    Req: DeserializeOwned,
    Res: Serialize,
{
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = ServedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        let (context, bytes) = call.into_parts();
        let work = match decode("payload", &bytes) {
            Ok(payload) => Work::Calling { future: self.inner.call(Call::with_context(context, payload)) },
            Err(error) => Work::failed(error.with_sent(Sent::Nothing)),
        };
        ServedFuture { work }
    }
}

pin_project! {
    /// The future of [`Served`]. Dropping it drops the call.
    pub struct ServedFuture<F> {
        #[pin]
        work: Work<F>,
    }
}

impl<F, Res> Future for ServedFuture<F>
where
    F: Future<Output = Result<Reply<Res>, PluginError>>,
    Res: Serialize,
{
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(self.project().work.poll(cx))?;
        // The plugin has done its work, so this is its failure and not the caller's.
        let bytes = serde_json::to_vec(reply.payload())
            .map_err(|error| PluginError::execution(format!("the reply cannot be written as JSON: {error}")))?;
        Poll::Ready(Ok(reply.map(|_| Bytes::from(bytes))))
    }
}

impl<F> fmt::Debug for ServedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedFuture").finish_non_exhaustive()
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
