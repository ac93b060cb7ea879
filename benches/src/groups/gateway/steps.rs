//! The gateway step by step, each a program that answers by itself what the one before it carries: what is added shows what a step
//! costs.

use std::{convert::Infallible, fmt::Display, net::Ipv4Addr};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use plugin_core::{Call, PluginError, PluginInfo, PluginInstance, Reply};
use plugin_manager::{
    manager::Manager,
    server::{Gateway, GatewaySettings},
    stack::{Instance, StackSettings},
};
use plugin_transports::listen::{ListenOptions, serve_http};
use tokio::runtime::{Builder, Runtime};
use tower::service_fn;

use super::{
    backend::{self, JSON},
    ours,
    serve::{listen, say_where, serve_child},
};

/// The server of hyper, on as many threads as there are cores.
pub(super) const HYPER: &str = "step-hyper";
/// Our server of HTTP: hyper's with its bounds and its end.
pub(super) const LISTENER: &str = "step-listener";
/// The gateway with a plugin in the process: routes, context, manager, default stack.
pub(super) const GATEWAY: &str = "step-gateway";

fn said(error: impl Display) -> String {
    error.to_string()
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_multi_thread().enable_all().build().map_err(said)
}

pub(super) fn hyper() -> Result<(), String> {
    runtime()?.block_on(serve_child(backend::accept))
}

pub(super) fn listener() -> Result<(), String> {
    runtime()?.block_on(async {
        let answer = backend::answer();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                // Of a body that is cut off there is nobody who waits for the answer.
                _ = request.into_body().collect().await;
                let mut response = Response::new(Full::new(answer));
                response.headers_mut().insert(header::CONTENT_TYPE, JSON);
                Ok::<_, Infallible>(response)
            }
        });
        let server = serve_http(service, listen().await?, ListenOptions::new()).map_err(said)?;
        say_where(server.local_addr())?.await;
        Ok(())
    })
}

pub(super) fn gateway() -> Result<(), String> {
    runtime()?.block_on(async {
        let answer = backend::answer();
        let plugin = service_fn(move |_: Call<Bytes>| {
            let answer = answer.clone();
            async move { Ok::<_, PluginError>(Reply::new(answer)) }
        });
        let info = PluginInfo::new(ours::PLUGIN, "1.0.0").with_transport("inproc");
        let instance = Instance::new("only", PluginInstance::new(plugin, info));
        let manager = Manager::new();
        let built = StackSettings::default().build(ours::PLUGIN, vec![instance]).map_err(said)?;
        manager.register_with(ours::PLUGIN, built).map_err(said)?;
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let settings = GatewaySettings::default().with_listen(any).with_admin_listen(any);
        let gateway = Gateway::start(manager, settings).await.map_err(said)?;
        gateway.set_ready();
        say_where(gateway.data_addr())?.await;
        Ok(())
    })
}
