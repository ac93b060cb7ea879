//! A listener on a Unix socket: who may connect, what was left behind, and what is cleared away.

use std::{
    fmt, fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::Path,
    sync::Arc,
    time::Duration,
};

use http::Extensions;
use plugin_core::clock;
use rustix::{
    fs::FlockOperation,
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use tokio::net::{UnixListener, UnixStream};

use super::{HostGuard, Listen, Peer, seldom::Seldom};
use crate::net::socket_path::SocketPath;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Who starts in the same directory is waited for so long, and looked after so often.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// After this a socket that nobody listened on is looked at once more: its owner may have been about to.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// Who is at the other end of a Unix socket, as the kernel knows it from when it connected.
///
/// A plugin that is served on one finds it in each call, whatever is spoken there: lines, HTTP or gRPC. Any other service of HTTP
/// has it in the extensions of each request.
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     inproc::plugin_fn,
///     listen::PeerCredentials,
///     plugin_core::{Call, Code, PluginError, Reply},
/// };
///
/// // Calls of this user and of root are taken, and no others.
/// let ours = rustix::process::geteuid().as_raw();
/// let plugin = plugin_fn(move |call: Call<Bytes>| async move {
///     match call.context().extension::<PeerCredentials>() {
///         Some(peer) if [ours, 0].contains(&peer.uid) => Ok(Reply::new(call.into_payload())),
///         _ => Err(PluginError::new(Code::Forbidden, "this plugin serves its own user")),
///     }
/// });
/// # drop(plugin);
/// ```
///
/// ```
/// use plugin_transports::listen::{Listen, UnixSocket, UnixSocketOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("p.sock");
/// let listener = UnixSocket::bind(&path.as_path().try_into()?, UnixSocketOptions::new()).await?;
/// let _client = tokio::net::UnixStream::connect(&path).await?;
/// let (_stream, peer) = listener.accept().await?;
/// assert_eq!(peer.pid, Some(std::process::id() as i32));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// The user.
    pub uid: u32,
    /// The group: the first one, none of the supplementary groups.
    pub gid: u32,
    /// The process, where the system tells it.
    pub pid: Option<i32>,
}

impl PeerCredentials {
    fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }
}

/// How a Unix socket is listened on.
///
/// | setting | default | |
/// |---|---|---|
/// | `mode` | 0600: this user alone | of the socket's file; who may not write to it may not connect. An abstract name has none |
/// | `allowed_uids`, `allowed_gids` | none: who the mode lets in | who is in neither is refused, root too |
///
/// An abstract name has no file, so nobody but this user and root may connect to it, unless `allowed_uids` or `allowed_gids`
/// say who.
///
/// ```
/// use plugin_transports::listen::UnixSocketOptions;
///
/// // Whoever has the socket's group, and of those only the web server's user.
/// let options = UnixSocketOptions::new().with_mode(0o660).with_allowed_uids([33]);
/// assert_eq!(options.mode(), Some(0o660));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocketOptions {
    mode: Option<u32>,
    uids: Vec<u32>,
    gids: Vec<u32>,
}

const DEFAULT_MODE: u32 = 0o600;

impl UnixSocketOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the mode of the socket's file, such as `0o660`.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Lets these users connect, besides those of `allowed_gids`, and nobody else.
    #[must_use]
    pub fn with_allowed_uids(mut self, uids: impl IntoIterator<Item = u32>) -> Self {
        self.uids = uids.into_iter().collect();
        self
    }

    /// Lets processes with one of these as their first group connect, besides those of `allowed_uids`, and nobody else.
    #[must_use]
    pub fn with_allowed_gids(mut self, gids: impl IntoIterator<Item = u32>) -> Self {
        self.gids = gids.into_iter().collect();
        self
    }

    /// The mode that was set.
    #[must_use]
    pub fn mode(&self) -> Option<u32> {
        self.mode
    }

    /// Whether `peer` may connect to a socket of the user `own`, abstract or not.
    fn allow(&self, peer: PeerCredentials, own: u32, is_abstract: bool) -> bool {
        if self.uids.is_empty() && self.gids.is_empty() {
            return !is_abstract || peer.uid == own || peer.uid == 0;
        }
        self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid)
    }
}

/// A listener on a Unix socket. Dropping it removes the socket's file, unless that is another's by then.
///
/// ```
/// use plugin_transports::listen::{SocketPath, UnixSocket, UnixSocketOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let text = format!("unix:{}", dir.path().join("p.sock").display());
/// let path: SocketPath = text.parse()?; // such as unix:/run/p.sock
/// let listener = UnixSocket::bind(&path, UnixSocketOptions::new()).await?;
///
/// let fault = UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect_err("one at a time");
/// assert!(fault.to_string().ends_with("is in use by another process"));
///
/// drop(listener);
/// assert!(!path.file().expect("a file").exists());
/// # Ok(())
/// # }
/// ```
pub struct UnixSocket {
    listener: UnixListener,
    path: SocketPath,
    options: UnixSocketOptions,
    /// The user that this process acts as.
    own: u32,
    /// The device and the number of the socket's file.
    file: Option<(u64, u64)>,
    refused: Arc<Seldom>,
}

impl UnixSocket {
    /// Listens at this path. It must be called within a tokio runtime.
    ///
    /// There is no moment at which somebody could connect whom the mode keeps out: the file has it before anybody can connect.
    /// What another process left behind that nobody listens on any more is removed; a file that is no socket, and a socket that
    /// somebody listens on, are left alone. Two that start at once on one path take turns, by a lock on its directory
    /// (`flock`), and the second finds it in use. Nothing but the socket's file is ever made.
    ///
    /// The directory must be one that only this user can write to, or a sticky one: who can rename files in it can put a
    /// socket of his own in the place of this one.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when somebody listens there; `AlreadyExists` when something else is in the way; `NotFound` when there is no
    /// such directory; `InvalidInput` for a mode with other bits than 0777, or one for an abstract name; and whatever else the
    /// system says. The text says where, and what is wrong.
    pub async fn bind(path: &SocketPath, options: UnixSocketOptions) -> io::Result<Self> {
        if let Some(mode) = options.mode.filter(|mode| mode & !0o777 != 0) {
            return Err(fault(
                io::ErrorKind::InvalidInput,
                format!("the mode {mode:o} of a socket has other bits than 777"),
            ));
        }
        let (socket, file) = match path.file() {
            Some(file) => {
                let (socket, id) = bind_file(path, file, options.mode.unwrap_or(DEFAULT_MODE)).await?;
                (socket, Some(id))
            }
            None if options.mode.is_some() => {
                let problem =
                    format!("{path} is an abstract name, which has no mode; `allowed_uids` says who may connect");
                return Err(fault(io::ErrorKind::InvalidInput, problem));
            }
            None => (bind_abstract(path)?, None),
        };
        let listener = UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))?;
        let own = rustix::process::geteuid().as_raw();
        Ok(Self { listener, path: path.clone(), options, own, file, refused: Arc::default() })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &SocketPath {
        &self.path
    }
}

impl Listen for UnixSocket {
    type Stream = UnixStream;
    type Addr = SocketPath;
    type Peer = PeerCredentials;

    fn local_addr(&self) -> io::Result<SocketPath> {
        Ok(self.path.clone())
    }

    /// Who may not connect is cut off, which the log says, if not each time.
    async fn accept(&self) -> io::Result<(UnixStream, PeerCredentials)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = PeerCredentials::of(&stream)?;
            if self.options.allow(peer, self.own, self.path.file().is_none()) {
                return Ok((stream, peer));
            }
            drop(stream);
            let (PeerCredentials { uid, gid, pid }, path) = (peer, self.path.clone());
            self.refused.happened(move |count| {
                tracing::warn!(socket = %path, uid, gid, pid, count, "a peer that may not connect was refused");
            });
        }
    }

    /// No page in a browser can connect to it.
    fn host_guard(&self) -> io::Result<Option<HostGuard>> {
        Ok(None)
    }
}

impl Peer for PeerCredentials {
    fn tell(&self, extensions: &mut Extensions) {
        extensions.insert(*self);
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Before the socket is closed: as long as somebody listens on it nobody takes the file for one that was left behind.
        // The kernel keeps the file's number for as long as the socket is open, so no other file can have it.
        if let (Some(path), Some(own)) = (self.path.file(), self.file)
            && id_of(path).ok() == Some(own)
        {
            let _ = fs::remove_file(path);
        }
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSocket").field("path", &self.path).field("options", &self.options).finish_non_exhaustive()
    }
}

fn fault(kind: io::ErrorKind, problem: impl Into<String>) -> io::Error {
    io::Error::new(kind, problem.into())
}

fn in_use(path: &SocketPath) -> io::Error {
    fault(io::ErrorKind::AddrInUse, format!("the socket {path} is in use by another process"))
}

/// What the system says, with where it says it.
fn failed(path: &SocketPath, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    fault(error.kind(), format!("the socket {path} cannot be listened on: {error}"))
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn address(path: &SocketPath) -> io::Result<SocketAddrUnix> {
    Ok(match (path.file(), path.abstract_name()) {
        (Some(file), _) => SocketAddrUnix::new(file),
        (None, name) => SocketAddrUnix::new_abstract_name(name.unwrap_or_default()),
    }?)
}

fn bind_abstract(path: &SocketPath) -> io::Result<OwnedFd> {
    let socket = socket()?;
    match rustix::net::bind(&socket, &address(path)?) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Err(in_use(path)),
        Err(error) => return Err(failed(path, error)),
    }
    rustix::net::listen(&socket, BACKLOG).map_err(|error| failed(path, error))?;
    Ok(socket)
}

async fn bind_file(path: &SocketPath, file: &Path, mode: u32) -> io::Result<(OwnedFd, (u64, u64))> {
    // Until the socket is listened on: before that it looks like one that was left behind.
    let _lock = lock(path, file).await?;
    // One that nobody listens on is removed, and one that vanishes meanwhile is no trouble; who puts others there again and
    // again is not outrun.
    for _ in 0..3 {
        if let Some(socket) = bind_closed(path, file, mode)? {
            // From here on nothing is waited for, so that no file is left behind when this future is dropped.
            let id = id_of(file).map_err(|error| failed(path, error))?;
            let listening = rustix::net::listen(&socket, BACKLOG);
            listening.map_err(|error| {
                let _ = fs::remove_file(file);
                failed(path, error)
            })?;
            return Ok((socket, id));
        }
        sweep(path, file).await?;
    }
    Err(in_use(path))
}

/// Binds a socket that has this mode and that nobody can connect to yet. `None` when there is something at the path.
fn bind_closed(path: &SocketPath, file: &Path, mode: u32) -> io::Result<Option<OwnedFd>> {
    let socket = socket()?;
    // The file is made with the mode of the socket, less the umask, so that it is never open wider than it should be.
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(mode)).map_err(|error| failed(path, error))?;
    match rustix::net::bind(&socket, &address(path)?) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Ok(None),
        Err(Errno::ACCESS) => {
            let directory = directory(file).display();
            let problem = format!("the socket {path} cannot be made: this user may not write in {directory}");
            return Err(fault(io::ErrorKind::PermissionDenied, problem));
        }
        Err(error) => return Err(failed(path, error)),
    }
    // What the umask has taken away.
    let widen = || -> io::Result<()> {
        if fs::symlink_metadata(file)?.mode() & 0o777 != mode {
            fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    widen().map_err(|error| {
        let _ = fs::remove_file(file);
        failed(path, error)
    })?;
    Ok(Some(socket))
}

/// Removes a socket that nobody listens on.
async fn sweep(path: &SocketPath, file: &Path) -> io::Result<()> {
    for look in [Some(SECOND_LOOK), None] {
        let metadata = match fs::symlink_metadata(file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(path, error)),
        };
        if !metadata.file_type().is_socket() {
            let problem = format!("{path} is there already, and is no socket: it is left alone");
            return Err(fault(io::ErrorKind::AlreadyExists, problem));
        }
        match rustix::net::connect(&socket()?, &address(path)?) {
            Err(Errno::CONNREFUSED) => {}
            Err(Errno::NOENT) => return Ok(()),
            // Its owner has more to accept than it comes to.
            Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => return Err(in_use(path)),
            Err(Errno::PROTOTYPE) => {
                let problem = format!("{path} is a socket of another kind already: it is left alone");
                return Err(fault(io::ErrorKind::AlreadyExists, problem));
            }
            Err(Errno::ACCESS) => {
                let problem =
                    format!("{path} is a socket already, and this user may not ask whether anybody listens on it");
                return Err(fault(io::ErrorKind::PermissionDenied, problem));
            }
            Err(error) => return Err(failed(path, error)),
        }
        if let Some(pause) = look {
            tokio::time::sleep(pause).await;
            continue;
        }
        if id_of(file).ok() == Some((metadata.dev(), metadata.ino())) {
            tracing::info!(socket = %path, "a socket that nobody listens on was removed");
            fs::remove_file(file).map_err(|error| failed(path, error))?;
        }
    }
    Ok(())
}

fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// The directory of the socket, locked against others of this family that start there, where it can be: the system itself still
/// lets only one bind.
async fn lock(path: &SocketPath, file: &Path) -> io::Result<Option<fs::File>> {
    let directory = directory(file);
    let shown = directory.display();
    let opened = fs::File::open(directory).and_then(|opened| match opened.metadata()?.is_dir() {
        true => Ok(opened),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    // One in which files may be made, and which may not be read, cannot be locked.
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return Ok(None);
    }
    let opened = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            fault(error.kind(), format!("the directory {shown} of the socket {path} does not exist"))
        }
        io::ErrorKind::NotADirectory => {
            fault(error.kind(), format!("{shown} is no directory, and the socket {path} is to be in it"))
        }
        kind => fault(kind, format!("the directory {shown} of the socket {path} cannot be read: {error}")),
    })?;
    let give_up = clock::now().saturating_add(PATIENCE);
    loop {
        match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(opened)),
            Err(Errno::AGAIN) if clock::now() < give_up => tokio::time::sleep(LOOK_EVERY).await,
            // Anybody who may read the directory may lock it, for as long as he likes: that is to stop nobody.
            Err(Errno::AGAIN) => {
                tracing::warn!(%path, directory = %shown, "the directory of the socket is locked by another process; going on without a lock");
                return Ok(Some(opened));
            }
            // A file system without locks.
            Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL) => return Ok(Some(opened)),
            Err(error) => return Err(failed(path, error)),
        }
    }
}

/// The device and the number of what is at this path itself.
fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
#[path = "unix_socket/tests.rs"]
mod tests;
