//! Opens connections: name lookup, TCP, TLS, and the version of HTTP.

use std::{future::Future, pin::Pin, time::Duration};

use http::Uri;
use hyper::{
    client::conn::{http1, http2},
    rt::{Read, Write},
};
use hyper_util::{
    client::legacy::connect::HttpConnector,
    rt::{TokioExecutor, TokioTimer},
};
use plugin_core::{BoxError, PluginError, Sent};
use tower_service::Service;

use super::{HttpConfig, HttpVersion};
use crate::http::{body::Parts, endpoint::Endpoint};

/// Over HTTP/2, an idle peer is asked whether it is still there while calls are in flight.
const PING_EVERY: Duration = Duration::from_secs(20);

pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection, and the future that must be polled for it to live.
pub(super) enum Opened {
    Http1(http1::SendRequest<Parts>, Driver),
    Http2(http2::SendRequest<Parts>, Driver),
}

pub(super) struct Connector {
    tcp: HttpConnector,
    uri: Uri,
    origin: String,
    timeout: Duration,
    version: HttpVersion,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

#[cfg(feature = "tls")]
struct Tls {
    connector: tokio_rustls::TlsConnector,
    name: rustls_pki_types::ServerName<'static>,
}

impl Connector {
    /// Reads the files of TLS, where the endpoint's scheme is `https`.
    pub(super) fn new(config: &HttpConfig, endpoint: &Endpoint) -> Result<Self, PluginError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        if config.connection.keep_alive() {
            tcp.set_keepalive(Some(Duration::from_secs(60)));
        }
        Ok(Self {
            tcp,
            uri: endpoint.uri(),
            origin: endpoint.origin(),
            timeout: config.connection.connection_timeout(),
            version: config.version,
            #[cfg(feature = "tls")]
            tls: endpoint.tls.then(|| Tls::new(config, endpoint)).transpose()?,
        })
    }

    /// Whether a connection may turn out to speak HTTP/2.
    pub(super) fn may_be_http2(&self) -> bool {
        match self.version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
            #[cfg(feature = "tls")]
            HttpVersion::Auto => self.tls.is_some(),
            #[cfg(not(feature = "tls"))]
            HttpVersion::Auto => false,
        }
    }

    /// Opens a connection. Dropping the future gives it up.
    pub(super) async fn connect(&self) -> Result<Opened, PluginError> {
        match tokio::time::timeout(self.timeout, self.dial()).await {
            Ok(result) => result,
            Err(_) => Err(PluginError::connection(
                format!("no connection to {} within {:?}", self.origin, self.timeout),
                Sent::Nothing,
            )),
        }
    }

    async fn dial(&self) -> Result<Opened, PluginError> {
        let tcp = self.tcp.clone().call(self.uri.clone()).await.map_err(|error| self.fault(error))?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let stream = tls
                .connector
                .connect(tls.name.clone(), tcp.into_inner())
                .await
                .map_err(|error| self.tls_fault(error))?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if self.version == HttpVersion::Http2 && !http2 {
                let problem = format!("{} does not speak HTTP/2 (ALPN)", self.origin);
                return Err(PluginError::connection(problem, Sent::Nothing).with_retryable(false));
            }
            return self.shake_hands(hyper_util::rt::TokioIo::new(stream), http2).await;
        }
        self.shake_hands(tcp, self.version == HttpVersion::Http2).await
    }

    async fn shake_hands<I>(&self, io: I, http2: bool) -> Result<Opened, PluginError>
    where
        I: Read + Write + Send + Unpin + 'static,
    {
        // A connection's own error also reaches the call that is on it, which tells it better.
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY);
            let (sender, connection) = builder.handshake(io).await.map_err(|error| self.fault(error))?;
            return Ok(Opened::Http2(sender, Box::pin(async { drop(connection.await) })));
        }
        let (sender, connection) = http1::handshake(io).await.map_err(|error| self.fault(error))?;
        Ok(Opened::Http1(sender, Box::pin(async { drop(connection.await) })))
    }

    fn fault(&self, error: impl Into<BoxError>) -> PluginError {
        let error = error.into();
        let message = format!("{} cannot be reached: {}", self.origin, innermost(&*error));
        PluginError::connection(message, Sent::Nothing).with_source(error)
    }

    /// A certificate that is not trusted now is not trusted in a second either.
    #[cfg(feature = "tls")]
    fn tls_fault(&self, error: std::io::Error) -> PluginError {
        let permanent = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
        let message = format!("no TLS connection to {}: {error}", self.origin);
        PluginError::connection(message, Sent::Nothing).with_retryable(!permanent).with_source(error)
    }
}

/// What a person needs to read of a chain such as "client error: tcp connect error: Connection refused".
fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(feature = "tls")]
impl Tls {
    fn new(config: &HttpConfig, endpoint: &Endpoint) -> Result<Self, PluginError> {
        use crate::tls::ClientTlsConfig;

        let files = config.credentials.files();
        let mut settings = ClientTlsConfig::new().with_min_version(config.min_version);
        if let Some(ca) = &files.ca {
            settings = settings.with_ca_file(ca);
        }
        if let (Some(cert), Some(key)) = (&files.cert, &files.key) {
            settings = settings.with_client_certificate(cert, key);
        }
        let protocols: &[&[u8]] = match config.version {
            HttpVersion::Http1 => &[b"http/1.1"],
            HttpVersion::Http2 => &[b"h2"],
            // One call per connection is HTTP/1.1's way.
            HttpVersion::Auto if !config.connection.keep_alive() => &[b"http/1.1"],
            HttpVersion::Auto => &[b"h2", b"http/1.1"],
        };
        let tls = settings.build()?.with_protocols(protocols);
        let name = rustls_pki_types::ServerName::try_from(endpoint.host.clone()).map_err(|error| {
            PluginError::connection("the host cannot be in a certificate", Sent::Nothing).with_source(error)
        })?;
        Ok(Self { connector: std::sync::Arc::clone(tls.get_ref()).into(), name })
    }
}
