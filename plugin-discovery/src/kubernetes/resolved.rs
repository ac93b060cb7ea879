//! How the API server is reached, once the files that say it are read.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;

use super::server::Server;

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
