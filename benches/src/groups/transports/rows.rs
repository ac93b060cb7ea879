//! The rows: each peer, and what is ours over the same.

use std::sync::Arc;

use bytes::Bytes;
use plugin_core::{Plugin, PluginInstance};
use plugin_transports::http::HttpVersion;

use super::{
    child,
    echo::echo,
    hyper_peer::{self, Version},
    line_peer,
    load::Load,
    ours::{self, Alone, Managed},
    site::{At, Over, Site},
    tonic_peer,
};
use crate::harness::{Case, Group};

pub(super) fn add(group: &mut Group, load: &Load) {
    let mut rows = Rows { group, load, site: Arc::new(Site::new()) };
    rows.lines();
    rows.subprocess();
    rows.http("hyper, HTTP/1.1", "http", Version::One, Over::Tcp, HttpVersion::Auto);
    rows.http("hyper, HTTP/1.1 over Unix", "http over Unix", Version::One, Over::Unix, HttpVersion::Auto);
    rows.http("hyper, HTTP/1.1 over TLS", "https with HTTP/1.1", Version::One, Over::Tls, HttpVersion::Http1);
    rows.http("hyper, h2", "http with h2", Version::Two, Over::Tcp, HttpVersion::Http2);
    rows.http("hyper, h2 over Unix", "unix-h2", Version::Two, Over::Unix, HttpVersion::Http2);
    rows.http("hyper, h2 over TLS", "https", Version::Two, Over::Tls, HttpVersion::Auto);
    rows.grpc("tonic", "grpc", Over::Tcp);
    rows.grpc("tonic over Unix", "unix-grpc", Over::Unix);
    rows.grpc("tonic over TLS", "grpc-tls", Over::Tls);
}

/// Rows are made for a load, at a site.
struct Rows<'a> {
    group: &'a mut Group,
    load: &'a Load,
    site: Arc<Site>,
}

impl Rows<'_> {
    fn lines(&mut self) {
        let peer = "tokio, lines over Unix";
        let path = line_peer::serve(&self.site, None);
        let (site, load) = (Arc::clone(&self.site), self.load.clone());
        self.group.round_trips(peer, &self.site.clients, move || site.connect(line_peer::callers(path.clone(), &load)));
        let path = ours::serve_lines(&self.site, echo());
        let written = format!(r#"{{"type":"execute","request_id":"1","data":{}}}"#, self.load.text());
        let (site, server, written) = (Arc::clone(&self.site), path.clone(), self.load.written(written));
        let callers = move || site.connect(line_peer::callers(server.clone(), &written));
        self.group.round_trips(format!("{peer} to our server"), &self.site.clients, callers).against(peer);
        let config = || ours::lines_config(&path);
        let (alone, inner) = self.site.connect(async {
            (ours::connect_lines(config()), ours::connect_lines(config().without_request_timeout()))
        });
        self.ours("unix", peer, alone, inner);
    }

    fn subprocess(&mut self) {
        let peer = "tokio, lines over pipes";
        self.pipe("bare pipe", child::PIPE, self.load.clone());
        self.pipe(peer, child::LINES, self.load.clone()).against("bare pipe");
        let written = self.load.written(format!(r#"{{"id":"1","method":"execute","payload":{}}}"#, self.load.text()));
        self.pipe("tokio, lines over pipes to our plugin", child::PLUGIN, written).against(peer);
        let config = ours::process_config;
        let alone = self.site.connect(ours::connect_process(config()));
        let inner = self.site.connect(ours::connect_process(config().without_request_timeout()));
        self.ours("subprocess", peer, alone, inner);
    }

    fn pipe(&mut self, name: &str, mode: &'static str, load: Load) -> &mut Case {
        let site = Arc::clone(&self.site);
        self.group
            .round_trips(name, &self.site.clients, move || site.connect(line_peer::callers_of_process(mode, &load)))
    }

    fn http(&mut self, peer: &str, name: &str, version: Version, over: Over, asked: HttpVersion) {
        let at = hyper_peer::serve(&self.site, version, over, None);
        self.hyper(peer, at, version, over, self.load.clone());
        let at = ours::serve_http(&self.site, over, echo());
        let written = self.load.written(format!(r#"{{"data":{}}}"#, self.load.text()));
        self.hyper(&format!("{peer} to our server"), at.clone(), version, over, written).against(peer);
        let config = || ours::http_config(&self.site, &at, over, asked);
        let (alone, inner) = self
            .site
            .connect(async { (ours::connect_http(config()), ours::connect_http(config().without_request_timeout())) });
        self.ours(name, peer, alone, inner);
    }

    fn hyper(&mut self, name: &str, at: At, version: Version, over: Over, load: Load) -> &mut Case {
        let site = Arc::clone(&self.site);
        self.group.round_trips(name, &self.site.clients, move || {
            site.connect(hyper_peer::callers(&site, at.clone(), version, over == Over::Tls, &load))
        })
    }

    fn grpc(&mut self, peer: &str, name: &str, over: Over) {
        let at = tonic_peer::serve(&self.site, over);
        let (site, load) = (Arc::clone(&self.site), self.load.clone());
        self.group.round_trips(peer, &self.site.clients, move || {
            site.connect(tonic_peer::callers(&site, at.clone(), over == Over::Tls, &load))
        });
        let at = ours::serve_grpc(&self.site, over, echo());
        let config = || ours::grpc_config(&self.site, &at, over);
        let (alone, inner) = self
            .site
            .connect(async { (ours::connect_grpc(config()), ours::connect_grpc(config().without_request_timeout())) });
        self.ours(name, peer, alone, inner);
    }

    /// The two rows of a transport: `alone`, and `inner` within the stack, which sees to the limit of an attempt.
    fn ours<S: Plugin<Bytes, Bytes>>(
        &mut self,
        name: &str,
        peer: &str,
        alone: PluginInstance<S>,
        inner: PluginInstance<S>,
    ) {
        let load = self.load.clone();
        let callers = move || Alone::callers(&alone, &load);
        self.group.round_trips(name, &self.site.clients, callers).against(peer);
        let (site, load) = (Arc::clone(&self.site), self.load.clone());
        let callers = move || site.connect(async { Managed::callers(&inner, &load) });
        self.group.round_trips(format!("{name}, manager"), &self.site.clients, callers).against(peer);
    }
}
