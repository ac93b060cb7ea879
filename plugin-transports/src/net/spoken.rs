//! What a peer speaks, by the first bytes that it says.
//!
//! Whoever is asked in a protocol that he does not speak answers in his own, or hangs up. What he says first tells which it is, and
//! a protocol that is wrong is a setting that is: so the error names both.

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Tls,
    Http1,
    Http2,
    /// One JSON document per line.
    Lines,
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Spoken(Spoken),
    /// It may still be one of these.
    TooLittle,
    SomethingElse,
}

/// So many bytes say what it is.
pub(crate) const ENOUGH: usize = 9;

/// How a server of HTTP/1.1 begins its answer, RFC 9112, section 4.
const STATUS_LINE: &[u8] = b"HTTP/1.";

/// How a page of HTML begins, with which some servers of HTTP/1.1 answer what they cannot read, without a head: as HTTP/0.9 had it.
const PAGE: &[u8] = b"<";

/// How every alert of TLS begins that is sent before there are keys: its kind, and the first half of its version.
const ALERT: &[u8] = &[0x15, 0x03];

/// What a server of HTTP/2 says first is its settings (RFC 9113, section 3.4), or why it goes at once.
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Of settings that answer others, which are not the first.
const ACK: u8 = 1;

impl Spoken {
    pub(crate) fn of(first: &[u8]) -> Heard {
        let begins = |with: &[u8]| match first.len().min(with.len()) {
            length if first[..length] != with[..length] => None,
            length => Some(length == with.len()),
        };
        let candidates = [
            (Self::Tls, begins(ALERT)),
            (Self::Http1, begins(STATUS_LINE)),
            (Self::Http1, begins(PAGE)),
            (Self::Lines, begins(b"{")),
        ];
        match candidates.into_iter().chain([(Self::Http2, is_first_frame(first))]).find(|(_, is_so)| is_so.is_some()) {
            Some((spoken, Some(true))) => Heard::Spoken(spoken),
            Some(_) => Heard::TooLittle,
            None => Heard::SomethingElse,
        }
    }

    /// Whether the next connection would hear the same. A proxy answers in HTTP/1.1 for as long as what stands behind it is away;
    /// TLS is a setting.
    pub(crate) fn is_for_good(self) -> bool {
        self == Self::Tls
    }

    pub(crate) fn named(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Lines => "JSON by lines",
        }
    }

    /// What is wrong, and which setting would be right, where `peer` speaks this and was asked in `asked`, over a Unix socket or not.
    pub(crate) fn instead_of(self, asked: Self, peer: &str, is_socket: bool) -> String {
        let hint = match (self, is_socket) {
            (Self::Tls, true) => "which no transport speaks over a socket: is its plain socket another one?",
            // Whoever is asked so is asked without TLS.
            (Self::Tls, false) => {
                "and was sent plain text: is the transport that is right one with TLS (`https`, `grpc-tls`)?"
            }
            (Self::Http1, true) => "is the transport that is right `http`, with an endpoint that begins with `unix:`?",
            (Self::Http1, false) => "is the transport that is right `http`, or `HttpVersion::Http1` in a program?",
            (Self::Http2, true) => "is the transport that is right `unix-grpc` or `unix-h2`?",
            (Self::Http2, false) => "is the transport that is right `grpc`, or `HttpVersion::Http2` in a program?",
            (Self::Lines, true) => "is the transport that is right `unix`?",
            (Self::Lines, false) => "which is spoken over Unix sockets (`unix`) and by subprocesses (`exec`)",
        };
        match self {
            Self::Tls => format!("{peer} speaks TLS, {hint}"),
            _ => format!("{peer} speaks {}, and was asked in {}: {hint}", self.named(), asked.named()),
        }
    }
}

/// Whether it is the head of a frame (RFC 9113, section 4.1) that a server may begin with: three bytes of its length, of which the
/// first is zero for any of these, its kind, its flags, which are none that is known to such a frame, and the stream, which is the
/// connection itself behind a bit that says nothing.
fn is_first_frame(first: &[u8]) -> Option<bool> {
    let fits = first.iter().take(ENOUGH).enumerate().all(|(index, &byte)| match index {
        1 | 2 => true,
        3 => byte == SETTINGS || byte == GOAWAY,
        4 => byte & ACK == 0,
        5 => byte & 0x7f == 0,
        _ => byte == 0,
    });
    fits.then_some(first.len() >= ENOUGH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_what_is_spoken_and_a_part_of_them_that_it_may_be() {
        for (said, spoken) in [
            (&b"HTTP/1.0 505 Version"[..], Spoken::Http1),
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Spoken::Http1),
            (&b"<!DOCTYPE HTML>\n<html lang=\"en\">"[..], Spoken::Http1),
            (&[0x15, 3, 1, 0, 2, 2, 10][..], Spoken::Tls),
            (&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3][..], Spoken::Http2),
            (&[0, 0, 34, 7, 0, 0, 0, 0, 0, 0, 0][..], Spoken::Http2),
            (&[0, 0, 0, 4, 0x40, 0x80, 0, 0, 0][..], Spoken::Http2),
            (&b"{\"type\":\"execute\"}\n"[..], Spoken::Lines),
        ] {
            assert_eq!(Spoken::of(said), Heard::Spoken(spoken));
            let known = (0..=said.len()).find(|&length| Spoken::of(&said[..length]) == Heard::Spoken(spoken));
            let known = known.expect("it is known in the end");
            assert!(known <= ENOUGH, "{known}");
            assert!((0..known).all(|length| Spoken::of(&said[..length]) == Heard::TooLittle), "{spoken:?}");
        }
        for other in [&b"HTTP/2 200"[..], b"SSH-2.0-x", b"\x16\x03\x01", b"[1]", &[0, 0, 18, 4, 1, 0, 0, 0, 0]] {
            assert_eq!(Spoken::of(other), Heard::SomethingElse, "{other:?}");
        }
        // Frames that a server does not begin with: those of a call, and those of a stream.
        for other in [[0, 0, 18, 0, 0, 0, 0, 0, 0], [0, 0, 18, 4, 0, 1, 0, 0, 0], [0, 0, 18, 4, 0, 0, 0, 0, 1]] {
            assert_eq!(Spoken::of(&other), Heard::SomethingElse, "{other:?}");
        }
    }
}
