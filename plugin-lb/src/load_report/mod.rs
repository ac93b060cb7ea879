//! What a backend says of its load, and the ways in which it says it.

mod base64;
mod forms;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
#[cfg(feature = "http")]
mod headers;
mod json;
mod report;
mod text;
mod wire;

#[cfg(test)]
mod tests;

#[cfg(feature = "http")]
pub(crate) use headers::of_headers;
pub use report::LoadReport;
