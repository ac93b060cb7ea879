//! The address of a Unix socket.

use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path, str::FromStr};

use plugin_core::ConfigError;

/// What `sun_path` holds, less the zero byte that ends a path.
const LONGEST: usize = 107;

/// Where a Unix socket is: a path, or a name that only this machine's kernel knows (an abstract one).
///
/// | text | |
/// |---|---|
/// | `/run/p.sock`, `unix:/run/p.sock`, `unix:///run/p.sock` | a path, of 107 bytes at most |
/// | `@name`, `unix:@name` | an abstract name, of 106 bytes at most |
///
/// ```
/// use plugin_transports::listen::SocketPath;
///
/// let path: SocketPath = "unix:///run/p.sock".parse()?;
/// assert_eq!(path.to_string(), "unix:/run/p.sock");
/// assert_eq!(path.file(), Some("/run/p.sock".as_ref()));
///
/// let fault = "unix://host/p.sock".parse::<SocketPath>().expect_err("on another machine?");
/// assert!(fault.to_string().contains("a Unix socket is of this machine"), "{fault}");
/// # Ok::<(), plugin_transports::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SocketPath(Place);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    File(Box<Path>),
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
        match text.strip_prefix('@') {
            Some("") => Err("names no socket".to_owned()),
            Some(name) => Ok(Self(Place::Abstract([b"\0", checked(name.as_bytes(), text.len())?].concat().into()))),
            None => Self::of_file(Path::new(text)),
        }
    }

    fn of_file(path: &Path) -> Result<Self, String> {
        let bytes = path.as_os_str().as_bytes();
        match checked(bytes, bytes.len())? {
            [] => Err("names no socket".to_owned()),
            [.., b'/'] => Err("ends as the name of a directory does".to_owned()),
            _ => Ok(Self(Place::File(path.into()))),
        }
    }

    /// The path, unless it is an abstract name.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Abstract(_) => None,
        }
    }

    /// The abstract name, without its `@`.
    #[must_use]
    pub fn abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::File(_) => None,
            Place::Abstract(name) => name.get(1..),
        }
    }

    /// As tokio takes it: an abstract name begins with a zero byte.
    pub(crate) fn as_path(&self) -> &Path {
        match &self.0 {
            Place::File(path) => path,
            Place::Abstract(name) => Path::new(OsStr::from_bytes(name)),
        }
    }
}

/// Bytes that the system takes for an address, whose length is counted as this many.
fn checked(bytes: &[u8], length: usize) -> Result<&[u8], String> {
    if bytes.contains(&0) {
        return Err("holds a zero byte, which no path can".to_owned());
    }
    if length > LONGEST {
        return Err(format!("has {length} bytes, and the path of a socket has {LONGEST} at most"));
    }
    Ok(bytes)
}

impl FromStr for SocketPath {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text).map_err(|problem| ConfigError::new("socket", format!("{text:?} {problem}")))
    }
}

impl TryFrom<&Path> for SocketPath {
    type Error = ConfigError;

    fn try_from(path: &Path) -> Result<Self, ConfigError> {
        Self::of_file(path).map_err(|problem| ConfigError::new("socket", format!("{path:?} {problem}")))
    }
}

/// As it is read: `unix:/run/p.sock`.
impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "unix:{}", path.display()),
            Place::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(&name[1..])),
        }
    }
}

impl fmt::Debug for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketPath({self})")
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
        let file = SocketPath::try_from(Path::new("/run/p.sock")).expect("a path");
        assert_eq!((&file, file.abstract_name()), (&SocketPath::parse("/run/p.sock").expect("a path"), None));
        let name = SocketPath::parse("@p").expect("a name");
        assert_eq!((name.file(), name.abstract_name(), name.as_path()), (None, Some(&b"p"[..]), Path::new("\0p")));
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
            ("@a\0b", "zero byte"),
            ("/run/", "ends as the name of a directory does"),
            (&format!("{longest}x"), "has 108 bytes"),
            (&format!("@{longest}"), "has 108 bytes"),
        ] {
            let error = SocketPath::parse(text).expect_err(text);
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let error = "/run/".parse::<SocketPath>().expect_err("a directory").to_string();
        assert!(error.contains("\"/run/\" ends as"), "{error}");
    }
}
