//! One question, and what its answer says.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use hickory_resolver::{
    lookup::Lookup,
    net::{DnsError, NetError},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};

use crate::FaultKind;

/// What a question is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) of: RecordType,
}

/// One target of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: Name,
    pub(super) port: u16,
    pub(super) priority: u16,
    pub(super) weight: u16,
}

/// Why there is no answer, or none with records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) kind: FaultKind,
    pub(super) message: String,
}

/// Records, and how long they live. No records are an answer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer<T> {
    pub(super) records: Vec<T>,
    pub(super) time_to_live: Duration,
}

impl Question {
    pub(super) fn lack(&self, kind: FaultKind, what: impl std::fmt::Display) -> Lack {
        let name = self.name.to_utf8();
        let name = name.strip_suffix('.').unwrap_or(&name);
        Lack { kind, message: format!("{name} ({}): {what}", self.of) }
    }

    /// What went wrong, or that there is nothing.
    pub(super) fn lack_of(&self, error: &NetError) -> Lack {
        use FaultKind::{Absent, Empty, Refused, Unreachable, Unreadable};
        match error {
            NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
                ResponseCode::NXDomain => self.lack(Absent, "there is no such name (NXDOMAIN)"),
                ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
                    self.lack(Refused, "the name server does not know and refers to others")
                }
                ResponseCode::NoError => self.lack(Empty, "the name has no such record"),
                code => self.lack(Refused, code),
            },
            NetError::Dns(DnsError::ResponseCode(code)) => self.lack(Refused, code),
            NetError::Dns(_) => self.lack(Unreadable, error),
            NetError::Timeout => self.lack(Unreachable, "no answer in time"),
            NetError::Truncated => self.lack(Unreadable, "the answer is truncated, over TCP too"),
            NetError::Proto(error) => self.lack(Unreadable, format_args!("the answer cannot be read: {error}")),
            NetError::QueryCaseMismatch | NetError::ForeignClassRecord { .. } => self.lack(Unreadable, error),
            _ => self.lack(Unreachable, error),
        }
    }
}

/// How long the records live: as long as the shortest, those between them and the name included.
pub(super) fn time_to_live(lookup: &Lookup) -> Duration {
    let seconds = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
    Duration::from_secs(seconds.into())
}

/// An address that one instance can have: 0.0.0.0 is this machine itself for whoever connects to it, and a group is nobody.
pub(super) fn address(data: &RData) -> Option<IpAddr> {
    let ip = match data {
        RData::A(ip) => IpAddr::V4(**ip),
        RData::AAAA(ip) => IpAddr::V6(**ip),
        _ => return None,
    };
    let is_one = !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST);
    is_one.then_some(ip)
}

/// A target of `.` is none: the service is decidedly not there (RFC 2782). Nor is one with port 0, to which nobody can connect.
pub(super) fn target(data: &RData) -> Option<Target> {
    match data {
        RData::SRV(record) if !record.target.is_root() && record.port != 0 => Some(Target {
            name: record.target.clone(),
            port: record.port,
            priority: record.priority,
            weight: record.weight,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};

    use super::*;

    #[test]
    fn what_nobody_can_connect_to_is_no_instance() {
        for (text, is_one) in [
            ("10.0.0.1", true),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("127.0.0.1", true),
        ] {
            let ip: Ipv4Addr = text.parse().expect("an address");
            assert_eq!(address(&RData::A(A(ip))).is_some(), is_one, "{text}");
        }
        for (text, is_one) in [("2001:db8::1", true), ("::", false), ("ff02::1", false)] {
            assert_eq!(address(&RData::AAAA(AAAA(text.parse().expect("an address")))).is_some(), is_one, "{text}");
        }
        let name = Name::from_ascii("a.example.").expect("a name");
        for (port, is_one) in [(0, false), (1, true), (u16::MAX, true)] {
            assert_eq!(target(&RData::SRV(SRV::new(0, 0, port, name.clone()))).is_some(), is_one, "{port}");
        }
    }
}
