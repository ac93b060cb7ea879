//! Why a handshake failed, in words that say what to do.

use std::{error::Error, fmt, io};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::{shown::shown, validity::Ago};

/// A handshake that failed. `Display` says why.
#[derive(Debug)]
pub(crate) struct HandshakeError {
    source: io::Error,
    /// It was a client with which it failed: what is said is for who operates a server.
    of_client: bool,
}

impl HandshakeError {
    pub(crate) fn new(source: io::Error) -> Self {
        Self { source, of_client: false }
    }

    /// Of a server with its client.
    pub(crate) fn of_client(source: io::Error) -> Self {
        Self { source, of_client: true }
    }

    /// Whether the next one will fail likewise, as for a certificate that is not trusted.
    pub(crate) fn is_permanent(&self) -> bool {
        match self.cause() {
            Some(rustls::Error::AlertReceived(alert)) => is_refusal(*alert),
            cause => cause.is_some(),
        }
    }

    /// Whether a server has refused its client with this, as one of TLS 1.3 does after the client's handshake has ended: it has
    /// then read nothing else of it.
    pub(crate) fn is_refusal_of_client(error: &io::Error) -> bool {
        use AlertDescription as A;
        let Some(rustls::Error::AlertReceived(alert)) = cause(error) else { return false };
        is_of_certificate(*alert)
            || matches!(
                alert,
                A::CertificateRequired
                    | A::HandshakeFailure
                    | A::ProtocolVersion
                    | A::InsufficientSecurity
                    // The proof that the client has its key, or the end of its handshake, is not right.
                    | A::DecryptError
            )
    }

    fn cause(&self) -> Option<&rustls::Error> {
        cause(&self.source)
    }
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether an alert says something of this side, which it will say of it again. The others are of the moment.
fn is_refusal(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    !matches!(
        alert,
        A::CloseNotify | A::UserCanceled | A::InternalError | A::BadRecordMac | A::RecordOverflow | A::NoRenegotiation
    )
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cause) = self.cause() else {
            return match self.source.kind() {
                io::ErrorKind::UnexpectedEof => {
                    f.write_str("it closed the connection in the middle of the handshake; does it speak TLS?")
                }
                _ => write!(f, "{}", self.source),
            };
        };
        match cause {
            rustls::Error::AlertReceived(alert) => {
                write!(f, "it refused the handshake: {}{}", AlertName(*alert), hint(*alert))
            }
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                f.write_str("it does not speak TLS: what it sends is something else, such as plain text")?;
                match self.of_client {
                    true => Ok(()),
                    false => f.write_str("; is the transport that is right one without TLS (`http`, `grpc`)?"),
                }
            }
            rustls::Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => f.write_str(
                "what it says is longer than a handshake may be; has its certificate's chain too many certificates?",
            ),
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                f.write_str("its certificate is not from an authority that is trusted here (UnknownIssuer)")
            }
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => f.write_str(
                "what its certificate says is not signed with the right key (BadSignature); was its authority made anew \
                 under the same name?",
            ),
            rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                write!(f, "its certificate expired {}", Ago::since_1970(not_after.as_secs()))
            }
            rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
                write!(f, "its certificate is not valid before {}", Ago::since_1970(not_before.as_secs()))
            }
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                write!(f, "its certificate cannot be accepted: {other}")
            }
            rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
                // Whoever it is has written them: how many, how long, and with what in them.
                let names: Vec<_> = presented.iter().take(3).map(|name| shown(plain(name))).collect();
                let more = if presented.len() > names.len() { " and more" } else { "" };
                let of_whom = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
                write!(f, "its certificate is for {of_whom}{more}, and not for {} (NotValidForName)", expected.to_str())
            }
            other => f.write_str(&shown(&other.to_string())),
        }
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A name of a certificate as `webpki` writes it, `DnsName("a.example")` or `IpAddress(192.0.2.1)`, without what is around it.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(inner)
}

/// As RFC 8446 writes it, with blanks.
struct AlertName(AlertDescription);

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut was_lower = false;
        for letter in format!("{:?}", self.0).chars() {
            if letter.is_ascii_uppercase() && was_lower {
                f.write_str(" ")?;
            }
            was_lower = letter.is_ascii_lowercase();
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        write!(f, " (TLS alert {})", u8::from(self.0))
    }
}

/// Whether it says that the certificate that was shown is not accepted.
fn is_of_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    )
}

/// What to look at. What an alert says of a certificate it says of that of whom it is sent to.
fn hint(alert: AlertDescription) -> &'static str {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired | A::NoCertificate => "; it asks for a client certificate (`cert_file`, `key_file`)",
        of_certificate if is_of_certificate(of_certificate) => "; it does not accept the certificate in `cert_file`",
        A::DecryptError => {
            "; a signature of this side is not right for it: was the authority of the certificate in `cert_file` made anew under \
             the same name?"
        }
        A::ProtocolVersion => "; it does not speak the versions of TLS that `min_version` allows",
        A::NoApplicationProtocol => "; it does not speak the version of HTTP that is asked for",
        A::UnrecognisedName => "; it is not known by the host's name",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(alert: AlertDescription) -> HandshakeError {
        HandshakeError::new(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert)))
    }

    #[test]
    fn alerts_have_their_names_and_those_of_the_moment_pass() {
        for (description, says) in [
            (AlertDescription::CertificateRequired, "certificate required (TLS alert 116); it asks for a client"),
            (AlertDescription::UnknownCA, "unknown ca (TLS alert 48); it does not accept"),
            (AlertDescription::BadCertificate, "bad certificate (TLS alert 42)"),
            (AlertDescription::CertificateExpired, "certificate expired (TLS alert 45)"),
            (AlertDescription::HandshakeFailure, "handshake failure (TLS alert 40)"),
            (AlertDescription::ProtocolVersion, "protocol version (TLS alert 70)"),
        ] {
            let error = alert(description);
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.is_permanent() && HandshakeError::is_refusal_of_client(&error.source));
        }
        for description in [AlertDescription::InternalError, AlertDescription::UserCanceled] {
            let error = alert(description);
            assert!(!error.is_permanent() && !HandshakeError::is_refusal_of_client(&error.source), "{error}");
        }
        for (name, is) in [("DnsName(\"a)\")", "a)"), ("IpAddress(192.0.2.1)", "192.0.2.1"), ("odd", "odd")] {
            assert_eq!(plain(name), is);
        }
        let eof = HandshakeError::new(io::ErrorKind::UnexpectedEof.into());
        assert!(!eof.is_permanent() && eof.to_string().contains("middle of the handshake"), "{eof}");
    }
}
