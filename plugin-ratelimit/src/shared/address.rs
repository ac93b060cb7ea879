//! Where Redis is: read out of one URL, which may hold a password.

use std::{fmt, sync::Arc};

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsMode,
    sentinel::SentinelNodeConnectionInfo,
};

use super::place::Place;

/// An address. Cheap to clone. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub(super) struct Address(Arc<Parts>);

struct Parts {
    target: Target,
    place: Place,
    /// Users and passwords, those of the servers and of the sentinels.
    logins: Vec<Option<String>>,
    shown: String,
    tls: bool,
}

pub(super) enum Target {
    One(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        server: Box<RedisConnectionInfo>,
        node: SentinelNodeConnectionInfo,
    },
}

impl Target {
    fn place(&self) -> Place {
        match self {
            Self::One(server) => Place::one(server),
            Self::Cluster(nodes) => Place::cluster(nodes),
            Self::Sentinels { sentinels, master, server, .. } => Place::behind(sentinels, master, server.db()),
        }
    }

    fn logins(&self) -> Vec<Option<String>> {
        let (server, sentinel) = match self {
            Self::One(server) => (Some(server.redis_settings()), None),
            Self::Cluster(nodes) => (nodes.first().map(ConnectionInfo::redis_settings), None),
            Self::Sentinels { sentinels, server, .. } => {
                (Some(&**server), sentinels.first().map(ConnectionInfo::redis_settings))
            }
        };
        let logins = [server, sentinel].into_iter().flatten();
        logins.flat_map(|login| [login.username(), login.password()]).map(|text| text.map(str::to_owned)).collect()
    }
}

/// What a URL is to look like.
const FORMS: &str = "must be such as `redis://host:6379/0`, `redis-cluster://host-1:6379,host-2:6379` or \
                     `redis-sentinel://host-1:26379,host-2:26379/0?master=name` (with TLS: `rediss`, `rediss-cluster`, \
                     `rediss-sentinel`; on a socket: `unix:///run/redis.sock`)";

/// The parts of a URL as they are written.
struct Url<'a> {
    scheme: &'a str,
    /// With the `@`, or empty.
    user: &'a str,
    hosts: Vec<&'a str>,
    database: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong, completing the sentence that begins with the key. No part of the URL is in it but its scheme.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let text = url.trim();
        let parts = split(text)?;
        let tls = parts.scheme.starts_with("rediss");
        if tls && !cfg!(feature = "redis-tls") {
            return Err(format!("says `{}`, which needs the feature `redis-tls` of plugin-ratelimit", parts.scheme));
        }
        let target = match parts.scheme {
            "unix" | "redis+unix" => parts.socket(text)?,
            _ => parts.target()?,
        };
        let (place, logins) = (target.place(), target.logins());
        Ok(Self(Arc::new(Parts { target, place, logins, shown: parts.shown(), tls })))
    }

    /// Whether it is the same Redis, whoever asks it.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.0.place.is_same(&other.0.place)
    }

    pub(super) fn target(&self) -> &Target {
        &self.0.target
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.tls
    }
}

fn split(text: &str) -> Result<Url<'_>, String> {
    let (scheme, rest) = text.split_once("://").ok_or(FORMS)?;
    // A fragment would switch the check of certificates off.
    if rest.contains('#') {
        return Err("has a `#`, which is not taken; in a password it is written `%23`".to_owned());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = place.rfind('@').map_or(("", place), |at| place.split_at(at + 1));
    let query = query.split('&').filter(|pair| !pair.is_empty());
    let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    Ok(Url { scheme, user, hosts: hosts.split(',').collect(), database, query })
}

impl Url<'_> {
    /// A socket has no host, so nobody would read what stands before one; least of all may it be shown.
    fn socket(&self, text: &str) -> Result<Target, String> {
        if !self.user.is_empty() || self.hosts != [""] {
            let problem =
                "names a user or a host, which a socket has not: such as `unix:///run/redis.sock?pass=password`";
            return Err(problem.to_owned());
        }
        self.takes(&["db", "user", "pass"])?;
        Ok(Target::One(Box::new(info(text)?)))
    }

    fn target(&self) -> Result<Target, String> {
        let (base, kind) = self.scheme.split_once('-').unwrap_or((self.scheme, ""));
        if !matches!(base, "redis" | "rediss") {
            return Err(FORMS.to_owned());
        }
        if self.hosts.iter().any(|host| host.is_empty()) {
            return Err(format!("names no host; it {FORMS}"));
        }
        match kind {
            "" => {
                self.takes(&[])?;
                match self.hosts[..] {
                    [host] => Ok(Target::One(Box::new(info(&self.one(base, self.user, host))?))),
                    _ => Err(format!("names several hosts, as `{base}-cluster` or `{base}-sentinel` would")),
                }
            }
            "cluster" => {
                self.takes(&[])?;
                if !matches!(self.database, "" | "0") {
                    return Err("names a database, which a cluster has not".to_owned());
                }
                let nodes = self.hosts.iter().map(|host| info(&self.one(base, self.user, host)));
                Ok(Target::Cluster(nodes.collect::<Result<_, _>>()?))
            }
            "sentinel" => self.sentinels(base),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// The user and the database are those of the server; sentinels have their own.
    fn sentinels(&self, base: &str) -> Result<Target, String> {
        self.takes(&["master", "sentinel_password"])?;
        let value = |name: &str| self.query.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let master = value("master").filter(|name| !name.is_empty());
        let master = master.ok_or_else(|| format!("names no `master`; it {FORMS}"))?.to_owned();
        let user = value("sentinel_password").map_or_else(String::new, |password| format!(":{password}@"));
        let host = |host: &&str| {
            // A sentinel's own port, where none is given.
            let host = if has_port(host) { (*host).to_owned() } else { format!("{host}:26379") };
            info(&format!("{base}://{user}{host}"))
        };
        let sentinels = self.hosts.iter().map(host).collect::<Result<_, _>>()?;
        let server: RedisConnectionInfo = info(&self.one(base, self.user, "master"))?.redis_settings().clone();
        let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(server.clone());
        let node = if base == "rediss" { node.set_tls_mode(TlsMode::Secure) } else { node };
        Ok(Target::Sentinels { sentinels, master, server: Box::new(server), node })
    }

    fn one(&self, base: &str, user: &str, host: &str) -> String {
        format!("{base}://{user}{host}/{}", self.database)
    }

    fn takes(&self, known: &[&str]) -> Result<(), String> {
        // Not named: it may be a part of a password with a `?` in it.
        if self.query.iter().all(|(key, _)| known.contains(key)) {
            return Ok(());
        }
        Err("has a parameter that is not known here; in a password a `?` is written `%3F`".to_owned())
    }

    fn shown(&self) -> String {
        let user = if self.user.is_empty() { "" } else { "***@" };
        let database = if self.database.is_empty() { String::new() } else { format!("/{}", self.database) };
        format!("{}://{user}{}{database}", self.scheme, self.hosts.join(","))
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn info(url: &str) -> Result<ConnectionInfo, String> {
    let info = url.into_connection_info().map_err(|_| FORMS.to_owned())?;
    match info.addr() {
        ConnectionAddr::Tcp(_, 0) | ConnectionAddr::TcpTls { port: 0, .. } => Err("has the port 0".to_owned()),
        _ => Ok(info),
    }
}

/// The same servers, asked by the same user in the same way.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        one.place == other.place && one.logins == other.logins && one.tls == other.tls
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.shown, f)
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
