//! How a copy is known as one, and how much time it has.

use std::time::Duration;

use plugin_core::{Call, clock, deadline::Deadlined};

/// What a copy says of itself: the name of a header, and of an entry of a call's metadata. The value is `1`.
pub const MIRRORED: &str = "x-mirrored";

/// The key by which a service knows that it has done a thing already: that of the call and not of its copy.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Marks a copy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot mark a `{Req}` as a copy",
    note = "`MarkCall` serves `plugin_core::Call<_>`, `MarkHttp` (feature `http`) serves `http::Request<_>`, `Unmarked` serves everything"
)]
pub trait MarkCopy<Req> {
    /// Marks the copy, and gives back how long it may take: no longer than `timeout`, nor than its call.
    fn mark(&self, copy: &mut Req, timeout: Duration) -> Duration;
}

/// Any request: copies look like what they are made of, and have the whole timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmarked;

impl<Req> MarkCopy<Req> for Unmarked {
    fn mark(&self, _: &mut Req, timeout: Duration) -> Duration {
        timeout
    }
}

/// Calls of this family: the metadata of a copy has [`MIRRORED`], its headers no `Idempotency-Key`, and its deadline is the
/// earlier one of the call's and the mirror's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkCall;

impl<T> MarkCopy<Call<T>> for MarkCall {
    fn mark(&self, copy: &mut Call<T>, timeout: Duration) -> Duration {
        let context = copy.context_mut();
        context.metadata_mut().insert(MIRRORED.to_owned(), "1".to_owned());
        if context.headers().is_some_and(|headers| headers.contains_key(IDEMPOTENCY_KEY)) {
            context.headers_mut().remove(IDEMPOTENCY_KEY);
        }
        limit(copy, timeout)
    }
}

/// HTTP: a copy has the header [`MIRRORED`] and no `Idempotency-Key`, and its deadline is the earlier one of the request's and
/// the mirror's.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkHttp;

#[cfg(feature = "http")]
impl<B> MarkCopy<http::Request<B>> for MarkHttp {
    fn mark(&self, copy: &mut http::Request<B>, timeout: Duration) -> Duration {
        copy.headers_mut().insert(MIRRORED, http::HeaderValue::from_static("1"));
        copy.headers_mut().remove(IDEMPOTENCY_KEY);
        let of_context = copy.extensions().get().and_then(plugin_core::CallContext::deadline);
        let left = of_context.map_or(timeout, |deadline| deadline.saturating_since(clock::now()));
        limit(copy, timeout.min(left))
    }
}

/// The time that a copy has, which is written on it for whoever is told of it.
fn limit(copy: &mut impl Deadlined, timeout: Duration) -> Duration {
    let now = clock::now();
    // What a header says counts from the arrival of the request, which was just now.
    let left = copy.deadline(now).map_or(timeout, |deadline| deadline.saturating_since(now).min(timeout));
    copy.set_deadline(now.saturating_add(left), now);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_copy_of_a_call_says_so_has_no_key_of_its_own_and_the_shorter_time() {
        let second = Duration::from_secs(1);
        let mut call = Call::new(()).with_timeout(5 * second);
        call.context_mut().headers_mut().insert(IDEMPOTENCY_KEY, "17".parse().expect("a value"));
        call.context_mut().headers_mut().insert("x-tenant", "a".parse().expect("a value"));
        let mut copy = call.clone();
        tokio::time::advance(second).await;
        assert_eq!(MarkCall.mark(&mut copy, 10 * second), 4 * second);
        assert_eq!(copy.context().metadata().and_then(|all| all.get(MIRRORED)).map(String::as_str), Some("1"));
        let names = |call: &Call<()>| call.context().headers().map(|all| all.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(&copy).expect("some"), ["x-tenant"]);
        assert_eq!(names(&call).expect("some").len(), 2, "the call has what it had");
        assert_eq!(call.context().metadata(), None);

        let mut copy = call.clone();
        assert_eq!(MarkCall.mark(&mut copy, 2 * second), 2 * second);
        assert_eq!(copy.context().remaining(clock::now()), Some(2 * second));
        assert_eq!(call.context().remaining(clock::now()), Some(4 * second));
    }

    #[cfg(feature = "http")]
    #[tokio::test(start_paused = true)]
    async fn a_copy_of_a_request_says_so_has_no_key_of_its_own_and_the_shortest_time_that_is_said() {
        let second = Duration::from_secs(1);
        let mut request = http::Request::new(());
        request.headers_mut().insert(IDEMPOTENCY_KEY, http::HeaderValue::from_static("17"));
        let mut copy = request.clone();
        assert_eq!(MarkHttp.mark(&mut copy, 10 * second), 10 * second);
        assert_eq!(copy.headers()[MIRRORED], "1");
        assert!(!copy.headers().contains_key(IDEMPOTENCY_KEY) && request.headers().contains_key(IDEMPOTENCY_KEY));

        request.headers_mut().insert("x-request-timeout", http::HeaderValue::from_static("3s"));
        assert_eq!(MarkHttp.mark(&mut request.clone(), 10 * second), 3 * second);
        request.extensions_mut().insert(plugin_core::CallContext::new().with_timeout(2 * second));
        assert_eq!(MarkHttp.mark(&mut request.clone(), 10 * second), 2 * second);
    }
}
