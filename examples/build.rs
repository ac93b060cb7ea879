//! Generates the client and the server of the tonic example, without `protoc`. A project with `.proto` files calls
//! `tonic_prost_build` here.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let say_hello = Method::builder()
        .name("say_hello")
        .route_name("SayHello")
        .input_type("super::HelloRequest")
        .output_type("super::HelloReply")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let greeter = Service::builder().name("Greeter").package("hello").method(say_hello).build();
    Builder::new().compile(&[greeter]);
}
