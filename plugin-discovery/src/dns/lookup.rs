//! The resolver, and questions to it.

use std::{error::Error, net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};

use super::{
    DnsConfig,
    question::{Answer, Lack, Question, time_to_live},
};
use crate::FaultKind;

/// Asks name servers.
pub(super) struct Resolver {
    inner: TokioResolver,
}

impl Resolver {
    /// Of the given name servers, or with what the system says at this moment.
    pub(super) async fn new(config: &DnsConfig) -> Result<Self, Lack> {
        let servers = config.name_servers().to_vec();
        let timeout = config.timeout();
        // The files of the system are read.
        let made = tokio::task::spawn_blocking(move || make(&servers, timeout)).await;
        let inner = match made {
            Ok(made) => made.map_err(|error| unreadable(&error))?,
            Err(error) => return Err(unreadable(&error)),
        };
        Ok(Self { inner })
    }

    /// The records of one question, which are waited for so long. That there are none is an answer.
    pub(super) async fn ask<T>(
        &self,
        question: &Question,
        read: impl Fn(&RData) -> Option<T>,
        limit: Duration,
    ) -> Result<Answer<T>, Lack> {
        if limit.is_zero() {
            return Err(question.lack_of(&NetError::Timeout));
        }
        let lookup = self.inner.lookup(question.name.clone(), question.of);
        let lookup = match tokio::time::timeout(limit, lookup).await {
            Ok(lookup) => lookup.map_err(|error| question.lack_of(&error))?,
            Err(_) => return Err(question.lack_of(&NetError::Timeout)),
        };
        let records = lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
        Ok(Answer { records, time_to_live: time_to_live(&lookup) })
    }
}

fn unreadable(error: &dyn Error) -> Lack {
    Lack { kind: FaultKind::Unreadable, message: format!("the name servers of the system are not known: {error}") }
}

fn make(servers: &[SocketAddr], timeout: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder
    };
    let options = builder.options_mut();
    // Two tries in the time that there is.
    options.timeout = timeout / 2;
    options.attempts = 1;
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    // One that says "no such name" is believed, as those of the system are.
    NameServerConfig::new(address.ip(), true, connections.into())
}
