//! One request and its answer.

use http::{HeaderMap, Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use plugin_core::{
    PluginError, Sent, classify,
    clock::{self, Instant},
};

use super::{
    body::Parts,
    endpoint::Endpoint,
    fault,
    pool::{Lease, Pool},
    progress::{Beside, CallProgress, CallStage},
};

/// A request that can be sent on any version of HTTP.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Parts,
}

/// An answer, whose connection comes back to the pool when it has been read.
pub(crate) struct Incomplete {
    response: Response<Incoming>,
    lease: Lease,
}

/// How often a request is sent again at once that a living peer has certainly not taken: what the end of a connection needs. A
/// peer that refuses this one too has no room, and is not to be asked more often for it. When it is asked again is for a retry
/// to say, which has a backoff and a budget.
const MAX_RESENT: usize = 1;

/// Sends a request on the first connection that takes it. A pooled one that turns out to be closed before a byte was
/// written costs nothing but another try.
///
/// So does a peer that answers over HTTP/2 that it has not looked at the request, since it ends the connection in order or
/// has no room on it: what `make` gives is then sent again, at once and [once](MAX_RESENT). It is asked for the request of an
/// attempt that is sent at that moment.
///
/// `beside` begins when it is sent. Whether the plugin has answered is for who reads the answer to say: a head alone may be all
/// that there is for a long time.
pub(crate) async fn send(
    pool: &std::sync::Arc<Pool>,
    endpoint: &Endpoint,
    make: impl Fn(Instant) -> Outgoing,
    now: Instant,
    progress: &CallProgress,
    beside: &mut Beside<'_>,
) -> Result<Incomplete, PluginError> {
    // Every idle connection may be dead; after as many tries as there can be of them, it is not bad luck any more.
    let mut tries = pool.free() + 2;
    let mut refused = 0;
    let (mut began, mut back) = (now, None);
    loop {
        let mut lease = pool.checkout(began, progress).await?;
        // It is made when it can be sent: what it says of time is what is left after a wait in line.
        let outgoing = back.take().unwrap_or_else(|| make(progress.sending(began)));
        progress.set(CallStage::Sent);
        beside.begins();
        let result = match &mut lease {
            Lease::Own(own) => {
                let request = outgoing.over_http1(endpoint);
                let Some(sender) = own.sender() else {
                    return Err(PluginError::connection("no connection", Sent::Nothing));
                };
                sender.try_send_request(request).await
            }
            Lease::Shared(stream) => stream.sender.try_send_request(outgoing.over_http2(endpoint)).await,
        };
        lease.heard_of();
        let mut error = match result {
            Ok(response) => return Ok(Incomplete { response, lease }),
            Err(error) => error,
        };
        let message = error.take_message();
        let error = error.into_error();
        if let Some(request) = message.filter(|_| lease.refused().is_none()) {
            tries = tries.saturating_sub(1);
            if tries == 0 {
                return Err(fault::lost(error, Sent::Nothing, pool.code()));
            }
            back = Some(Outgoing::back(request));
            continue;
        }
        let is_unsent = fault::is_unsent(&error);
        refused += 1;
        if !is_unsent || refused > MAX_RESENT || lease.refused().is_some() {
            let sent = if is_unsent { Sent::Nothing } else { Sent::Maybe };
            return Err(fault::lost_on(&lease, error, sent, pool.code()));
        }
        // For one stream there may have been no room for a moment only. A connection that has ended refuses whatever comes.
        if !classify::is_of_one_stream(&error) {
            lease.leave();
        }
        began = clock::now();
    }
}

impl Outgoing {
    fn over_http1(mut self, endpoint: &Endpoint) -> Request<Parts> {
        self.headers.insert(header::HOST, endpoint.host_header());
        self.request(Uri::from(endpoint.path.clone()))
    }

    fn over_http2(mut self, endpoint: &Endpoint) -> Request<Parts> {
        // The authority says it; and a connection of HTTP/2 has no header about itself.
        self.headers.remove(header::HOST);
        self.headers.remove(header::CONNECTION);
        self.request(endpoint.uri())
    }

    fn request(self, uri: Uri) -> Request<Parts> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        request
    }

    fn back(request: Request<Parts>) -> Self {
        let (parts, body) = request.into_parts();
        Self { method: parts.method, headers: parts.headers, body }
    }
}

impl Incomplete {
    #[cfg(feature = "http")]
    pub(crate) fn status(&self) -> http::StatusCode {
        self.response.status()
    }

    #[cfg(feature = "http")]
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What is not read yet, and the connection that it comes on.
    pub(crate) fn into_parts(self, progress: &CallProgress) -> (http::response::Parts, Incoming, Lease) {
        progress.set(CallStage::Reading);
        let (parts, incoming) = self.response.into_parts();
        (parts, incoming, self.lease)
    }
}
