//! Who may use the admin plane.

use std::{fmt, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, Response, header::AUTHORIZATION},
    middleware::Next,
};
use plugin_core::{Code, PluginError, clock};
use plugin_transports::auth::{Identity, Verifier};

use super::denials::Denials;
use crate::server::problem::{self, ToldProblem};

/// Characters of a path in the log, at most.
const LONGEST_PATH: usize = 256;

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

    /// Who asks, or who it is not that may.
    fn allow(&self, needed: Role, headers: &HeaderMap) -> Result<Identity, Denied> {
        let Some(identity) = self.verifier.verify(headers) else {
            let problem = if headers.contains_key(AUTHORIZATION) {
                "nobody has this token on the admin plane, or it is no bearer token"
            } else {
                "the admin plane needs a token: send `Authorization: Bearer TOKEN`"
            };
            let who = Who::Unknown { token: headers.contains_key(AUTHORIZATION) };
            return Err(Denied { who, error: PluginError::new(Code::Unauthenticated, problem) });
        };
        if (self.role)(&identity) < needed {
            let problem = format!("{:?} may read, and this needs the role \"operate\"", identity.name());
            let error = PluginError::new(Code::Forbidden, problem);
            return Err(Denied { who: Who::Known(identity), error });
        }
        Ok(identity)
    }
}

/// Who asks.
enum Who {
    Known(Identity),
    Unknown {
        /// Whether a token was sent that nobody has: somebody who guesses is not somebody who forgot.
        token: bool,
    },
}

impl Who {
    fn name(&self) -> &str {
        match self {
            Self::Known(identity) => identity.name(),
            Self::Unknown { token: true } => "somebody with a wrong token",
            Self::Unknown { token: false } => "somebody without a token",
        }
    }
}

/// What is answered to somebody who may not.
struct Denied {
    who: Who,
    error: PluginError,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// What stands before the routes that need a role.
pub(super) struct AdminDoor {
    access: Option<Access>,
    denials: Denials,
}

impl AdminDoor {
    pub(super) fn new(access: Option<Access>) -> Arc<Self> {
        Arc::new(Self { access, denials: Denials::default() })
    }
}

/// Lets those pass who may, and writes a line of the log for every change that was asked for, done or not, and for those who
/// were turned away, of whom there may be many. A change that the client did not wait for has its line too: it says `gone`.
pub(super) async fn check(State(door): State<Arc<AdminDoor>>, request: Request, next: Next) -> Response<Body> {
    let needed = if request.method().is_safe() { Role::Read } else { Role::Operate };
    let allowed = match &door.access {
        Some(access) => access.allow(needed, request.headers()).map(Who::Known),
        // Whoever can reach it may use it, which is why a gateway without tokens has its admin plane on loopback.
        None => Ok(Who::Unknown { token: false }),
    };
    match allowed {
        Ok(_) if needed == Role::Read => next.run(request).await,
        Ok(who) => {
            let mut line = DenialLine::new(&request, who, "gone");
            let response = next.run(request).await;
            line.outcome = match response.extensions().get::<ChangeOutcome>() {
                Some(ChangeOutcome(outcome)) => outcome,
                None if response.status().is_success() => "done",
                None => "failed",
            };
            line.told = response.extensions().get::<ToldProblem>().cloned();
            response
        }
        Err(Denied { who, error }) => {
            if let Some(untold) = door.denials.another(clock::now()) {
                let mut line = DenialLine::new(&request, who, "denied");
                line.untold = untold;
            }
            problem::respond(error)
        }
    }
}

/// What became of a change that was made, where more is known than that it was.
#[derive(Clone, Copy)]
pub(super) struct ChangeOutcome(&'static str);

pub(super) const DONE: ChangeOutcome = ChangeOutcome("done");
/// Calls were cut off, or run on.
pub(super) const PARTLY: ChangeOutcome = ChangeOutcome("not clean");

/// A line of the log about a change or a denial, written when it is dropped.
struct DenialLine {
    method: Method,
    path: String,
    who: Who,
    outcome: &'static str,
    /// Why it failed.
    told: Option<ToldProblem>,
    /// Denials before it that have no line.
    untold: u64,
}

impl DenialLine {
    fn new(request: &Request, who: Who, outcome: &'static str) -> Self {
        // As it was sent, so that no character of it does anything in a log, and no more than a name of a plugin needs.
        let path = request.uri().path().chars().take(LONGEST_PATH).collect();
        Self { method: request.method().clone(), path, who, outcome, told: None, untold: 0 }
    }
}

impl Drop for DenialLine {
    fn drop(&mut self) {
        let Self { method, path, who, outcome, told, untold } = self;
        let who = who.name();
        let (code, reason) = told.as_ref().map(|told| (told.code.as_str(), &*told.said)).unzip();
        if *outcome == "denied" {
            let untold = (*untold > 0).then_some(*untold);
            tracing::warn!(who, %method, path, outcome, untold, "admin plane");
        } else {
            tracing::info!(who, %method, path, outcome, code, reason, "admin plane");
        }
    }
}
