//! `admin`: the admin plane.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Table};
use plugin_settings::Keys;
use plugin_transports::auth::{Identity, Verifier};
use plugin_transports::listen::ListenOptions;

use super::plane::{
    CONNECTIONS, HEADER_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, TIMEOUT, WRITE_TIMEOUT, address, connections, hosts,
    is_local,
};
use crate::{manager::looks_alike, server::Role};

pub(super) static TABLE: Table = Table::new(
    "admin",
    "The admin plane: metrics, health, and the operator's commands.",
    &[
        Key::new("listen", Kind::Text, "The address that it listens on: 127.0.0.1 with `metrics_port` by default.")
            .derived_default("127.0.0.1:9090"),
        Key::new(
            "tokens",
            Kind::List(&TOKEN),
            "Who may use it; without it, whoever can connect. Probes and metrics never need a token.",
        ),
        Key::new(
            "allowed_hosts",
            Kind::Texts,
            "Names, without a port, that it goes by besides those of this machine; probes and metrics answer to any.",
        ),
        Key::new("max_connections", CONNECTIONS, MAX_CONNECTIONS).default("128"),
        Key::new("header_timeout", TIMEOUT, HEADER_TIMEOUT).default("10s"),
        Key::new("idle_timeout", TIMEOUT, IDLE_TIMEOUT).default("75s"),
        Key::new("write_timeout", TIMEOUT, WRITE_TIMEOUT).default("30s"),
    ],
);

static TOKEN: Table = Table::new(
    "admin.token",
    "A bearer token, and what it is good for.",
    &[
        Key::new("name", Kind::Text, "Whose it is, for logs.").required(),
        Key::new("token", Kind::Secret, "The token.").required().coded(Code::MissingBearerToken),
        Key::new("role", Kind::Word(&["read", "operate"]), "Whether it may only look, or also change.").default("read"),
    ],
);

/// The admin plane. `Debug` shows no secret.
///
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config;
///
/// let text = "
/// plugins: [{name: billing, transport: http, endpoint: 'http://127.0.0.1:8001/'}]
/// ";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// assert_eq!(config.admin().listen().to_string(), "127.0.0.1:9090"); // the default
/// assert!(config.admin().verifier().is_none()); // whoever is on this machine may use it
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone)]
pub struct AdminConfig {
    listen: SocketAddr,
    verifier: Option<Verifier>,
    roles: BTreeMap<String, Role>,
    connections: ListenOptions,
    allowed_hosts: Vec<String>,
}

impl AdminConfig {
    /// Where it listens: always on this machine, since it has no TLS yet.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// These settings with another address to listen on: for a command line, or for a test that takes any free port.
    #[must_use]
    pub fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Who may use it, when that is limited.
    #[must_use]
    pub fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// What bounds its connections.
    #[must_use]
    pub fn connections(&self) -> &ListenOptions {
        &self.connections
    }

    /// Names that it goes by besides those of this machine.
    #[must_use]
    pub fn allowed_hosts(&self) -> &[String] {
        &self.allowed_hosts
    }

    /// What somebody may do whom the [`verifier`](Self::verifier) knows.
    #[must_use]
    pub fn role(&self, identity: &Identity) -> Role {
        self.roles.get(identity.name()).copied().unwrap_or_default()
    }
}

/// The names of the tokens and their roles stand for the tokens.
impl fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConfig")
            .field("listen", &self.listen)
            .field("tokens", &self.roles)
            .field("connections", &self.connections)
            .field("allowed_hosts", &self.allowed_hosts)
            .finish()
    }
}

/// `port` is that of `metrics_port`, which holds when `listen` is absent.
pub(super) fn read(keys: &mut Keys<'_>, port: Option<u16>) -> Option<AdminConfig> {
    let by_port = port.filter(|_| !keys.has("listen")).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listen = address(keys).or(by_port);
    if let Some(listen) = listen.filter(|listen| !is_local(*listen)) {
        let problem = format!(
            "other machines reach {listen}, and the admin plane has no TLS in this version; listen on 127.0.0.1, and let \
             a proxy with TLS stand before it"
        );
        keys.fault("listen", Code::ConfigValue, problem);
    }
    let (allowed_hosts, connections) = (hosts(keys), connections(keys));
    let mut roles = BTreeMap::new();
    let mut verifier = Verifier::new();
    let tokens = keys.sections("tokens", |keys, _| {
        let (name, token) = (keys.text("name"), keys.secret("token"));
        let role = keys.word("role", |name| match name {
            "read" => Some(Role::Read),
            "operate" => Some(Role::Operate),
            _ => None,
        });
        let name = name?;
        if let Some(problem) = looks_alike(&name) {
            keys.fault("name", Code::InvalidName, format!("a token's name {problem}"));
        }
        if roles.insert(name.clone(), role.unwrap_or_default()).is_some() {
            keys.fault(
                "name",
                Code::DuplicateName,
                format!("another token has the name {name:?}; each needs one of its own"),
            );
        }
        verifier = std::mem::take(&mut verifier).with_bearer(&name, token?);
        Some(())
    });
    Some(AdminConfig {
        listen: listen?,
        verifier: tokens.is_some_and(|list| !list.is_empty()).then_some(verifier),
        roles,
        connections: connections?,
        allowed_hosts,
    })
}
