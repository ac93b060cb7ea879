//! Types at both ends of a plugin that speaks JSON.
//!
//! A transport carries bytes. [`typed`] puts a type of the caller's on its near side, [`serve`] one of the plugin's on
//! its far side:
//!
//! ```
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_transports::json;
//! use serde::{Deserialize, Serialize};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order { items: u32 }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), PluginError> {
//! let count = json::serve(service_fn(|call: Call<Order>| async move {
//!     Ok::<_, PluginError>(Reply::new(call.payload().items + 1))
//! }));
//! // Here stands any transport. The near side needs to know only the two types.
//! let typed = json::typed::<Order, u32, _>(count);
//! assert_eq!(typed.oneshot(Call::new(Order { items: 1 })).await?.into_payload(), 2);
//! # Ok(()) }
//! ```

mod limits;
mod scan;

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use plugin_core::{Call, Code, PluginError, Reply, Seal, Sent, polled_after_end, readiness};
use serde::{Serialize, de::DeserializeOwned};
use tower_service::Service;

pub use self::limits::{Beyond, Flaw, Limits};

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

/// The payload is one JSON value.
static JSON: Seal = Seal::new("JSON");

/// The payload is one JSON value, and has no line break, not even between tokens.
static JSON_ON_ONE_LINE: Seal = Seal::new("JSON on one line");

/// Checks the payload once, at the door, so that no transport behind it does so at each attempt: that it is one JSON value,
/// within the default [`Limits`]. The bytes stay as they are. [`typed`] marks what it writes in the same way, and the gateway
/// what it is sent.
///
/// A transport that is given a call without this checks it by itself. A copy of the payload, as a retry makes one, does
/// not allocate afterwards.
///
/// # Errors
///
/// `PLUGIN_1206`, with nothing sent, when the payload is not JSON, and says where, or is beyond a limit.
pub fn checked(call: Call<Bytes>) -> Result<Call<Bytes>, PluginError> {
    checked_within(call, Limits::new())
}

/// Like [`checked`], within other limits. A call that was checked before is not checked again.
///
/// # Errors
///
/// Those of [`checked`].
pub fn checked_within(call: Call<Bytes>, limits: Limits) -> Result<Call<Bytes>, PluginError> {
    if is_checked(&call) {
        return Ok(call);
    }
    match limits.check(call.payload()) {
        Ok(()) => Ok(sealed(call)),
        Err(flaw) => Err(refused(&flaw)),
    }
}

/// The error about a payload that is not the JSON that it must be.
#[cold]
pub(crate) fn refused(flaw: &Flaw) -> PluginError {
    let message = match flaw {
        Flaw::Syntax(error) => format!("the payload is not JSON: {error}"),
        Flaw::Beyond(_) => format!("the payload is not accepted: {flaw}"),
    };
    PluginError::new(Code::InvalidPayload, message).with_sent(Sent::Nothing)
}

/// Marks a call whose payload is known to be JSON.
fn sealed(call: Call<Bytes>) -> Call<Bytes> {
    // Bytes that were made of a vector become shared when they are first copied, which allocates: here, and not in a retry.
    drop(call.payload().clone());
    let lines = memchr::memchr2(b'\n', b'\r', call.payload()).is_some();
    call.with_seal(if lines { &JSON } else { &JSON_ON_ONE_LINE })
}

/// Whether the payload is known to be JSON.
pub(crate) fn is_checked(call: &Call<Bytes>) -> bool {
    call.has_seal(&JSON_ON_ONE_LINE) || call.has_seal(&JSON)
}

/// The payload on one line, looked at only as far as it is not known.
#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) fn on_one_line(call: &Call<Bytes>, limits: Limits) -> Result<std::borrow::Cow<'_, [u8]>, Flaw> {
    use crate::lines::json::flat;
    if call.has_seal(&JSON_ON_ONE_LINE) {
        return Ok(call.payload()[..].into());
    }
    if !call.has_seal(&JSON) {
        limits.check(call.payload())?;
    }
    Ok(flat(call.payload()))
}

/// Writes a payload.
pub(crate) fn encode<T: Serialize>(payload: &T) -> Result<Bytes, PluginError> {
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

    thread_local!(pub(super) static CHECKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

    fn checks(run: impl FnOnce()) -> usize {
        let before = CHECKS.with(std::cell::Cell::get);
        run();
        CHECKS.with(std::cell::Cell::get) - before
    }

    #[test]
    fn a_payload_is_checked_once_and_a_line_break_between_tokens_is_remembered() {
        let call = |text: &str| Call::new(Bytes::from(text.to_owned()));
        let once = checks(|| {
            let call = checked(call("{\"a\": 1}")).expect("JSON");
            let again = checked(call.clone()).expect("it is known to be");
            assert!(is_checked(&again) && again.has_seal(&JSON_ON_ONE_LINE));
        });
        assert_eq!(once, 1);
        let lines = checked(call("[1,\r2]")).expect("JSON");
        assert!(is_checked(&lines) && !lines.has_seal(&JSON_ON_ONE_LINE));
        for bad in ["", "nul", "{}{}", "NaN"] {
            let error = checked(call(bad)).expect_err(bad);
            assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, Sent::Nothing));
        }
        let deep = checked(call(&("[".repeat(129) + &"]".repeat(129)))).expect_err("too deep");
        assert_eq!((deep.code(), deep.sent()), (Code::InvalidPayload, Sent::Nothing));
        assert!(deep.message().contains("`max_json_depth`, which is 128"), "{deep}");
        let long = checked(call(&"9".repeat(4001))).expect_err("more digits than Python reads");
        assert!(long.message().contains("a number of more than 4000 characters"), "{long}");
        let own = Limits::new().with_max_depth(129).with_max_digits(4001);
        assert!(checked_within(call(&("[".repeat(129) + &"9".repeat(4001) + &"]".repeat(129))), own).is_ok());
        let error = checked(Call::new(Bytes::from_static(b"\"\xe9\""))).expect_err("Latin-1");
        assert_eq!(error.code(), Code::InvalidPayload);
    }

    #[cfg(feature = "http")]
    #[tokio::test]
    async fn attempts_over_http_do_not_check_again_what_was_checked_at_the_door() {
        let config = crate::http::HttpConfig::builder("p", "http://127.0.0.1:1/").build().expect("valid");
        let plugin = crate::http::HttpPlugin::connect(config).expect("nothing to read");
        let mut counts = Vec::new();
        for call in
            [Call::new(Bytes::from_static(b"[1]")), checked(Call::new(Bytes::from_static(b"[1]"))).expect("JSON")]
        {
            let before = CHECKS.with(std::cell::Cell::get);
            for _ in 0..3 {
                let error = plugin.service().clone().oneshot(call.clone()).await.expect_err("nobody listens there");
                assert_eq!(error.code(), Code::ConnectionFailed);
            }
            counts.push(CHECKS.with(std::cell::Cell::get) - before);
        }
        assert_eq!(counts, [3, 0]);
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    #[test]
    fn a_payload_for_a_process_is_put_on_one_line_and_checked_unless_it_was() {
        let lines = || Call::new(Bytes::from_static(b"[1,\n2]"));
        for (call, checks) in [(lines(), 1), (checked(lines()).expect("JSON"), 0)] {
            let before = CHECKS.with(std::cell::Cell::get);
            assert_eq!(on_one_line(&call, Limits::new()).expect("JSON"), &b"[1, 2]"[..]);
            assert_eq!(CHECKS.with(std::cell::Cell::get) - before, checks);
        }
        on_one_line(&Call::new(Bytes::from_static(b"[1,\n2")), Limits::new()).expect_err("no end");
    }

    #[test]
    fn a_copy_of_a_checked_payload_does_not_allocate() {
        let copies =
            |call: &Call<Bytes>| allocation_counter::measure(|| drop(std::hint::black_box(call.clone()))).count_total;
        let heap = || Call::new(Bytes::from(b"\"a heap payload\"".to_vec()));
        assert_eq!(copies(&checked(heap()).expect("JSON")), 0);
        assert_eq!(
            copies(&heap()),
            1,
            "if this is 0 too, bytes are shared from the start and `checked` need not see to it"
        );
    }

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
