//! Who may use the admin plane.

use std::{fmt, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, Response, header},
    middleware::Next,
};
use plugin_core::{Code, PluginError};
use subtle::{Choice, ConstantTimeEq};

use crate::server::problem;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Role {
    /// Reading.
    Read,
    /// Reading, and changing what runs.
    Operate,
}

/// A token for the admin plane. Its text is never shown.
#[derive(Clone)]
pub struct Token {
    name: String,
    role: Role,
    secret: Arc<str>,
}

impl Token {
    /// A token. `name` says in the log who used it.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role, secret: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), role, secret: secret.into() }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// The tokens of an admin plane. Without any, everybody who can reach it may use it, which is why a gateway without
/// tokens listens on loopback only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(pub(crate) Vec<Token>);

impl Tokens {
    /// The token that these headers carry. Every token is compared, in constant time, whether one has matched or not.
    fn find(&self, headers: &HeaderMap) -> Option<&Token> {
        let given = headers.get(header::AUTHORIZATION)?.as_bytes();
        let given = given.strip_prefix(b"Bearer ").or_else(|| given.strip_prefix(b"bearer "))?;
        let mut found = None;
        for token in &self.0 {
            let same: Choice = token.secret.as_bytes().ct_eq(given);
            if bool::from(same) {
                found = Some(token);
            }
        }
        found
    }

    fn allow(&self, method: &Method, headers: &HeaderMap) -> Result<(), PluginError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let needed = if method.is_safe() { Role::Read } else { Role::Operate };
        let token = self.find(headers).ok_or_else(|| {
            let problem = "the admin plane needs a token: send `Authorization: Bearer TOKEN`";
            PluginError::new(Code::Unauthenticated, problem)
        })?;
        if token.role < needed {
            let problem = format!("the token {:?} may read, and this needs the role \"operate\"", token.name);
            return Err(PluginError::new(Code::Forbidden, problem));
        }
        if needed == Role::Operate {
            tracing::info!(token = token.name, "admin change");
        }
        Ok(())
    }
}

pub(super) async fn check(State(tokens): State<Arc<Tokens>>, request: Request, next: Next) -> Response<Body> {
    match tokens.allow(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => problem::respond(&error, None),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_allows_what_its_role_says() {
        let tokens = Tokens(vec![
            Token::new("grafana", Role::Read, "read-me"),
            Token::new("sre", Role::Operate, "operate-me"),
        ]);
        let code = |method: &Method, given: Option<&'static str>| {
            let headers = given.map(|text| (header::AUTHORIZATION, HeaderValue::from_static(text))).into_iter().collect();
            tokens.allow(method, &headers).err().map(|error| error.code())
        };
        assert_eq!(code(&Method::GET, Some("Bearer read-me")), None);
        assert_eq!(code(&Method::POST, Some("Bearer read-me")), Some(Code::Forbidden));
        assert_eq!(code(&Method::POST, Some("Bearer operate-me")), None);
        for bad in [None, Some("Bearer read-m"), Some("Bearer read-me2"), Some("Basic read-me"), Some("Bearer ")] {
            assert_eq!(code(&Method::GET, bad), Some(Code::Unauthenticated), "{bad:?}");
        }
        assert!(!format!("{tokens:?}").contains("operate-me"));
    }
}
