//! How a refusal is answered, so that no layer forces a boxed error on the stack.

mod answer;
mod future;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
mod millis;

pub use answer::{AsErrorValue, Reject};
pub use future::RejectFuture;
#[cfg(feature = "grpc")]
pub use grpc::AsGrpcStatus;
#[cfg(feature = "tonic")]
pub(crate) use grpc::grpc_details;
#[cfg(feature = "http")]
pub use http::AsHttpResponse;
pub use millis::millis_up;
