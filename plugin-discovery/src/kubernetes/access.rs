//! Where the API server is, whom it is trusted by, and what it is shown.

use std::{
    env,
    path::{Path, PathBuf},
};

use plugin_core::ConfigError;
use secrecy::SecretString;

use super::{
    failure::Failure,
    files::{read_file, read_text, unusable},
    kubeconfig,
    resolved::{Resolved, Token},
    server::Server,
};

/// Where Kubernetes puts what a pod needs to reach the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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

#[cfg(test)]
mod tests;
