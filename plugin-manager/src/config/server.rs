//! `server`: the data plane.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use plugin_core::Code;
use plugin_ratelimit::ClientIpConfig;
use plugin_transports::auth::{ClientConfig, Verifier};
use plugin_transports::listen::{ListenOptions, SocketPath, UnixSocketOptions};
use plugin_transports::tls::{ServerTlsConfig, TlsVersion};

use plugin_core::settings::{Key, Kind, Settings, Table};
use plugin_settings::Keys;

use super::limits::{self, CLIENT_RATE_LIMIT, LimitPerKey};
use super::plane::{
    CONNECTIONS, HEADER_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, TIMEOUT, WRITE_TIMEOUT, address, connections, hosts,
    is_local,
};
use super::{disk, socket};
use crate::manager::looks_alike;
use crate::server::{AccessLog, ErrorDetail};

pub(super) static TABLE: Table = Table::new(
    "server",
    "The data plane: where calls come in.",
    &[
        Key::new("listen", Kind::Text, "The address that it listens on.").default("127.0.0.1:8080"),
        Key::new("unix", Kind::Optional(&socket::TABLE), "Serves on a Unix socket too."),
        Key::new("tls", Kind::Optional(&TLS), "Serves over TLS."),
        Key::new("auth", Kind::List(ClientConfig::TABLE), "Who may call; without it, whoever can connect."),
        Key::new("max_body", Kind::size(1, u64::MAX), "The largest request body.").default("10MiB"),
        Key::new(
            "max_bodies",
            Kind::size(1, u64::MAX),
            "What the request bodies of more than 16 KiB may come to that are held at once, and the replies that clients have \
             not taken; several on one connection, once half of that is taken, to a quarter. At least `max_body`.",
        )
        .derived_default("256MiB"),
        Key::new("body_timeout", TIMEOUT, "How long a request body may take, from its head to its end.")
            .default("30s"),
        Key::new("max_connections", CONNECTIONS, MAX_CONNECTIONS).default("1024"),
        Key::new("header_timeout", TIMEOUT, HEADER_TIMEOUT).default("10s"),
        Key::new("idle_timeout", TIMEOUT, IDLE_TIMEOUT).default("75s"),
        Key::new("write_timeout", TIMEOUT, WRITE_TIMEOUT).default("30s"),
        Key::new(
            "max_json_depth",
            Kind::integer(1, 100_000),
            "How deep lists and objects may stand in each other, in a payload and in a reply.",
        )
        .default("128"),
        Key::new(
            "allowed_hosts",
            Kind::Texts,
            "Names, without a port, that it goes by besides those of this machine; a request for another is refused. \
             Without it, a listener on loopback goes by names of this machine alone, and one elsewhere by any.",
        ),
        Key::new(
            "error_detail",
            Kind::Word(&["code", "message", "full"]),
            "How much is told of what went wrong: the code and what follows from it; also what happened; also the causes \
             beneath it, which may name addresses and files.",
        )
        .default("message"),
        Key::new(
            "access_log",
            Kind::Word(&["off", "errors", "all"]),
            "Which requests have a line in the log: none, those with a status of 400 or above, all.",
        )
        .default("off"),
        Key::new(
            "client_ip",
            Kind::Section(ClientIpConfig::TABLE),
            "How the address of a client is found, for limits and the log, where proxies stand before the gateway.",
        ),
        Key::new("client_rate_limit", Kind::Optional(&CLIENT_RATE_LIMIT), "How many calls each client may make.")
            .default("off"),
        Key::new(
            "insecure",
            Kind::Bool,
            "Whether it may listen where other machines reach it, without TLS or without knowing who calls.",
        )
        .default("false"),
    ],
);

static TLS: Table = Table::new(
    "server.tls",
    "The server's side of TLS.",
    &[
        Key::new("cert_file", Kind::Path, "The certificate with its chain, PEM.").required(),
        Key::new("key_file", Kind::Path, "Its private key, PEM.").required(),
        Key::new(
            "client_ca_file",
            Kind::Path,
            "PEM; clients without a certificate from these authorities are turned away.",
        ),
        Key::new("min_version", Kind::Word(&["1.2", "1.3"]), "The oldest version that is spoken.").default("1.2"),
    ],
);

/// The default of `max_bodies`, unless `max_body` is larger.
const MAX_BODIES: u64 = 256 << 20;

/// The data plane. `Debug` shows no secret.
///
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config;
///
/// let text = "
/// plugins: [{name: billing, transport: http, endpoint: 'http://127.0.0.1:8001/'}]
/// server: {listen: '127.0.0.1:8080', max_body: 1MiB}
/// ";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// assert_eq!(config.server().max_body(), 1024 * 1024);
///
/// // A test takes any free port.
/// let server = config.server().clone().with_listen(([127, 0, 0, 1], 0).into());
/// let config = config.with_server(server);
/// assert_eq!(config.server().listen().port(), 0);
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    listen: SocketAddr,
    unix: Option<(SocketPath, UnixSocketOptions)>,
    tls: Option<ServerTlsConfig>,
    verifier: Option<Verifier>,
    max_body: u64,
    max_bodies: u64,
    body_timeout: Duration,
    max_json_depth: usize,
    connections: ListenOptions,
    allowed_hosts: Vec<String>,
    error_detail: ErrorDetail,
    access_log: AccessLog,
    client_ip: ClientIpConfig,
    client_rate_limit: Option<LimitPerKey>,
    insecure: bool,
}

impl ServerConfig {
    /// Where it listens. Off this machine only with TLS and a way to know clients, unless `insecure`.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The Unix socket on which it serves too, and who may connect to it.
    #[must_use]
    pub fn unix(&self) -> Option<(&SocketPath, &UnixSocketOptions)> {
        self.unix.as_ref().map(|(path, options)| (path, options))
    }

    /// The certificate to serve with; its files were good when the configuration was read.
    #[must_use]
    pub fn tls(&self) -> Option<&ServerTlsConfig> {
        self.tls.as_ref()
    }

    /// Who may call, when that is limited.
    #[must_use]
    pub fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// The largest request body, in bytes.
    #[must_use]
    pub fn max_body(&self) -> u64 {
        self.max_body
    }

    /// What the request bodies may come to that are held at once, in bytes, and likewise the replies.
    #[must_use]
    pub fn max_bodies(&self) -> u64 {
        self.max_bodies
    }

    /// How long a request body may take.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    /// What bounds its connections.
    #[must_use]
    pub fn connections(&self) -> &ListenOptions {
        &self.connections
    }

    /// How deep a payload and a reply may be nested.
    #[must_use]
    pub fn max_json_depth(&self) -> usize {
        self.max_json_depth
    }

    /// Names that it goes by besides those of this machine.
    #[must_use]
    pub fn allowed_hosts(&self) -> &[String] {
        &self.allowed_hosts
    }

    /// How much is told of what went wrong.
    #[must_use]
    pub fn error_detail(&self) -> ErrorDetail {
        self.error_detail
    }

    /// Which requests have a line in the log.
    #[must_use]
    pub fn access_log(&self) -> AccessLog {
        self.access_log
    }

    /// How the address of a client is found.
    #[must_use]
    pub fn client_ip(&self) -> &ClientIpConfig {
        &self.client_ip
    }

    /// How many calls each client may make, when that is limited.
    #[must_use]
    pub fn client_rate_limit(&self) -> Option<&LimitPerKey> {
        self.client_rate_limit.as_ref()
    }

    /// Whether it was allowed to serve other machines without TLS, or without knowing who calls.
    #[must_use]
    pub fn insecure(&self) -> bool {
        self.insecure
    }

    /// The same settings, listening somewhere else: for a command line, or for a test that wants any free port.
    #[must_use]
    pub fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }
}

pub(super) fn read(keys: &mut Keys<'_>) -> Option<ServerConfig> {
    let listen = address(keys);
    let unix = keys.section("unix", socket::read).flatten();
    let has_tls = keys.has("tls");
    let tls = keys.section("tls", tls).flatten();
    let (tls, knows_by_certificate) = tls.map_or((None, false), |(tls, client_ca)| (Some(tls), client_ca));
    let verifier = clients(keys);
    let knows = verifier.is_some() || knows_by_certificate;
    let max_body = keys.size("max_body");
    let max_bodies = match (keys.size("max_bodies"), max_body) {
        (Some(all), Some(one)) if all < one => {
            let problem = "it is less than `max_body`, so that the largest body would never be taken";
            keys.fault("max_bodies", Code::ConfigValue, problem);
            None
        }
        (None, Some(one)) if !keys.has("max_bodies") => Some(one.max(MAX_BODIES)),
        (all, _) => all,
    };
    let (body_timeout, max_json_depth) = (keys.time("body_timeout"), keys.integer("max_json_depth"));
    let connections = connections(keys);
    let allowed_hosts = hosts(keys);
    let error_detail = keys.word("error_detail", |word| match word {
        "code" => Some(ErrorDetail::Code),
        "message" => Some(ErrorDetail::Message),
        "full" => Some(ErrorDetail::Full),
        _ => None,
    });
    let access_log = keys.word("access_log", |word| match word {
        "off" => Some(AccessLog::Off),
        "errors" => Some(AccessLog::Errors),
        "all" => Some(AccessLog::All),
        _ => None,
    });
    let client_ip = keys.settings("client_ip");
    let client_rate_limit = limits::client_rate_limit(keys, "client_rate_limit");
    let insecure = keys.bool("insecure").unwrap_or_default();
    if let Some(listen) = listen.filter(|listen| !is_local(*listen) && !insecure) {
        let missing = match (has_tls, knows) {
            (true, true) => None,
            (true, false) => Some("`server.auth` nor `tls.client_ca_file`, by which it would know who calls"),
            (false, true) => Some("`server.tls`, so that secrets would travel in plain text"),
            (false, false) => Some("`server.tls` nor `server.auth`"),
        };
        if let Some(missing) = missing {
            let problem = format!(
                "other machines reach {listen}, and there is no {missing}; add what is missing, listen on 127.0.0.1, or \
                 say `insecure: true`"
            );
            keys.fault("listen", Code::ConfigValue, problem);
        }
    }
    Some(ServerConfig {
        listen: listen?,
        unix,
        tls,
        verifier,
        max_body: max_body?,
        max_bodies: max_bodies?,
        body_timeout: body_timeout?,
        max_json_depth: max_json_depth?,
        connections: connections?,
        allowed_hosts,
        error_detail: error_detail?,
        access_log: access_log?,
        client_ip: client_ip?,
        client_rate_limit,
        insecure,
    })
}

/// Who may call; `None` when that is not limited.
fn clients(keys: &mut Keys<'_>) -> Option<Verifier> {
    let mut names = HashMap::new();
    let clients = keys.sections("auth", |keys, index| {
        let name = keys.text("name");
        if let Some(problem) = name.as_deref().and_then(looks_alike) {
            keys.fault("name", Code::InvalidName, format!("a client's name {problem}"));
        }
        if let Some(name) = name
            && let Some(first) = names.insert(name.clone(), index)
        {
            let problem = format!("the name {name:?} is that of `server.auth[{first}]` too; each needs one of its own");
            keys.fault("name", Code::DuplicateName, problem);
        }
        keys.make::<ClientConfig>()
    });
    let clients = clients.filter(|clients| !clients.is_empty())?;
    Some(clients.iter().fold(Verifier::new(), Verifier::with_client))
}

/// The settings, and whether clients must show a certificate.
fn tls(keys: &mut Keys<'_>) -> Option<(ServerTlsConfig, bool)> {
    let (cert, key, client_ca) = (keys.path("cert_file"), keys.path("key_file"), keys.path("client_ca_file"));
    let version = keys.word("min_version", |name| name.parse::<TlsVersion>().ok());
    let mut config = ServerTlsConfig::new(cert?, key?).with_min_version(version.unwrap_or_default());
    let knows = client_ca.is_some();
    if let Some(path) = client_ca {
        config = config.with_client_ca_file(path);
    }
    let read = config.clone();
    match disk::answered(|| "the files of `server.tls`".to_owned(), move || read.faults()) {
        Some(faults) => {
            for error in faults {
                keys.fault(error.setting(), Code::ConfigFile, error.to_string());
            }
        }
        None => {
            let problem = "cannot be read, or one of the files beside it cannot: the disk does not answer";
            keys.fault("cert_file", Code::ConfigFile, problem);
        }
    }
    Some((config, knows))
}
