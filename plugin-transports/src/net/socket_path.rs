//! Where a Unix socket is.

use std::{
    ffi::OsStr,
    fmt, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{ffi::OsStrExt, net::SocketAddr},
    },
    path::{Path, PathBuf},
    str::FromStr,
};

/// The longest path, or abstract name, in bytes: what the kernel has room for, without the byte that ends it or begins it.
pub(crate) const LONGEST: usize = 107;

/// Where a Unix socket is: a file, or a name that no file has (an abstract one).
///
/// | text | |
/// |---|---|
/// | `/run/p.sock`, `unix:/run/p.sock`, `unix:///run/p.sock` | a file: its whole path, of 107 bytes at most |
/// | `@name`, `unix:@name` | an abstract name, of 107 bytes at most |
///
/// ```
/// use plugin_transports::listen::SocketPath;
///
/// let path: SocketPath = "unix:///run/p.sock".parse()?;
/// assert_eq!(path.file(), Some("/run/p.sock".as_ref()));
/// assert_eq!(path.to_string(), "/run/p.sock");
///
/// let fault = "p.sock".parse::<SocketPath>().expect_err("from where?");
/// assert_eq!(fault.to_string(), "\"p.sock\" is not the whole path of a socket, such as /run/p.sock, nor an abstract name, such as @p");
/// # Ok::<(), plugin_transports::listen::SocketPathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SocketPath(Place);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    File(PathBuf),
    Abstract(Box<[u8]>),
}

impl SocketPath {
    /// The file, unless it is an abstract name.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Abstract(_) => None,
        }
    }

    /// Whether it is an abstract name.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        matches!(self.0, Place::Abstract(_))
    }

    /// The abstract name, where it is one.
    pub(crate) fn abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::File(_) => None,
            Place::Abstract(name) => Some(name),
        }
    }

    /// As a client takes it.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Place::File(path) => SocketAddr::from_pathname(path),
            Place::Abstract(name) => SocketAddr::from_abstract_name(name),
        }
    }
}

/// Why a text is not where a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPathError(String);

impl fmt::Display for SocketPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SocketPathError {}

/// The text without the scheme.
fn bare(text: &str) -> &str {
    match text.strip_prefix("unix:") {
        // An authority would be a host, and a socket has none.
        Some(rest) => rest.strip_prefix("//").filter(|path| path.starts_with(['/', '@'])).unwrap_or(rest),
        None => text,
    }
}

impl FromStr for SocketPath {
    type Err = SocketPathError;

    fn from_str(text: &str) -> Result<Self, SocketPathError> {
        let place = bare(text);
        let fault = |problem: String| Err(SocketPathError(problem));
        if let Some(name) = place.strip_prefix('@') {
            return match name.len() {
                0 => fault(format!("{text:?} is an abstract name without a letter")),
                long if long > LONGEST => {
                    fault(format!("the abstract name has {long} bytes, and at most {LONGEST} are possible: {text:?}"))
                }
                _ => Ok(Self(Place::Abstract(name.as_bytes().into()))),
            };
        }
        if !place.starts_with('/') || place.starts_with("//") {
            return fault(format!(
                "{text:?} is not the whole path of a socket, such as /run/p.sock, nor an abstract name, such as @p"
            ));
        }
        Self::try_from(Path::new(place))
    }
}

/// A path as it is, be it relative.
impl TryFrom<&Path> for SocketPath {
    type Error = SocketPathError;

    fn try_from(path: &Path) -> Result<Self, SocketPathError> {
        let bytes = path.as_os_str().as_bytes();
        let problem = match bytes {
            [] => "the path of the socket is empty".to_owned(),
            bytes if bytes.contains(&0) => format!("the path of the socket has a zero byte: {path:?}"),
            [.., b'/'] => format!("{path:?} ends as a directory does, and is to be the path of a socket"),
            long if long.len() > LONGEST => {
                let length = long.len();
                format!("the path of the socket has {length} bytes, and at most {LONGEST} are possible: {path:?}")
            }
            _ => return Ok(Self(Place::File(path.to_owned()))),
        };
        Err(SocketPathError(problem))
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => path.display().fmt(f),
            Place::Abstract(name) => write!(f, "@{}", Path::new(OsStr::from_bytes(name)).display()),
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

    fn read(text: &str) -> Result<String, String> {
        text.parse::<SocketPath>().map(|path| path.to_string()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_path_and_an_abstract_name_are_read_with_and_without_their_scheme() {
        for text in ["/run/p.sock", "unix:/run/p.sock", "unix:///run/p.sock"] {
            assert_eq!(read(text).as_deref(), Ok("/run/p.sock"), "{text}");
        }
        for text in ["@p", "unix:@p", "unix://@p"] {
            assert_eq!(read(text).as_deref(), Ok("@p"), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_of_a_socket_says_what_would_be() {
        for text in ["", "p.sock", "unix:", "unix:p.sock", "unix://host/p.sock", "http://h/", "unix:////p", "//p"] {
            assert!(read(text).expect_err(text).contains("such as /run/p.sock"), "{text}");
        }
        assert!(read("/run/").expect_err("a directory").contains("ends as a directory does"));
        assert!(read("/a\0b").expect_err("a zero").contains("zero byte"));
        assert!(read("@").expect_err("no name").contains("without a letter"));
    }

    #[test]
    fn the_longest_path_is_one_byte_shorter_than_the_room_for_it() {
        let path = |length: usize| format!("/{}", "p".repeat(length - 1));
        let longest: SocketPath = path(LONGEST).parse().expect("it fits");
        longest.address().expect("the kernel takes it");
        let said = read(&path(LONGEST + 1)).expect_err("one more");
        assert!(said.contains("has 108 bytes, and at most 107"), "{said}");
        let name = format!("@{}", "n".repeat(LONGEST));
        name.parse::<SocketPath>().expect("it fits").address().expect("the kernel takes it");
        assert!(read(&format!("{name}n")).expect_err("one more").contains("has 108 bytes"));
    }
}
