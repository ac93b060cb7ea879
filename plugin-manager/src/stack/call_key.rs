//! By what the calls of a plugin are told apart, where each of a kind has a limit of its own.

use std::{fmt, str::FromStr, sync::Arc};

use axum::http::HeaderName;
use plugin_core::{Call, KeyOf};
use plugin_ratelimit::ByHeader;

use super::Caller;

/// By what the calls of a plugin are told apart: the key `key` of a limit.
///
/// ```
/// use plugin_core::{Call, KeyOf};
/// use plugin_manager::stack::{CallKey, Caller};
///
/// let key: CallKey = "client".parse()?;
/// let mut call = Call::new(());
/// assert_eq!(key.key(&call), None); // nobody knows who has sent it
/// call.context_mut().set_extension(Caller::default().with_name("billing"));
/// assert_eq!(key.key(&call).as_deref(), Some("billing"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallKey {
    /// The name by which the caller is known (`server.auth`).
    Client,
    /// The caller's address, or network: the bits of it that `server.client_ip` counts.
    Ip,
    /// A header of the call. A gateway hands on those that begin with `X-Plugin-`.
    Header(ByHeader),
}

impl CallKey {
    /// Whether it is who has sent a call, which only a gateway knows.
    pub(crate) fn asks_who_calls(&self) -> bool {
        matches!(self, Self::Client | Self::Ip)
    }
}

/// What the names of headers begin with that a gateway hands on.
const HANDED_ON: &str = "x-plugin-";

/// As it is written in a configuration.
impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Ip => f.write_str("ip"),
            Self::Header(header) => write!(f, "header:{}", header.name()),
        }
    }
}

impl FromStr for CallKey {
    type Err = String;

    /// `client`, `ip`, or `header:X-Plugin-...`.
    fn from_str(text: &str) -> Result<Self, String> {
        let right = "expected client, ip, or header: and the name of a header that begins with X-Plugin-, which are those that \
                     are handed on";
        match text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name))) {
            ("client", None) => Ok(Self::Client),
            ("ip", None) => Ok(Self::Ip),
            ("header", Some(name)) => match name.trim().parse::<HeaderName>() {
                Ok(name) if name.as_str().len() > HANDED_ON.len() && name.as_str().starts_with(HANDED_ON) => {
                    Ok(Self::Header(ByHeader::new(name)))
                }
                _ => Err(format!("{name:?} is no such header; {right}")),
            },
            _ => Err(right.to_owned()),
        }
    }
}

impl<Req> KeyOf<Call<Req>> for CallKey {
    type Key = Arc<str>;

    fn key(&self, call: &Call<Req>) -> Option<Arc<str>> {
        let context = call.context();
        let caller = || context.extension::<Caller>();
        match self {
            Self::Client => caller()?.shared_name().cloned(),
            Self::Ip => Some(caller()?.address()?.to_string().into()),
            Self::Header(header) => Some(header.of(context.headers()?)?.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_with_what_would_be_one() {
        for text in
            ["", "tenant", "client:a", "ip:1", "header", "header:", "header:X-Plugin-", "header:X-Tenant", "header:a b"]
        {
            let fault = text.parse::<CallKey>().expect_err(text);
            assert!(
                fault.contains("expected client, ip, or header: and the name of a header that begins with X-Plugin-"),
                "{fault}"
            );
        }
    }

    #[test]
    fn each_key_is_read_where_it_stands_and_nowhere_else() {
        let mut call = Call::new(());
        let context = call.context_mut();
        context.set_extension(Caller::default().with_name("billing").with_address([203, 0, 113, 7].into()));
        context.headers_mut().insert("x-plugin-tenant", axum::http::HeaderValue::from_static("acme"));
        for (text, key) in [
            ("client", "billing"),
            ("ip", "203.0.113.7"),
            ("header:X-Plugin-Tenant", "acme"),
            ("header: x-plugin-tenant", "acme"),
        ] {
            let of: CallKey = text.parse().expect(text);
            assert_eq!(of.key(&call).as_deref(), Some(key), "{text}");
            assert_eq!(of.key(&Call::new(())), None, "{text}");
            assert_eq!(of.to_string(), text.replace(' ', "").to_lowercase(), "as it is written");
        }
    }
}
