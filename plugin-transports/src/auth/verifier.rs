//! The decision of a server: are these credentials good?

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use plugin_core::PluginError;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{AuthConfig, AuthMethod, ClientConfig, config};

/// Who a request comes from: the name of the credentials that it showed. [`Verify`](super::Verify) puts it into the
/// request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(Arc<str>);

impl Identity {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The credentials that a server accepts: any one of them will do.
///
/// A secret is compared with all of them, in a time that depends on lengths alone. Without any it accepts nothing. Client
/// certificates are not its business: a TLS server that is given a `client_ca_file` refuses a connection without one.
#[derive(Clone, Default)]
pub struct Verifier {
    accepted: Vec<Accepted>,
}

#[derive(Clone)]
struct Accepted {
    identity: Identity,
    scheme: Scheme,
    /// As it stands in the header, behind the scheme's name.
    secret: SecretString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    ApiKey,
    Bearer,
    Basic,
}

impl Verifier {
    /// A verifier that accepts nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts a key in `X-API-Key`.
    #[must_use]
    pub fn with_api_key(self, name: &str, key: impl Into<SecretString>) -> Self {
        self.with(name, Scheme::ApiKey, key.into())
    }

    /// Accepts a bearer token.
    #[must_use]
    pub fn with_bearer(self, name: &str, token: impl Into<SecretString>) -> Self {
        self.with(name, Scheme::Bearer, token.into())
    }

    /// Accepts a user name and a password.
    #[must_use]
    pub fn with_basic(self, name: &str, username: &str, password: impl Into<SecretString>) -> Self {
        let header = config::basic(username, password.into().expose_secret());
        let coded = header.strip_prefix("Basic ").unwrap_or_default().to_owned();
        self.with(name, Scheme::Basic, coded.into())
    }

    /// Accepts what a client with these settings sends.
    ///
    /// # Errors
    ///
    /// Those of [`ClientConfig::new`].
    pub fn with_config(self, name: &str, config: &AuthConfig) -> Result<Self, PluginError> {
        let client = ClientConfig::new(name, config.clone())
            .map_err(|error| PluginError::new(error.code(), error.to_string()).with_source(error))?;
        Ok(self.with_client(&client))
    }

    /// Accepts this client.
    #[must_use]
    pub fn with_client(self, client: &ClientConfig) -> Self {
        let (name, config) = (client.name(), client.auth());
        let secret = |secret: &Option<SecretString>| secret.clone().unwrap_or_default();
        match config.method {
            AuthMethod::ApiKey => self.with_api_key(name, secret(&config.api_key)),
            AuthMethod::Bearer => self.with_bearer(name, secret(&config.token)),
            AuthMethod::Basic => {
                let user = config.username.as_deref().unwrap_or_default();
                self.with_basic(name, user, secret(&config.password))
            }
            // No client is made with one of these.
            AuthMethod::None | AuthMethod::Mtls | AuthMethod::Custom => self,
        }
    }

    /// An empty secret is what an unset variable leaves behind, so it is never accepted.
    fn with(mut self, name: &str, scheme: Scheme, secret: SecretString) -> Self {
        if !secret.expose_secret().is_empty() {
            self.accepted.push(Accepted { identity: Identity(name.into()), scheme, secret });
        }
        self
    }

    /// The names under which it knows somebody.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accepted.iter().map(|accepted| accepted.identity.name())
    }

    /// Whose credentials these headers carry. Two headers where one belongs are no credentials.
    #[must_use]
    pub fn verify(&self, headers: &HeaderMap) -> Option<Identity> {
        let key = single(headers, config::API_KEY);
        let (scheme, rest) = single(headers, header::AUTHORIZATION).map_or((None, &[][..]), authorization);
        let mut found = Choice::from(0);
        let mut index = 0_u32;
        for (at, accepted) in (0_u32..).zip(&self.accepted) {
            let shown = match accepted.scheme {
                Scheme::ApiKey => key.unwrap_or_default(),
                of_authorization if scheme == Some(of_authorization) => rest,
                _ => &[],
            };
            // Every one is compared, also after a match: the time tells nothing of which it was.
            let equal = accepted.secret.expose_secret().as_bytes().ct_eq(shown);
            index.conditional_assign(&at, equal & !found);
            found |= equal;
        }
        bool::from(found).then(|| self.accepted[index as usize].identity.clone())
    }

    /// The values of `WWW-Authenticate`: one for each scheme that is accepted.
    pub(super) fn challenges(&self) -> Vec<HeaderValue> {
        [
            (Scheme::Bearer, "Bearer realm=\"plugin\""),
            (Scheme::Basic, "Basic realm=\"plugin\", charset=\"UTF-8\""),
            // No registered scheme has the name, as none is for a header of one's own; RFC 9110 asks for a challenge.
            (Scheme::ApiKey, "ApiKey realm=\"plugin\", header=\"X-API-Key\""),
        ]
        .into_iter()
        .filter(|(scheme, _)| self.accepted.iter().any(|accepted| accepted.scheme == *scheme))
        .map(|(_, challenge)| HeaderValue::from_static(challenge))
        .collect()
    }
}

/// Takes off what a [`Verifier`] looks at.
#[cfg(feature = "unix")]
pub(crate) fn take_credentials(headers: &mut HeaderMap) {
    headers.remove(config::API_KEY);
    headers.remove(header::AUTHORIZATION);
}

fn single(headers: &HeaderMap, name: http::HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

/// The scheme, whose name may be written in any case, and what follows it.
fn authorization(value: &[u8]) -> (Option<Scheme>, &[u8]) {
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return (None, &[]) };
    let (name, rest) = value.split_at(space);
    let scheme = if name.eq_ignore_ascii_case(b"bearer") {
        Some(Scheme::Bearer)
    } else if name.eq_ignore_ascii_case(b"basic") {
        Some(Scheme::Basic)
    } else {
        None
    };
    (scheme, rest.trim_ascii())
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.accepted.iter().map(|accepted| accepted.identity.name())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::try_from(*value).expect("a value"));
        }
        headers
    }

    fn verifier() -> Verifier {
        Verifier::new()
            .with_api_key("ci", "key-1")
            .with_bearer("ops", "token-1")
            .with_bearer("dev", "token-2")
            .with_basic("ann", "ann", "pa:ss")
    }

    #[test]
    fn what_a_client_sends_is_accepted_under_its_name() {
        for (config, name) in [
            (AuthConfig::api_key("key-1"), "ci"),
            (AuthConfig::bearer("token-1"), "ops"),
            (AuthConfig::bearer("token-2"), "dev"),
            (AuthConfig::basic("ann", "pa:ss"), "ann"),
        ] {
            let mut sent = HeaderMap::new();
            config.build().expect("complete").apply(&mut sent);
            let alone = Verifier::new().with_config(name, &config).expect("a method with a header");
            for verifier in [verifier(), alone] {
                assert_eq!(verifier.verify(&sent).expect("accepted").name(), name);
            }
        }
        let lower_case = headers(&[("authorization", "bearer  token-1")]);
        assert!(verifier().verify(&lower_case).is_some());
    }

    #[test]
    fn what_is_wrong_in_any_way_is_refused() {
        for wrong in [
            &[][..],
            &[("x-api-key", "key-2")],
            &[("x-api-key", "key-1x")],
            &[("x-api-key", "key")],
            &[("x-api-key", "")],
            &[("x-api-key", "token-1")],
            &[("x-api-key", "key-1"), ("x-api-key", "key-1")],
            &[("authorization", "token-1")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer key-1")],
            &[("authorization", "Basic token-1")],
            &[("authorization", "Digest token-1")],
            &[("authorization", "Bearer YW5uOnBhOnNz")],
        ] {
            assert_eq!(verifier().verify(&headers(wrong)), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_empty_verifier_and_an_empty_secret_accept_nothing() {
        let empty = Verifier::new().with_api_key("unset", "").with_bearer("unset", "");
        for shown in [&[][..], &[("x-api-key", "")], &[("authorization", "Bearer ")]] {
            assert_eq!(empty.verify(&headers(shown)), None);
        }
        assert!(empty.challenges().is_empty());
        assert!(Verifier::new().with_config("x", &AuthConfig::none()).is_err());
    }

    #[test]
    fn debug_shows_names_alone() {
        assert_eq!(format!("{:?}", verifier()), r#"["ci", "ops", "dev", "ann"]"#);
    }
}
