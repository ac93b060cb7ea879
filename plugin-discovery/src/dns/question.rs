//! One question, and what its answer says.

use std::{net::IpAddr, time::Duration};

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

pub(super) fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(ip) => Some(IpAddr::V4(**ip)),
        RData::AAAA(ip) => Some(IpAddr::V6(**ip)),
        _ => None,
    }
}

/// A target of `.` is none: the service is decidedly not there (RFC 2782).
pub(super) fn target(data: &RData) -> Option<Target> {
    match data {
        RData::SRV(record) if !record.target.is_root() => Some(Target {
            name: record.target.clone(),
            port: record.port,
            priority: record.priority,
            weight: record.weight,
        }),
        _ => None,
    }
}
