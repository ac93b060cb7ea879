use std::{os::unix::net, sync::Arc};

use tempfile::TempDir;

use super::*;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("p.sock")
    }

    fn path(&self) -> SocketPath {
        self.file().as_path().try_into().expect("short enough")
    }

    async fn bind(&self) -> io::Result<UnixSocket> {
        UnixSocket::bind(&self.path(), UnixSocketOptions::new()).await
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a file").mode() & 0o7777
}

#[tokio::test]
async fn the_mode_is_there_before_anybody_can_connect() {
    for wanted in [0o600, 0o660, 0o666, 0o777, 0o000] {
        let dir = Dir::new();
        let socket = bind_closed(&dir.path(), &dir.file(), wanted).expect("bound").expect("nothing is there");
        assert_eq!(mode(&dir.file()), wanted, "{wanted:o}");
        let refused = net::UnixStream::connect(dir.file()).expect_err("nobody listens yet");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        rustix::net::listen(&socket, 1).expect("it is bound");
        assert_eq!(mode(&dir.file()), wanted, "{wanted:o}");
    }
    let dir = Dir::new();
    let listener = dir.bind().await.expect("the default");
    assert_eq!((mode(&dir.file()), listener.path()), (0o600, &dir.path()));
    let wide = UnixSocketOptions::new().with_mode(0o1777);
    let fault = UnixSocket::bind(&Dir::new().path(), wide).await.expect_err("a sticky socket");
    assert_eq!(fault.to_string(), "the mode 1777 of a socket has other bits than 777");
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_swept_and_one_that_is_listened_on_is_not() {
    let dir = Dir::new();
    // The standard library leaves the file behind.
    drop(net::UnixListener::bind(dir.file()).expect("bound"));
    assert!(dir.file().exists());
    let listener = dir.bind().await.expect("nobody listens");
    let fault = dir.bind().await.expect_err("now somebody does");
    assert_eq!(fault.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fault.to_string(), format!("the socket {} is in use by another process", dir.path()));
    net::UnixStream::connect(dir.file()).expect("it was left alone");
    drop(listener);
    assert!(!dir.file().exists());
    dir.bind().await.expect("free again");
}

#[tokio::test]
async fn a_listener_whose_backlog_is_full_is_in_use() {
    let dir = Dir::new();
    let socket = bind_closed(&dir.path(), &dir.file(), 0o600).expect("bound").expect("nothing is there");
    rustix::net::listen(&socket, 0).expect("it is bound");
    let mut waiting = Vec::new();
    loop {
        let client = super::socket().expect("a socket");
        let full = rustix::net::connect(&client, &address(&dir.path()).expect("an address")) == Err(Errno::AGAIN);
        waiting.push(client);
        if full {
            break;
        }
    }
    assert_eq!(dir.bind().await.expect_err("it is listened on").kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn what_is_no_socket_of_this_kind_is_left_alone() {
    let dir = Dir::new();
    let says = async |what: &str| {
        let fault = dir.bind().await.expect_err(what);
        assert_eq!(fault.kind(), io::ErrorKind::AlreadyExists, "{fault}");
        assert!(fault.to_string().contains("left alone"), "{fault}");
    };
    fs::write(dir.file(), "text").expect("written");
    says("a file").await;
    assert_eq!(fs::read(dir.file()).expect("it is there"), b"text");
    fs::remove_file(dir.file()).expect("removed");
    fs::create_dir(dir.file()).expect("made");
    says("a directory").await;
    fs::remove_dir(dir.file()).expect("removed");
    std::os::unix::fs::symlink("nowhere", dir.file()).expect("made");
    says("a link").await;
    fs::remove_file(dir.file()).expect("removed");
    let _datagrams = net::UnixDatagram::bind(dir.file()).expect("bound");
    says("a socket of datagrams").await;
}

#[tokio::test]
async fn what_is_missing_or_too_long_is_said() {
    let dir = Dir::new();
    let path = |file: &Path| SocketPath::try_from(file).expect("a path");
    let bind = async |file: std::path::PathBuf| {
        UnixSocket::bind(&path(&file), UnixSocketOptions::new()).await.expect_err("it cannot be").to_string()
    };
    let said = bind(dir.0.path().join("none/p.sock")).await;
    assert!(
        said.contains("the directory") && said.contains("none of the socket") && said.contains("does not exist"),
        "{said}"
    );
    fs::write(dir.0.path().join("file"), "").expect("written");
    let said = bind(dir.0.path().join("file/p.sock")).await;
    assert!(said.contains("file is no directory"), "{said}");
    let long = dir.0.path().join("p".repeat(108));
    assert!(SocketPath::try_from(long.as_path()).expect_err("too long").to_string().contains("107 at most"));
}

#[test]
fn of_two_that_start_at_once_on_a_stale_socket_one_listens_and_the_other_hears_why_not() {
    for _ in 0..20 {
        let dir = Arc::new(Dir::new());
        drop(net::UnixListener::bind(dir.file()).expect("bound"));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let dir = Arc::clone(&dir);
                // Each on a thread of its own, so that they do meet.
                std::thread::spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                    let bound = runtime.block_on(dir.bind());
                    bound.map(|listener| (listener, runtime))
                })
            })
            .collect();
        let bound: Vec<_> = tasks.into_iter().map(|task| task.join().expect("no panic")).collect();
        assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1);
        for fault in bound.iter().filter_map(|bound| bound.as_ref().err()) {
            assert_eq!(fault.kind(), io::ErrorKind::AddrInUse, "{fault}");
        }
        net::UnixStream::connect(dir.file()).expect("the one that listens can be reached");
    }
}

#[tokio::test]
async fn one_that_is_about_to_listen_is_waited_for() {
    let dir = Dir::new();
    // As a process that has bound and is not listening yet, without the lock: a foreign one.
    let socket = bind_closed(&dir.path(), &dir.file(), 0o600).expect("bound").expect("nothing is there");
    let binding = dir.bind();
    let listening = async {
        tokio::task::yield_now().await;
        rustix::net::listen(&socket, 1).expect("it is bound");
    };
    let (bound, ()) = tokio::join!(binding, listening);
    assert_eq!(bound.expect_err("it was first").kind(), io::ErrorKind::AddrInUse);
    // One of the family has the lock until it listens.
    let dir = Dir::new();
    let held = lock(&dir.path(), &dir.file()).await.expect("nobody has it");
    let mut second = std::pin::pin!(dir.bind());
    assert!(tokio::time::timeout(Duration::from_millis(50), second.as_mut()).await.is_err(), "it waits");
    drop(held);
    second.await.expect("its turn");
}

#[tokio::test]
async fn a_lock_that_is_never_let_go_of_keeps_nobody_from_listening() {
    let dir = Dir::new();
    let _held = lock(&dir.path(), &dir.file()).await.expect("nobody has it");
    let _bound = dir.bind().await.expect("anybody may lock a directory");
    assert_eq!(dir.bind().await.expect_err("somebody listens").kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn the_file_is_removed_only_where_it_is_still_ours() {
    let dir = Dir::new();
    let first = dir.bind().await.expect("free");
    fs::remove_file(dir.file()).expect("somebody clears away");
    let _second = dir.bind().await.expect("the path is free");
    drop(first);
    net::UnixStream::connect(dir.file()).expect("the second one is still there");
}

#[tokio::test]
async fn an_abstract_name_is_listened_on_by_one_and_leaves_no_file() {
    let name = format!("@plugin-transports-{}-abstract", std::process::id());
    let path: SocketPath = name.parse().expect("a name");
    let listener = UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("free");
    let fault = UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect_err("taken");
    assert_eq!(fault.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fault.to_string(), format!("the socket unix:{name} is in use by another process"));
    let _client = UnixStream::connect(path.as_path()).await.expect("it listens");
    let (_, peer) = listener.accept().await.expect("this user may");
    assert_eq!((peer.uid, peer.pid), (rustix::process::geteuid().as_raw(), i32::try_from(std::process::id()).ok()));
    drop(listener);
    UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("free again");
    let fault = UnixSocket::bind(&path, UnixSocketOptions::new().with_mode(0o600)).await.expect_err("a mode");
    assert!(fault.to_string().contains("has no mode"), "{fault}");
}

#[test]
fn who_may_connect_is_said_by_user_or_group() {
    let peer = |uid, gid| PeerCredentials { uid, gid, pid: None };
    let may = |options: &UnixSocketOptions, uid, gid| {
        [false, true].map(|is_abstract| options.allow(peer(uid, gid), 7, is_abstract))
    };
    let nobody_said = UnixSocketOptions::new();
    assert_eq!(may(&nobody_said, 7, 7), [true, true]);
    assert_eq!(may(&nobody_said, 0, 0), [true, true]);
    assert_eq!(may(&nobody_said, 8, 7), [true, false], "the mode has let it in, and an abstract name has none");
    let users = UnixSocketOptions::new().with_allowed_uids([8]).with_allowed_gids([20]);
    assert_eq!(may(&users, 8, 1), [true, true]);
    assert_eq!(may(&users, 9, 20), [true, true]);
    for (uid, gid) in [(7, 7), (0, 0), (20, 8)] {
        assert_eq!(may(&users, uid, gid), [false, false], "{uid} {gid}");
    }
    for one in [UnixSocketOptions::new().with_allowed_uids([8]), UnixSocketOptions::new().with_allowed_gids([20])] {
        assert_eq!([may(&one, 7, 7), may(&one, 0, 0)], [[false, false]; 2], "{one:?}");
        assert_eq!(may(&one, 8, 20), [true, true], "{one:?}");
    }
}

#[test]
fn a_socket_is_in_some_directory_whatever_its_path() {
    for (file, is_in) in [("p.sock", "."), ("run/p.sock", "run"), ("/p.sock", "/")] {
        assert_eq!(directory(Path::new(file)), Path::new(is_in));
    }
}

#[tokio::test]
async fn who_may_not_connect_is_cut_off_and_counted_and_the_next_one_is_served() {
    let dir = Dir::new();
    let own = rustix::process::geteuid().as_raw();
    let options = UnixSocketOptions::new().with_allowed_uids([own + 1]);
    let mut listener = UnixSocket::bind(&dir.path(), options).await.expect("free");
    let mut clients: Vec<_> =
        (0..3).map(|_| net::UnixStream::connect(dir.file()).expect("the mode allows it")).collect();
    let refusing = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(refusing.is_err(), "nobody may");
    for client in &mut clients {
        assert_eq!(io::Read::read(client, &mut [0; 1]).expect("closed in order"), 0);
    }
    assert_eq!(listener.refused.untold(), 2, "the first was told");
    listener.options = UnixSocketOptions::new();
    let _client = net::UnixStream::connect(dir.file()).expect("the mode allows it");
    listener.accept().await.expect("it may");
}
