//! A range of addresses.

use std::{error::Error, fmt, net::IpAddr, str::FromStr};

/// A range of IP addresses, as `10.0.0.0/8`, `fd00::/8`, or one address.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.1`) is the IPv4 address.
///
/// ```
/// use plugin_ratelimit::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?));
/// assert!(network.contains("::ffff:10.1.2.3".parse()?));
/// assert_eq!(
///     "10.0.0.1/8".parse::<Network>().expect_err("not the first address").to_string(),
///     "\"10.0.0.1/8\" has bits beyond its prefix: the range is 10.0.0.0/8"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// A text that is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl Network {
    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && cut(address, self.prefix) == self.first
    }
}

/// The address with all bits after the prefix at zero.
pub(super) fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let kept = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V4((address.to_bits() & kept).into())
        }
        IpAddr::V6(address) => {
            let kept = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V6((address.to_bits() & kept).into())
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let Ok(written) = address.parse::<IpAddr>() else {
            let problem = format!("{text:?} is no address and no range of addresses, such as 10.0.0.0/8 or fd00::/8");
            return Err(NetworkError(problem));
        };
        let longest = if written.is_ipv4() { 32 } else { 128 };
        let digits = prefix.is_none_or(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix = match prefix.map_or(Ok(longest), str::parse) {
            Ok(prefix) if prefix <= longest && digits => prefix,
            _ => {
                return Err(NetworkError(format!(
                    "{text:?} must have a whole number from 0 to {longest} after the slash"
                )));
            }
        };
        let first = cut(written, prefix);
        if first != written {
            return Err(NetworkError(format!("{text:?} has bits beyond its prefix: the range is {first}/{prefix}")));
        }
        // Of addresses that are IPv4 in the form of IPv6, the first 96 bits are all the same.
        Ok(match first.to_canonical() {
            first @ IpAddr::V4(_) if longest == 128 && prefix >= 96 => Self { first, prefix: prefix - 96 },
            _ => Self { first, prefix },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NetworkError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a range")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_in_a_range_by_its_first_bits() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.6"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1", "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ] {
            let range = network(range);
            assert!(range.contains(ip(inside)) && !range.contains(ip(outside)), "{range}");
        }
        assert!(network("10.0.0.0/8").contains(ip("::ffff:10.1.2.3")));
        assert_eq!(network("::ffff:10.0.0.0/104").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn what_is_no_range_is_an_error_that_says_what_would_be_right() {
        for (text, part) in [
            ("", "such as 10.0.0.0/8"),
            ("proxy.example", "such as 10.0.0.0/8"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/8/8", "from 0 to 32"),
            ("10.0.0.0/-1", "from 0 to 32"),
            ("fd00::1/8", "the range is fd00::/8"),
        ] {
            let error = text.parse::<Network>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
