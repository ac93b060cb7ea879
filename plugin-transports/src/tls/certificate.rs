//! What a certificate says of itself.
//!
//! rustls tells it to nobody, and looks only at the other side's. RFC 5280, section 4.1, has the structure:
//! `Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version?, serial INTEGER, signature SEQUENCE, issuer SEQUENCE,
//! validity SEQUENCE { notBefore Time, notAfter Time }, subject SEQUENCE, key SEQUENCE, [1] id?, [2] id?,
//! [3] SEQUENCE OF extension? } ... }`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    der::{BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, expect, values},
    validity::{self, Validity},
};

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// 2.5.4.3, of a subject.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.19.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// The kinds of `GeneralName` that are read: an address of mail, a name of DNS, a URI, and an address of IP.
const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// The parts of a certificate that are read here.
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateParts<'a> {
    pub(super) validity: Validity,
    subject: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> CertificateParts<'a> {
    /// Reads them out of DER. `None` when the certificate is not built as the standard says.
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = expect(der, SEQUENCE)?;
        let (tbs, _) = expect(certificate, SEQUENCE)?;
        let rest = expect(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
        let (_serial, rest) = expect(rest, INTEGER)?;
        let (_signature, rest) = expect(rest, SEQUENCE)?;
        let (_issuer, rest) = expect(rest, SEQUENCE)?;
        let (validity, rest) = expect(rest, SEQUENCE)?;
        let (subject, rest) = expect(rest, SEQUENCE)?;
        let (_key, rest) = expect(rest, SEQUENCE)?;
        let extensions = values(rest).find(|(tag, _)| *tag == EXTENSIONS);
        let extensions = extensions.and_then(|(_, list)| Some(expect(list, SEQUENCE)?.0));
        Some(Self { validity: validity::read(validity)?, subject, extensions: extensions.unwrap_or_default() })
    }

    /// The name of its subject that is meant for people, if it has one.
    pub(super) fn common_name(&self) -> Option<String> {
        let of_attribute = |attribute: &[u8]| {
            let (kind, rest) = expect(attribute, OBJECT_IDENTIFIER)?;
            // UTF-8 and its subsets; the two older forms that are neither hardly occur.
            let (_, text) = values(rest).next().filter(|_| kind == COMMON_NAME)?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let sets = values(self.subject).filter(|(tag, _)| *tag == SET);
        sets.flat_map(|(_, set)| values(set)).find_map(|(_, attribute)| of_attribute(attribute))
    }

    /// Whom it is for: names of DNS, addresses of IP, URIs and addresses of mail.
    pub(super) fn alternative_names(&self) -> Vec<String> {
        let Some((names, _)) = self.extension(SUBJECT_ALT_NAME).and_then(|found| expect(found, SEQUENCE)) else {
            return Vec::new();
        };
        let name = |(tag, content): (u8, &[u8])| match tag {
            MAIL | DNS | URI => Some(String::from_utf8_lossy(content).into_owned()),
            IP => match content.len() {
                4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?).to_string()),
                16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(content).ok()?).to_string()),
                _ => None,
            },
            _ => None,
        };
        values(names).filter_map(name).collect()
    }

    /// The same, or its subject's name where it has none, as those of clients often have.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.alternative_names();
        if names.is_empty() { self.common_name().into_iter().collect() } else { names }
    }

    /// Whether it says that it is an authority's (`CA:TRUE`).
    pub(super) fn is_authority(&self) -> bool {
        let constraints = self.extension(BASIC_CONSTRAINTS).and_then(|found| expect(found, SEQUENCE));
        let is_ca = constraints.and_then(|(constraints, _)| expect(constraints, BOOLEAN));
        is_ca.is_some_and(|(is_ca, _)| is_ca == [0xff])
    }

    fn extension(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        values(self.extensions).find_map(|(_, extension)| {
            let (name, rest) = expect(extension, OBJECT_IDENTIFIER)?;
            let rest = expect(rest, BOOLEAN).map_or(rest, |(_, rest)| rest);
            let (content, _) = expect(rest, OCTET_STRING).filter(|_| name == wanted)?;
            Some(content)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let names = ["plugin.example".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").der().to_vec()
    }

    #[test]
    fn whom_a_certificate_is_for_is_read() {
        let der = made(|params| params.distinguished_name.push(DnType::CommonName, "Plugin Nº 1"));
        let parts = CertificateParts::of(&der).expect("a certificate");
        assert_eq!(parts.common_name().as_deref(), Some("Plugin Nº 1"));
        assert_eq!(parts.alternative_names(), ["plugin.example", "127.0.0.1", "::1"]);
        assert!(!parts.is_authority());
    }

    #[test]
    fn one_of_an_authority_is_told_from_another() {
        for (is_ca, expected) in [
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::Ca(BasicConstraints::Constrained(2)), true),
            (IsCa::ExplicitNoCa, false),
            (IsCa::NoCa, false),
        ] {
            let der = made(|params| params.is_ca = is_ca);
            assert_eq!(CertificateParts::of(&der).expect("a certificate").is_authority(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CertificateParts::of(&bytes);
        }

        #[test]
        fn a_certificate_with_bytes_changed_is_read_without_a_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut der = DER.get_or_init(|| made(|_| {})).clone();
            for (index, byte) in changes {
                *index.get_mut(&mut der) = byte;
            }
            if let Some(parts) = CertificateParts::of(&der) {
                let _ = (parts.common_name(), parts.alternative_names(), parts.is_authority());
            }
        }
    }
}
