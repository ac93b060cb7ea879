//! The bodies that a request can be repeated with.

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::{Empty, Full};
use plugin_core::BoxError;

use super::{Recording, ReplayBody};

/// A body that can be sent again.
#[diagnostic::on_unimplemented(
    message = "the body `{Self}` cannot be sent again",
    note = "put a `ReplayBodyLayer` outside the retry layer, so that it sees `ReplayBody<{Self}>`; the features `axum` and `tonic` do it for their own bodies"
)]
pub trait RepeatBody: Sized {
    /// What is kept of it.
    type Kept;

    /// Keeps up to `max` bytes of what is sent afterwards. `None` says that the body is known to be larger.
    fn keep(&mut self, max: usize) -> Option<Self::Kept>;

    /// The body from its beginning, or `None` when it turned out to be larger. An earlier copy is still read when it
    /// is to be sent `beside` it; otherwise that one ends with an error.
    fn again(saved: &Self::Kept, beside: bool) -> Option<Self>;
}

impl<B> RepeatBody for ReplayBody<B>
where
    B: Body + Unpin,
{
    type Kept = Recording<B>;

    fn keep(&mut self, max: usize) -> Option<Recording<B>> {
        self.record(max)
    }

    fn again(saved: &Recording<B>, beside: bool) -> Option<Self> {
        saved.reader(beside)
    }
}

/// Bodies whose clone is a handle to the same bytes, whatever their size.
macro_rules! by_clone {
    ($([$($param:tt)*] $body:ty;)+) => {$(
        impl<$($param)*> RepeatBody for $body {
            type Kept = Self;

            fn keep(&mut self, _: usize) -> Option<Self> {
                Some(self.clone())
            }

            fn again(saved: &Self, _: bool) -> Option<Self> {
                Some(saved.clone())
            }
        }
    )+};
}

by_clone! {
    [D: Buf + Clone] Full<D>;
    [D] Empty<D>;
    [] Bytes;
    [] ();
}

/// Bodies that hold any other body.
#[cfg(any(feature = "axum", feature = "tonic"))]
macro_rules! by_rebuilding {
    ($($feature:literal: $body:ty;)+) => {$(
        #[cfg(feature = $feature)]
        impl RepeatBody for $body {
            type Kept = Recording<Self>;

            fn keep(&mut self, max: usize) -> Option<Recording<Self>> {
                if Recording::is_too_large(self, max) {
                    return None;
                }
                let (reader, recording) = Recording::start(std::mem::replace(self, Self::empty()), max);
                *self = Self::new(reader);
                Some(recording)
            }

            fn again(saved: &Recording<Self>, beside: bool) -> Option<Self> {
                saved.reader(beside).map(Self::new)
            }
        }
    )+};
}

#[cfg(any(feature = "axum", feature = "tonic"))]
by_rebuilding! {
    "axum": axum_core::body::Body;
    "tonic": tonic::body::Body;
}

const _: () = {
    const fn is_a_body<B: Body<Data = Bytes, Error = BoxError>>() {}
    is_a_body::<ReplayBody<Full<Bytes>>>();
};
