//! Who may use the admin plane.

use std::{fmt, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, Response},
    middleware::Next,
};
use plugin_core::{Code, PluginError};
use plugin_transports::auth::{Identity, Verifier};

use crate::server::problem;

/// What somebody may do on the admin plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Look.
    #[default]
    Read,
    /// Look, and change what runs.
    Operate,
}

/// Who may use an admin plane, and what for.
#[derive(Clone)]
pub struct Access {
    verifier: Verifier,
    role: Arc<dyn Fn(&Identity) -> Role + Send + Sync>,
}

impl Access {
    /// Those whom the verifier knows may use it, each in the role that the closure gives.
    pub fn new(verifier: Verifier, role: impl Fn(&Identity) -> Role + Send + Sync + 'static) -> Self {
        Self { verifier, role: Arc::new(role) }
    }

    fn allow(&self, method: &Method, headers: &HeaderMap) -> Result<(), PluginError> {
        let needed = if method.is_safe() { Role::Read } else { Role::Operate };
        let identity = self.verifier.verify(headers).ok_or_else(|| {
            let problem = "the admin plane needs a token: send `Authorization: Bearer TOKEN`";
            PluginError::new(Code::Unauthenticated, problem)
        })?;
        if (self.role)(&identity) < needed {
            let problem = format!("{:?} may read, and this needs the role \"operate\"", identity.name());
            return Err(PluginError::new(Code::Forbidden, problem));
        }
        if needed == Role::Operate {
            tracing::info!(who = identity.name(), "change through the admin plane");
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

pub(super) async fn check(State(access): State<Arc<Option<Access>>>, request: Request, next: Next) -> Response<Body> {
    let allowed = match &*access {
        Some(access) => access.allow(request.method(), request.headers()),
        // Whoever can reach it may use it, which is why a gateway without tokens has its admin plane on loopback.
        None => Ok(()),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => problem::respond(&error, None),
    }
}
