//! Generates the clients and the servers of the tonic examples, without `protoc`. A project with `.proto` files calls
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
    let stay = Method::builder()
        .name("stay")
        .route_name("Stay")
        .input_type("super::HelloRequest")
        .output_type("super::HelloReply")
        .codec_path("tonic_prost::ProstCodec")
        .server_streaming()
        .build();
    let visits = Service::builder().name("Visits").package("hello").method(stay).build();
    Builder::new().compile(&[greeter, visits]);
}
