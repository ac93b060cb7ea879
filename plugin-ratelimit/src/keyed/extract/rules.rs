//! Whose address counts as that of the client.

use std::net::IpAddr;

use http::HeaderMap;
use plugin_core::ConfigError;

use super::{
    forwarded::{forwarded, x_forwarded_for},
    network::{Network, cut},
};

/// How the address of a client is found, and what part of it is the key.
///
/// Without trusted proxies, the default, it is the address that the connection came from, and no header is read: anybody can
/// send any header. Behind proxies, name them: then the header that they write is read from the right, and the first
/// address in it that is not one of theirs is the client's. What stands to the left of it may have been invented, and is not
/// looked at. The header is read only of connections that come from a trusted proxy, and only the one that is named: a proxy
/// passes the other on as the client sent it.
///
/// Trust the proxies and nobody else. Whoever has an address in a trusted range is believed whatever he writes, and so has a
/// bucket for each request: a range is right only where no client can have an address of it.
///
/// Where the way ends at something that is no address (`unknown`, `_hidden`), or all addresses are those of trusted proxies,
/// the last of these that was found is the key.
///
/// IPv6 addresses are counted by their first 64 bits: a customer is usually given at least that many addresses, and would
/// otherwise have a bucket for each.
///
/// ```
/// use plugin_ratelimit::{ClientIpConfig, ForwardedBy};
///
/// let config = ClientIpConfig::builder()
///     .with_trusted_proxies(["10.0.0.1", "10.0.0.2", "fd00::1"])
///     .with_forwarded_by(ForwardedBy::XForwardedFor)
///     .with_ipv6_prefix(56)
///     .build()?;
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2".parse()?);
/// assert_eq!(config.client("10.0.0.1".parse()?, &headers).to_string(), "203.0.113.7");
///
/// let fault = ClientIpConfig::builder().with_trusted_proxies(["10.0.0.0/80"]).build().expect_err("not a range");
/// assert_eq!(fault.to_string(), "`trusted_proxies` has an entry that is wrong: \"10.0.0.0/80\" must have a whole number from 0 to 32 after the slash");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIpConfig {
    trusted_proxies: Vec<Network>,
    forwarded_by: ForwardedBy,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

/// The header that trusted proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For`: addresses with commas between them.
    #[default]
    XForwardedFor,
    /// `Forwarded`, of RFC 7239.
    Forwarded,
}

/// Makes a [`ClientIpConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientIpConfigBuilder {
    config: ClientIpConfig,
    trusted_proxies: Vec<String>,
}

/// Hops that are followed at most. A header that a client has filled with the addresses of proxies costs no more.
const HOPS: usize = 32;

impl Default for ClientIpConfig {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), forwarded_by: ForwardedBy::default(), ipv4_prefix: 32, ipv6_prefix: 64 }
    }
}

impl ClientIpConfig {
    /// A builder that starts with the defaults: no trusted proxies, `X-Forwarded-For`, all of an IPv4 address and 64 bits of
    /// an IPv6 one.
    pub fn builder() -> ClientIpConfigBuilder {
        Self::default().to_builder()
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> ClientIpConfigBuilder {
        let trusted_proxies = self.trusted_proxies.iter().map(Network::to_string).collect();
        ClientIpConfigBuilder { config: self, trusted_proxies }
    }

    /// The proxies whose header is believed.
    #[must_use]
    pub fn trusted_proxies(&self) -> &[Network] {
        &self.trusted_proxies
    }

    /// The header that they write.
    #[must_use]
    pub fn forwarded_by(&self) -> ForwardedBy {
        self.forwarded_by
    }

    /// The bits of an IPv4 address that count.
    #[must_use]
    pub fn ipv4_prefix(&self) -> u8 {
        self.ipv4_prefix
    }

    /// The bits of an IPv6 address that count.
    #[must_use]
    pub fn ipv6_prefix(&self) -> u8 {
        self.ipv6_prefix
    }

    /// The address of the client of a request with these headers, on a connection from `peer`. An IPv4 address in the form of
    /// IPv6 is given as IPv4.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        match self.forwarded_by {
            ForwardedBy::XForwardedFor => self.follow(peer, headers, "x-forwarded-for", x_forwarded_for),
            ForwardedBy::Forwarded => self.follow(peer, headers, "forwarded", forwarded),
        }
    }

    /// What counts of an address: its first bits, the others zero.
    #[must_use]
    pub fn key(&self, address: IpAddr) -> IpAddr {
        let address = address.to_canonical();
        cut(address, if address.is_ipv4() { self.ipv4_prefix } else { self.ipv6_prefix })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Goes from the peer towards the client, as far as each hop can be believed.
    fn follow<'h, I>(&self, peer: IpAddr, headers: &'h HeaderMap, name: &str, read: impl Fn(&'h [u8]) -> I) -> IpAddr
    where
        I: Iterator<Item = Option<IpAddr>>,
    {
        let mut last = peer;
        let mut hops = 0;
        // A proxy adds to the last line or writes another one behind it.
        for line in headers.get_all(name).iter().rev() {
            for hop in read(line.as_bytes()) {
                hops += 1;
                match hop {
                    Some(hop) if hops <= HOPS && self.trusts(hop) => last = hop,
                    Some(hop) if hops <= HOPS => return hop,
                    _ => return last,
                }
            }
        }
        last
    }
}

impl ClientIpConfigBuilder {
    /// Sets the proxies whose header is believed, as single addresses, or as ranges (`10.0.0.0/28`) in which nobody else is.
    pub fn with_trusted_proxies<T: Into<String>>(mut self, proxies: impl IntoIterator<Item = T>) -> Self {
        self.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the header that trusted proxies write.
    pub fn with_forwarded_by(mut self, header: ForwardedBy) -> Self {
        self.config.forwarded_by = header;
        self
    }

    /// Sets how many bits of an IPv4 address count, from 1 to 32.
    pub fn with_ipv4_prefix(mut self, bits: u8) -> Self {
        self.config.ipv4_prefix = bits;
        self
    }

    /// Sets how many bits of an IPv6 address count, from 1 to 128.
    pub fn with_ipv6_prefix(mut self, bits: u8) -> Self {
        self.config.ipv6_prefix = bits;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a proxy is no range of addresses, or a prefix is out of its bounds.
    pub fn build(mut self) -> Result<ClientIpConfig, ConfigError> {
        let parsed: Result<Vec<Network>, _> = self.trusted_proxies.iter().map(|proxy| proxy.parse()).collect();
        self.config.trusted_proxies = parsed
            .map_err(|fault| ConfigError::new("trusted_proxies", format!("has an entry that is wrong: {fault}")))?;
        for (field, bits, most) in
            [("ipv4_prefix", self.config.ipv4_prefix, 32), ("ipv6_prefix", self.config.ipv6_prefix, 128)]
        {
            if bits == 0 || bits > most {
                return Err(ConfigError::new(field, format!("must be from 1 to {most}, and is {bits}")));
            }
        }
        Ok(self.config)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn behind(header: ForwardedBy) -> ClientIpConfig {
        let builder = ClientIpConfig::builder().with_trusted_proxies(["10.0.0.0/8", "fd00::/8"]);
        builder.with_forwarded_by(header).build().expect("valid")
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_header_is_believed_only_of_a_trusted_proxy() {
        let config = behind(ForwardedBy::XForwardedFor);
        let headers = headers(&[("x-forwarded-for", "6.6.6.6")]);
        assert_eq!(config.client(ip("203.0.113.9"), &headers), ip("203.0.113.9"));
        assert_eq!(config.client(ip("10.0.0.1"), &headers), ip("6.6.6.6"));
        assert_eq!(config.client(ip("::ffff:10.0.0.1"), &headers), ip("6.6.6.6"));
        assert_eq!(ClientIpConfig::default().client(ip("10.0.0.1"), &headers), ip("10.0.0.1"));
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_is_the_client() {
        let config = behind(ForwardedBy::XForwardedFor);
        for (lines, client) in [
            (&["6.6.6.6, 203.0.113.7, 10.0.0.2"][..], "203.0.113.7"),
            (&["6.6.6.6", "203.0.113.7", "10.0.0.2,fd00::3"], "203.0.113.7"),
            (&["10.0.0.4, 10.0.0.2"], "10.0.0.4"),
            (&["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["6.6.6.6, 10.0.0.2,"], "10.0.0.1"),
            (&[], "10.0.0.1"),
            (&["203.0.113.7", "\u{e9}"], "10.0.0.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(config.client(ip("10.0.0.1"), &headers(&lines)), ip(client), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_text_hides_nothing_that_a_proxy_has_added_behind_it() {
        for (header, name, added) in [
            (ForwardedBy::XForwardedFor, "x-forwarded-for", "203.0.113.7, 10.0.0.2"),
            (ForwardedBy::Forwarded, "forwarded", "for=203.0.113.7, for=10.0.0.2"),
        ] {
            let line = [b"\xe9, ", added.as_bytes()].concat();
            let line = http::HeaderValue::from_bytes(&line).expect("such bytes are allowed in a header");
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), line)]);
            assert_eq!(behind(header).client(ip("10.0.0.1"), &headers), ip("203.0.113.7"), "{name}");
        }
    }

    #[test]
    fn only_the_header_that_is_named_is_read() {
        let both = headers(&[("forwarded", "for=\"[2001:db8::7]:1\""), ("x-forwarded-for", "6.6.6.6")]);
        assert_eq!(behind(ForwardedBy::Forwarded).client(ip("10.0.0.1"), &both), ip("2001:db8::7"));
        assert_eq!(behind(ForwardedBy::XForwardedFor).client(ip("10.0.0.1"), &both), ip("6.6.6.6"));
    }

    #[test]
    fn no_more_than_some_hops_are_followed() {
        let config = behind(ForwardedBy::XForwardedFor);
        let line = |proxies| format!("203.0.113.7{}", ", 10.0.0.2".repeat(proxies));
        let client = |proxies| config.client(ip("10.0.0.1"), &headers(&[("x-forwarded-for", &line(proxies))]));
        assert_eq!(client(HOPS - 1), ip("203.0.113.7"));
        assert_eq!(client(HOPS), ip("10.0.0.2"));
    }

    #[test]
    fn addresses_count_by_their_prefix() {
        let config = ClientIpConfig::default();
        assert_eq!(config.key(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(config.key(ip("203.0.113.7")), ip("203.0.113.7"));
        assert_eq!(config.key(ip("::ffff:203.0.113.7")), ip("203.0.113.7"), "not by 64 bits that all IPv4 share");
        let wide = config.to_builder().with_ipv4_prefix(24).with_ipv6_prefix(48).build().expect("valid");
        assert_eq!(wide.key(ip("203.0.113.7")), ip("203.0.113.0"));
        assert_eq!(wide.key(ip("2001:db8:1:2::3")), ip("2001:db8:1::"));
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let text = |builder: ClientIpConfigBuilder| builder.build().expect_err("out of bounds").to_string();
        let builder = ClientIpConfig::builder;
        assert_eq!(text(builder().with_ipv6_prefix(0)), "`ipv6_prefix` must be from 1 to 128, and is 0");
        assert_eq!(text(builder().with_ipv4_prefix(33)), "`ipv4_prefix` must be from 1 to 32, and is 33");
        assert!(text(builder().with_trusted_proxies(["::1", "here"])).contains("\"here\" is no address"));
        assert!(builder().with_ipv4_prefix(1).with_ipv6_prefix(128).build().is_ok());
    }
}
