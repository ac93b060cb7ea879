//! What a balancer reads from a request, and writes to what comes back.

use std::collections::BTreeMap;

use plugin_core::{Attributed, Call, InstanceId, PluginError, Reply};

#[cfg(feature = "http")]
use crate::load_report;
use crate::{Hints, LoadReport, last_failure};

/// What a balancer reads from a request, and writes to what comes back.
///
/// [`PlainEnvelope`] is the default and knows nothing of either. Each method but [`hints`](Self::hints) may be left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read hints from `{Req}`, or cannot tag `Result<{Res}, {Err}>`",
    note = "`CallEnvelope` and `CallOnceEnvelope` serve `plugin_core::Call<_>`, `HttpEnvelope` (feature `http`) serves `http::Request<_>`, `PlainEnvelope` serves everything; for a request type of your own use `Balance::hints_with`, or implement `Envelope`"
)]
pub trait Envelope<Req, Res, Err> {
    /// What the request says about the pick.
    fn hints<'r>(&self, request: &'r Req) -> Hints<'r>;

    /// Notes on a response or an error which instance it came from.
    fn tag(&self, result: Result<&mut Res, &mut Err>, instance: InstanceId) {
        let _ = (result, instance);
    }

    /// What the response says of the load of its instance. Asked of each response under the strategy `reported-weights`, and
    /// under no other.
    fn load_report(&self, response: &Res) -> Option<LoadReport> {
        let _ = response;
        None
    }

    /// A copy of the request for another instance, when the first cannot be reached: its error, as it is judged, says that
    /// nothing was sent. Asked only where failover is on and there is another instance. `None`: the request goes to one
    /// instance.
    fn retain(&self, request: &Req) -> Option<Req> {
        let _ = request;
        None
    }

    /// What an operator is told of an error that counts against its instance, or says that no call on it will go well
    /// ([`LastFailure::message`](crate::LastFailure)). Asked of those only. `None`: that it failed, and not why.
    fn tell(&self, error: &Err) -> Option<String> {
        let _ = error;
        None
    }
}

/// No hints, no tags: any request, any response, any error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainEnvelope;

impl<Req, Res, Err> Envelope<Req, Res, Err> for PlainEnvelope {
    fn hints<'r>(&self, _: &'r Req) -> Hints<'r> {
        Hints::new()
    }
}

/// Calls of this family: hints from the [`CallContext`](plugin_core::CallContext), the instance noted on reply and
/// error, and, after an error that says nothing was sent, the same call on another instance. A copy of the call is kept
/// for that, so the payload is `Clone`; it should be cheap to clone, as `Bytes` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallEnvelope;

impl<T: Clone, U> Envelope<Call<T>, Reply<U>, PluginError> for CallEnvelope {
    fn hints<'r>(&self, call: &'r Call<T>) -> Hints<'r> {
        call.context().into()
    }

    fn tag(&self, result: Result<&mut Reply<U>, &mut PluginError>, instance: InstanceId) {
        attribute(result, instance);
    }

    fn load_report(&self, reply: &Reply<U>) -> Option<LoadReport> {
        of_metadata(reply.metadata())
    }

    fn retain(&self, call: &Call<T>) -> Option<Call<T>> {
        Some(call.clone())
    }

    fn tell(&self, error: &PluginError) -> Option<String> {
        Some(last_failure::say(error))
    }
}

/// Like [`CallEnvelope`] for payloads that are not cloned: another instance is tried only when one is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallOnceEnvelope;

impl<T, Res: Attributed, Err: Attributed> Envelope<Call<T>, Res, Err> for CallOnceEnvelope {
    fn hints<'r>(&self, call: &'r Call<T>) -> Hints<'r> {
        call.context().into()
    }

    fn tag(&self, result: Result<&mut Res, &mut Err>, instance: InstanceId) {
        attribute(result, instance);
    }
}

/// The report in the metadata of a reply, under the names that it has in headers.
fn of_metadata(metadata: &BTreeMap<String, String>) -> Option<LoadReport> {
    match metadata.get(LoadReport::BINARY_HEADER) {
        Some(value) => LoadReport::from_base64(value.as_bytes()),
        None => LoadReport::parse(metadata.get(LoadReport::HEADER)?),
    }
}

fn attribute(result: Result<&mut impl Attributed, &mut impl Attributed>, instance: InstanceId) {
    match result {
        Ok(response) => response.attribute(instance),
        Err(error) => error.attribute(instance),
    }
}

/// HTTP: hints from a [`CallContext`](plugin_core::CallContext) in the request's extensions, the
/// [`InstanceId`] in those of the response. Errors are not tagged, since they are the client's own and have no place for it: a retry outside is not told
/// which instance refused the connection. A request goes to one instance, unless
/// [`Balance::retain_with`](crate::Balance::retain_with) says how it is copied.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpEnvelope;

#[cfg(feature = "http")]
impl<B, C, Err> Envelope<http::Request<B>, http::Response<C>, Err> for HttpEnvelope {
    fn hints<'r>(&self, request: &'r http::Request<B>) -> Hints<'r> {
        request.extensions().get::<plugin_core::CallContext>().map_or_else(Hints::new, Hints::from)
    }

    fn tag(&self, result: Result<&mut http::Response<C>, &mut Err>, instance: InstanceId) {
        if let Ok(response) = result {
            response.extensions_mut().insert(instance);
        }
    }

    fn load_report(&self, response: &http::Response<C>) -> Option<LoadReport> {
        load_report::of_headers(response.headers())
    }
}

/// Another envelope with requests that are copied by a closure, see [`Balance::retain_with`](crate::Balance::retain_with).
#[derive(Clone, Copy)]
pub struct RetainingEnvelope<E, F> {
    pub(crate) envelope: E,
    pub(crate) copy: F,
}

impl<E, F, Req, Res, Err> Envelope<Req, Res, Err> for RetainingEnvelope<E, F>
where
    E: Envelope<Req, Res, Err>,
    F: Fn(&Req) -> Option<Req>,
{
    fn hints<'r>(&self, request: &'r Req) -> Hints<'r> {
        self.envelope.hints(request)
    }

    fn tag(&self, result: Result<&mut Res, &mut Err>, instance: InstanceId) {
        self.envelope.tag(result, instance);
    }

    fn load_report(&self, response: &Res) -> Option<LoadReport> {
        self.envelope.load_report(response)
    }

    fn retain(&self, request: &Req) -> Option<Req> {
        (self.copy)(request)
    }

    fn tell(&self, error: &Err) -> Option<String> {
        self.envelope.tell(error)
    }
}

impl<E: std::fmt::Debug, F> std::fmt::Debug for RetainingEnvelope<E, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetainingEnvelope").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

/// Hints from a closure, see [`Balance::hints_with`](crate::Balance::hints_with).
#[derive(Clone, Copy)]
pub struct HintsEnvelope<F>(pub(crate) F);

impl<F, Req, Res, Err> Envelope<Req, Res, Err> for HintsEnvelope<F>
where
    F: for<'r> Fn(&'r Req) -> Hints<'r>,
{
    fn hints<'r>(&self, request: &'r Req) -> Hints<'r> {
        (self.0)(request)
    }
}

impl<F> std::fmt::Debug for HintsEnvelope<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HintsEnvelope").finish_non_exhaustive()
    }
}
