//! Where the API server is, whom it is trusted by, and what it is shown.

use std::{
    env, fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use http::uri::{Scheme, Uri};
use plugin_core::ConfigError;
use secrecy::SecretString;

use super::{failure::Failure, kubeconfig};
use crate::FaultKind;

/// Where Kubernetes puts what a pod needs to reach the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The most that is read of a file. A configuration with the certificates of many clusters is far below it.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// How the API server is reached: where it is, which authority vouches for it, and what it is shown.
///
/// All files are read anew for each connection, and the token for each request, so that what is replaced while the program
/// runs is used: Kubernetes replaces the token of a pod about once an hour.
///
/// ```
/// use plugin_discovery::kubernetes::{KubernetesAccess, KubernetesConfig};
///
/// // In a pod: the default.
/// let access = KubernetesAccess::in_cluster();
/// // On a desk.
/// let access = KubernetesAccess::kubeconfig("/home/me/.kube/config").with_context("staging");
/// // By hand.
/// let access = KubernetesAccess::at("https://10.0.0.1:6443").with_ca_file("ca.crt").with_token_file("token");
/// let config = KubernetesConfig::builder("payments").with_access(access).build()?;
/// # Ok::<(), plugin_discovery::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct KubernetesAccess {
    pub(super) place: Place,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) token: Token,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    InCluster,
    Kubeconfig { path: PathBuf, context: Option<String> },
    At(String),
}

/// What is shown in the header `authorization`.
#[derive(Clone, Default)]
pub(super) enum Token {
    #[default]
    None,
    Fixed(SecretString),
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Fixed(_) => f.write_str("[hidden]"),
            Self::File(path) => path.fmt(f),
        }
    }
}

impl KubernetesAccess {
    /// From within a pod: the environment says where the API server is (`KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`),
    /// and the token, the authority and the namespace are those of the pod's service account.
    pub fn in_cluster() -> Self {
        Self::of(Place::InCluster)
    }

    /// As `kubectl` does it, by a configuration in YAML or JSON: its current context, unless another is
    /// [named](Self::with_context). Tokens and client certificates work, in the file or beside it; a program that makes
    /// credentials (`exec`), a password, and a server that is not checked (`insecure-skip-tls-verify`) are refused.
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self::of(Place::Kubeconfig { path: path.into(), context: None })
    }

    /// At a URL: `https://host:port`, with a path before the API's if there is one. `http://` is for a proxy on this machine
    /// (`kubectl proxy`), and is shown no token and no certificate.
    pub fn at(url: impl Into<String>) -> Self {
        Self::of(Place::At(url.into()))
    }

    fn of(place: Place) -> Self {
        Self { place, ca_file: None, token: Token::None, certificate: None }
    }

    /// Names the context of a kubeconfig. Without effect elsewhere.
    pub fn with_context(mut self, name: impl Into<String>) -> Self {
        if let Place::Kubeconfig { context, .. } = &mut self.place {
            *context = Some(name.into());
        }
        self
    }

    /// Trusts the authorities in this PEM file, and no other. Default: those of the service account or of the kubeconfig, and the
    /// platform's where there is none.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Shows the token in this file, which is read for each request.
    pub fn with_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Token::File(path.into());
        self
    }

    /// Shows this token. One of a service account ends after an hour: a file is better.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Token::Fixed(SecretString::from(token.into()));
        self
    }

    /// Shows this client certificate with its chain, and its private key, both PEM.
    pub fn with_client_certificate(mut self, cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        self.certificate = Some((cert_file.into(), key_file.into()));
        self
    }

    /// What can be said of it without looking at a file.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Place::At(url) = &self.place else { return Ok(()) };
        let server = Server::parse(url).map_err(|problem| ConfigError::new("api_server", problem))?;
        let shows = !matches!(self.token, Token::None) || self.certificate.is_some() || self.ca_file.is_some();
        if !server.is_tls && shows {
            return Err(ConfigError::new(
                "api_server",
                "must be `https://` where a token, a certificate or an authority is given",
            ));
        }
        Ok(())
    }

    /// Reads the files. It may block.
    pub(super) fn resolve(&self) -> Result<Resolved, Failure> {
        let mut resolved = match &self.place {
            Place::InCluster => in_cluster(|name| env::var(name).ok(), Path::new(SERVICE_ACCOUNT))?,
            Place::Kubeconfig { path, context } => kubeconfig::read(path, context.as_deref())?,
            Place::At(url) => {
                let server = Server::parse(url).map_err(|problem| unusable(format!("the URL {url:?} {problem}")))?;
                Resolved::at(server)
            }
        };
        if let Some(path) = &self.ca_file {
            resolved.authorities = Some(read_file(path)?);
        }
        if !matches!(self.token, Token::None) {
            resolved.token = self.token.clone();
        }
        if let Some((cert, key)) = &self.certificate {
            resolved.identity = Some((read_file(cert)?, read_file(key)?));
        }
        if !resolved.server.is_tls && (resolved.identity.is_some() || !matches!(resolved.token, Token::None)) {
            return Err(unusable(format!(
                "{} is shown no token and no certificate: it is not `https://`",
                resolved.server
            )));
        }
        Ok(resolved)
    }
}

/// The access with its files read, but for that of the token.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) server: Server,
    /// The name that the certificate must have, where it is not the host.
    pub(super) server_name: Option<String>,
    /// PEM. `None`: the platform's.
    pub(super) authorities: Option<Vec<u8>>,
    /// Certificate and key, PEM.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) token: Token,
    pub(super) namespace: Option<String>,
}

impl Resolved {
    pub(super) fn at(server: Server) -> Self {
        Self { server, server_name: None, authorities: None, identity: None, token: Token::None, namespace: None }
    }
}

fn in_cluster(env: impl Fn(&str) -> Option<String>, dir: &Path) -> Result<Resolved, Failure> {
    let var = |name: &str| {
        env(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            unusable(format!(
                "`{name}` is not set: this is no pod of Kubernetes; use a kubeconfig or name the API server"
            ))
        })
    };
    let (host, port) = (var("KUBERNETES_SERVICE_HOST")?, var("KUBERNETES_SERVICE_PORT")?);
    let port =
        port.parse().map_err(|_| unusable(format!("`KUBERNETES_SERVICE_PORT` must be a port, and is {port:?}")))?;
    let namespace = read_text(&dir.join("namespace"))?;
    Ok(Resolved {
        authorities: Some(read_file(&dir.join("ca.crt"))?),
        token: Token::File(dir.join("token")),
        namespace: Some(namespace),
        ..Resolved::at(Server { host, port, path: String::new(), is_tls: true })
    })
}

/// Where an API server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// An address of IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before each path, without a slash at its end.
    pub(super) path: String,
    pub(super) is_tls: bool,
}

impl Server {
    /// The error completes a sentence that begins with the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|error| format!("must be a URL: {error}"))?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("must begin with `https://`".to_owned()),
        };
        let authority = uri.authority().ok_or("must have a host")?;
        if authority.as_str().contains('@') {
            return Err("must have no user in it".to_owned());
        }
        if uri.query().is_some() {
            return Err("must have no query".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("must have a host".to_owned());
        }
        // `authority.port()` takes one that is too large for none.
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.parse().map_err(|_| "must have a port from 1 to 65535".to_owned())?,
            None if is_tls => 443,
            None => 80,
        };
        Ok(Self { host, port, path: uri.path().trim_end_matches('/').to_owned(), is_tls })
    }

    /// Host and port, as the header `host` has them.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

pub(super) fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(FaultKind::Unreadable, message)
}

/// A whole file, of which the size is bounded.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| unusable(format!("{} cannot be read: {error}", path.display())))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(unusable(format!("{} is larger than {LARGEST_FILE} bytes", path.display())));
    }
    Ok(bytes)
}

/// A file of one word, such as a token. Its end of line is no part of it.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read_file(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable(format!("{} is no text", path.display())))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(unusable(format!("{} is empty", path.display())));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
