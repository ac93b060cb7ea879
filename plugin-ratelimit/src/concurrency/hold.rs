//! For how long a call holds its permit: to the head of the response, or to the end of its body.

use plugin_core::{AtEnd, AtHead, End, ExpectedBody, Observer, Outcome};

/// Says how long a response holds its permit: [`AtHead`], the default, or [`AtEnd`]. Nobody else implements it.
///
/// It is beside [`Outcome`], which boxes what waits for the end: a permit that nobody waits with costs nothing.
#[diagnostic::on_unimplemented(
    message = "the body of `{Res}` cannot hold a permit to its end",
    note = "`AtEnd` follows `http::Response<B>` for `axum::body::Body` (feature `axum`), `tonic::body::Body` (feature `tonic`) and any body that implements `plugin_core::FollowBody`",
    note = "put `.map_response(|response| response.map(axum::body::Body::new))` beneath the layer, or hold the permit to the head: leave `.follow::<AtEnd>()` out"
)]
pub trait HoldPermit<Res>: sealed::Sealed {
    /// Whether a response may hold anything.
    #[doc(hidden)]
    const HOLDS: bool;

    /// Ends what is held, now or with the response.
    #[doc(hidden)]
    fn hold<H: Held>(response: Res, asked: ExpectedBody, held: H) -> Res;
}

/// What a response holds. Dropped without an end, nobody has read the response to its end.
#[doc(hidden)]
pub trait Held: Send + 'static {
    /// The response has ended.
    fn end(self, end: End<'_>);
}

impl<Res> HoldPermit<Res> for AtHead {
    const HOLDS: bool = false;

    #[inline]
    fn hold<H: Held>(response: Res, _: ExpectedBody, held: H) -> Res {
        held.end(End::Unfollowed);
        response
    }
}

impl<Res> HoldPermit<Res> for AtEnd
where
    Self: Outcome<Res>,
{
    const HOLDS: bool = true;

    fn hold<H: Held>(response: Res, asked: ExpectedBody, held: H) -> Res {
        <Self as Outcome<Res>>::follow(response, asked, Observer::new(|end: End<'_>| held.end(end)))
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AtHead {}
    impl Sealed for super::AtEnd {}
}
