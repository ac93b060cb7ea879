//! The address of a Unix socket.

use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

/// What `sun_path` holds, less the zero byte that ends a path.
const LONGEST: usize = 107;

/// A path, or a name that only this machine's kernel knows (abstract).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SocketPath {
    Path(Box<Path>),
    /// With a zero byte in place of its `@`, as the system has it.
    Abstract(Box<[u8]>),
}

impl SocketPath {
    /// Reads `/run/p.sock`, `unix:/run/p.sock`, `unix:///run/p.sock`, and an abstract name such as `@p` and `unix:@p`. The error is the
    /// second half of a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("unix:").unwrap_or(text);
        let text = if text.starts_with("///") { &text[2..] } else { text };
        if text.starts_with("//") {
            return Err(
                "names a host, and a Unix socket is of this machine: write unix:/path or unix:///path".to_owned()
            );
        }
        let name = text.strip_prefix('@');
        if name.unwrap_or(text).is_empty() {
            return Err("names no socket".to_owned());
        }
        if text.contains('\0') {
            return Err("holds a zero byte, which no path can".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("has {} bytes, and the path of a socket has {LONGEST} at most", text.len()));
        }
        Ok(match name {
            Some(name) => Self::Abstract([b"\0", name.as_bytes()].concat().into()),
            None => Self::Path(Path::new(OsStr::from_bytes(text.as_bytes())).into()),
        })
    }

    /// As tokio takes it: an abstract name begins with a zero byte.
    pub(crate) fn as_path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Abstract(name) => Path::new(OsStr::from_bytes(name)),
        }
    }
}

/// As it is read: `unix:/run/p.sock`.
impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(&name[1..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_read_and_shown_in_one() {
        for (text, shown) in [
            ("/run/p.sock", "unix:/run/p.sock"),
            ("unix:/run/p.sock", "unix:/run/p.sock"),
            ("unix:///run/p.sock", "unix:/run/p.sock"),
            ("p.sock", "unix:p.sock"),
            ("@p", "unix:@p"),
            ("unix:@p", "unix:@p"),
        ] {
            let path = SocketPath::parse(text).expect(text);
            assert_eq!(path.to_string(), shown);
            assert_eq!(SocketPath::parse(shown).as_ref(), Ok(&path));
        }
    }

    #[test]
    fn what_can_be_no_address_is_refused() {
        let longest = format!("/{}", "x".repeat(LONGEST - 1));
        SocketPath::parse(&longest).expect("just fits");
        for (text, says) in [
            ("", "names no socket"),
            ("unix:", "names no socket"),
            ("@", "names no socket"),
            ("unix://host/p", "names a host"),
            ("/a\0b", "zero byte"),
            (&format!("{longest}x"), "has 108 bytes"),
        ] {
            let error = SocketPath::parse(text).expect_err(text);
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
