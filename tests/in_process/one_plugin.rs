//! A gateway with one plugin on real sockets, for tests of what a configuration says of a plugin.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use plugin_core::{Call, PluginError, Reply};
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use serde_json::Value;
use tower::service_fn;

/// Longer than anything takes on a machine that is busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Answers at once, or as many milliseconds later as the payload says.
pub(crate) async fn work(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    if let Ok(millis) = std::str::from_utf8(call.payload()).unwrap_or_default().parse() {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    Ok(Reply::new(call.into_payload()))
}

/// A gateway with one plugin, `work`, and a client of it.
pub(crate) struct OnePlugin {
    pub(crate) running: Running,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn code(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).expect("a problem document");
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl OnePlugin {
    /// A gateway with one plugin `work` of these keys, and these of its server.
    pub(crate) async fn start(plugin: &str, server: &str) -> Self {
        Self::with(plugin, server, &Factories::new().with_plugin("work", service_fn(work))).await
    }

    pub(crate) async fn with(plugin: &str, server: &str, factories: &Factories) -> Self {
        Self::of(&format!("transport: inproc, type: work, {plugin}"), server, factories).await
    }

    /// A gateway with one plugin `work` of these keys, its transport among them.
    pub(crate) async fn of(plugin: &str, server: &str, factories: &Factories) -> Self {
        let text = format!("{{plugins: [{{name: work, {plugin}}}], server: {{{server}}}, shutdown_timeout: 1s}}");
        let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None)
            .unwrap_or_else(|faults| panic!("{text}\n{faults}"));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (server, admin) = (config.server().clone().with_listen(any), config.admin().clone().with_listen(any));
        let running =
            Running::start(&config.with_server(server).with_admin(admin), factories).await.expect("it starts");
        Self { running, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn call(&self, payload: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("http://{}/v1/plugins/work", self.running.gateway().data_addr());
        let mut request = Request::post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(Bytes::copy_from_slice(payload.as_bytes()))).expect("valid")).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let exchange = async {
            let (parts, body) = self.client.request(request).await.expect("an answer").into_parts();
            Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.collect().await.expect("a body").to_bytes(),
            }
        };
        tokio::time::timeout(LIMIT, exchange).await.expect("in time")
    }

    /// How many of so many calls one after the other pass; none is answered anything but 200 and 429.
    pub(crate) async fn passing(&self, calls: u32, headers: &[(&str, &str)]) -> u32 {
        let mut passed = 0;
        for _ in 0..calls {
            match self.call("{}", headers).await.status {
                StatusCode::OK => passed += 1,
                status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
            }
        }
        passed
    }

    pub(crate) async fn admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.running.gateway().admin_addr());
        let answer = self.send(Request::get(url).body(Full::default()).expect("valid")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        String::from_utf8(answer.body.to_vec()).expect("text")
    }

    pub(crate) async fn detail(&self) -> Value {
        serde_json::from_str(&self.admin("/admin/v1/plugins/work").await).expect("JSON")
    }
}
