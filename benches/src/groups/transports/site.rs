//! What all rows share: the thread of the servers, the runtime of the clients, a directory for sockets, a certificate.

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use plugin_transports::{
    auth::AuthConfig,
    listen::{SocketPath, UnixSocket, UnixSocketOptions},
    tls::{ServerTls, ServerTlsConfig},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// What a connection is made over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Tcp,
    Unix,
    Tls,
}

/// Where a server listens.
#[derive(Clone)]
pub(super) enum At {
    Port(SocketAddr),
    Socket(PathBuf),
}

/// As many files as all rows of a group have open, and some more.
const OPEN_FILES: u64 = 8192;

/// All servers run on one thread and all clients on another, the one that measures: as near to two processes as one comes.
pub(super) struct Site {
    pub(super) clients: Arc<Runtime>,
    servers: Handle,
    /// Ends the servers' thread when it is dropped.
    _end: oneshot::Sender<()>,
    dir: TempDir,
    sockets: AtomicUsize,
    pub(super) certificate: Certificate,
}

impl Site {
    pub(super) fn new() -> Self {
        allow_open_files();
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime();
            tell.send(runtime.handle().clone()).expect("the site waits for it");
            _ = runtime.block_on(ended);
        });
        let dir = tempfile::tempdir().expect("a directory for sockets");
        Self {
            clients: Arc::new(runtime()),
            servers: told.recv().expect("the servers' thread runs"),
            _end: end,
            certificate: Certificate::new(&dir),
            dir,
            sockets: AtomicUsize::new(0),
        }
    }

    /// Runs `start` where the servers run, and returns what it returns.
    pub(super) fn serve<T: Send + 'static>(&self, start: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.servers.spawn(async move { tell.send(start.await) });
        told.recv().expect("the server starts")
    }

    /// The same where the clients run.
    pub(super) fn connect<T>(&self, connect: impl Future<Output = T>) -> T {
        self.clients.block_on(connect)
    }

    /// A port of this machine, listened on.
    pub(super) fn port(&self) -> (TcpListener, SocketAddr) {
        self.serve(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("its own address");
            (listener, address)
        })
    }

    /// A name for a socket in the directory.
    fn name(&self) -> PathBuf {
        let number = self.sockets.fetch_add(1, Ordering::Relaxed);
        self.dir.path().join(format!("{number}.sock"))
    }

    /// A socket listened on by tokio alone.
    pub(super) fn plain_socket(&self) -> (UnixListener, PathBuf) {
        let file = self.name();
        let path = file.clone();
        (self.serve(async { UnixListener::bind(path).expect("a new socket") }), file)
    }

    /// A socket listened on as a plugin's server does.
    pub(super) fn socket(&self) -> (UnixSocket, PathBuf) {
        let file = self.name();
        let path = SocketPath::try_from(file.as_path()).expect("a short path");
        let bind = async move { UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("a new socket") };
        (self.serve(bind), file)
    }
}

/// Sixty-four callers in sixteen rows, each with both ends of a connection, are more files than a shell allows unless told.
fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("no more than the hard limit");
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A certificate of this machine that answers for itself, as each side wants it.
pub(super) struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Certificate {
    fn new(dir: &TempDir) -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).expect("two names");
        let (cert_file, key_file) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&cert_file, cert.pem()).expect("a file");
        std::fs::write(&key_file, signing_key.serialize_pem()).expect("a file");

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key));
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        Self {
            cert_file,
            key_file,
            server: Arc::new(server.expect("a key and its certificate")),
            client: Arc::new(client.expect("the provider's versions")),
        }
    }

    pub(super) fn cert_pem(&self) -> Vec<u8> {
        std::fs::read(&self.cert_file).expect("the file that was written")
    }

    pub(super) fn key_pem(&self) -> Vec<u8> {
        std::fs::read(&self.key_file).expect("the file that was written")
    }

    /// A plugin's server with it.
    pub(super) fn serves(&self) -> ServerTls {
        ServerTlsConfig::new(&self.cert_file, &self.key_file).build().expect("good files")
    }

    /// A plugin's client that trusts it.
    pub(super) fn trusted(&self) -> AuthConfig {
        AuthConfig::none().with_ca_file(&self.cert_file)
    }
}
