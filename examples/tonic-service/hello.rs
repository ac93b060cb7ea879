//! What a project has out of its `.proto` file: the messages, and the clients and servers that `build.rs` generates.
#![allow(unreachable_pub)] // the generated code is public, for whichever module includes it

/// Who is to be greeted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloRequest {
    /// Their name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The greeting.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloReply {
    /// Its text.
    #[prost(string, tag = "1")]
    pub message: String,
}

include!(concat!(env!("OUT_DIR"), "/hello.Greeter.rs"));
include!(concat!(env!("OUT_DIR"), "/hello.Visits.rs"));
