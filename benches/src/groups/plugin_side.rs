//! What a plugin's server does with a request of HTTP, without a connection.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use plugin_transports::http::PluginServer;
use tokio::runtime::Builder;
use tower::Service;

use super::{
    GroupEntry,
    transports::{echo, large, small},
};
use crate::harness::Group;

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "plugin-side",
    about: "A request of HTTP as a host sends it, read, answered by a plugin that gives its payload back, and written: all of it but the \
            connection. Payloads are a hundred bytes and 64 KiB of JSON. The bare row is the runtime alone.",
    peers: &[],
    rows,
};

const BARE: &str = "runtime alone";

fn rows(group: &mut Group) {
    group.case(BARE, || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        move || runtime.block_on(std::future::ready(()))
    });
    row(group, "http, 100 bytes", &small());
    row(group, "http, 64 KiB", &large());
}

fn row(group: &mut Group, name: &str, payload: &str) {
    let id = "0123456789abcdef0123456789abcdef";
    let body = Bytes::from(format!(r#"{{"data":{payload},"request_id":"{id}","timeout":"30s"}}"#));
    group.case(name, move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (mut server, body) = (PluginServer::new(echo()), body.clone());
        move || {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = http::Method::POST;
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("x-request-id", HeaderValue::from_static(id));
            headers.insert("x-request-timeout", HeaderValue::from_static("30s"));
            let answer = runtime.block_on(server.call(request)).unwrap_or_else(|never| match never {});
            assert_eq!(answer.status(), StatusCode::OK);
            answer
        }
    });
}
