//! Which port of the endpoints is called.

use std::fmt;

use super::object::Port;

/// Which port of a Service's endpoints is called.
///
/// It is the port that the endpoints listen on (`targetPort`), which an EndpointSlice says; the port of the Service itself is
/// for its virtual address, which is not used here. A `u16` and a text become one by `into`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KubernetesPort {
    /// The only one: where endpoints have several ports, that is a fault which names them. The default.
    #[default]
    Only,
    /// The port with this name in the Service. Pods may have different numbers for it, and each is called on its own.
    Named(String),
    /// This number: of slices that list it, and of those that list no port, as a Service without ports has them.
    Number(u16),
}

impl From<u16> for KubernetesPort {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

/// Digits are a number: a name has a letter.
impl From<&str> for KubernetesPort {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Named(text.to_owned()), Self::Number)
    }
}

impl From<String> for KubernetesPort {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for KubernetesPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("the only port"),
            Self::Named(name) => write!(f, "port `{name}`"),
            Self::Number(number) => write!(f, "port {number}"),
        }
    }
}

impl KubernetesPort {
    /// The number to call, of the ports of one slice. Ports of UDP and SCTP are none.
    pub(super) fn choose(&self, ports: &[Port]) -> Option<u16> {
        let mut tcp = ports.iter().filter(|port| is_tcp(port));
        match self {
            Self::Only => {
                let first = tcp.next()?.port;
                if tcp.next().is_none() { first } else { None }
            }
            Self::Named(name) => tcp.find(|port| port.name.as_deref().unwrap_or_default() == name)?.port,
            // A port without a number stands for all of them.
            Self::Number(number) => (ports.is_empty()
                || tcp.any(|port| port.port.is_none_or(|listed| listed == *number)))
            .then_some(*number),
        }
    }
}

fn is_tcp(port: &Port) -> bool {
    port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
}

/// A port as a fault shows it: `http 8080`.
pub(super) struct Shown<'a>(pub(super) &'a Port);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Port { name, port, protocol } = self.0;
        match name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => write!(f, "`{name}`")?,
            None => f.write_str("one without a name")?,
        }
        if let Some(port) = port {
            write!(f, " {port}")?;
        }
        match protocol.as_deref() {
            None | Some("TCP") => Ok(()),
            Some(other) => write!(f, " ({other})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(json: &str) -> Vec<Port> {
        serde_json::from_str(json).expect("ports")
    }

    #[test]
    fn a_name_finds_its_number_and_a_port_of_udp_is_none() {
        let ports = ports(
            r#"[{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53},
            {"name": "metrics", "port": 9153, "protocol": "TCP"}, {"name": "any"}]"#,
        );
        let choose = |port: KubernetesPort| port.choose(&ports);
        assert_eq!(choose("metrics".into()), Some(9153));
        assert_eq!(choose("dns-tcp".into()), Some(53));
        assert_eq!(choose("dns".into()), None);
        assert_eq!(choose("any".into()), None, "a name without a number calls nothing");
        assert_eq!(choose("grpc".into()), None);
    }

    #[test]
    fn the_only_port_is_taken_where_there_is_one_and_not_where_there_are_two() {
        let choose = |json| KubernetesPort::Only.choose(&ports(json));
        assert_eq!(choose(r#"[{"port": 80}]"#), Some(80));
        assert_eq!(choose(r#"[{"name": "", "port": 80}, {"name": "quic", "port": 443, "protocol": "UDP"}]"#), Some(80));
        assert_eq!(choose(r#"[{"name": "a", "port": 80}, {"name": "b", "port": 81}]"#), None);
        assert_eq!(choose("[]"), None);
    }

    #[test]
    fn a_number_is_taken_where_it_is_listed_and_where_nothing_is() {
        let choose = |json| KubernetesPort::Number(80).choose(&ports(json));
        assert_eq!(choose(r#"[{"name": "a", "port": 81}, {"name": "b", "port": 80}]"#), Some(80));
        assert_eq!(choose("[]"), Some(80));
        assert_eq!(choose(r#"[{"name": "all"}]"#), Some(80));
        assert_eq!(choose(r#"[{"name": "a", "port": 81}]"#), None);
        assert_eq!(choose(r#"[{"port": 80, "protocol": "UDP"}]"#), None);
    }
}
