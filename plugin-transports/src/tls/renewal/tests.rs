//! Which content of the files new connections use, and what is told of the other.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Condvar,
    thread,
};

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::tls::{ClientTlsConfig, ServerTls, ServerTlsConfig, TlsErrorKind, test_files::Files};

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn logging() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// A server whose files are `live.pem` and `live.key`.
struct Served {
    files: Files,
    cert: PathBuf,
    key: PathBuf,
    tls: ServerTls,
}

impl Served {
    fn new() -> Self {
        let files = Files::new();
        let (cert, key) = files.leaf_with("live", &["first.example"], -1, 30);
        let tls = ServerTlsConfig::new(&cert, &key).build().expect("good files").with_protocols(&[b"h2"]);
        Self { files, cert, key, tls }
    }

    /// A certificate for another name, beside those that are used.
    fn other(&self, name: &str) -> (PathBuf, PathBuf) {
        self.files.leaf_with("other", &[name], -1, 60)
    }

    /// Writes both over those that are used.
    fn write(&self, (cert, key): &(PathBuf, PathBuf)) {
        fs::copy(cert, &self.cert).expect("a copy");
        fs::copy(key, &self.key).expect("a copy");
    }

    async fn name(&self) -> String {
        self.tls.renewed().await;
        self.tls.status().names().join(" ")
    }
}

async fn a_second() {
    tokio::time::advance(LOOK_EVERY).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_within_a_second_and_told_once() {
    let (log, _guard) = logging();
    let served = Served::new();
    let before = served.tls.renewed().await;
    let first = served.tls.status();
    assert_eq!((first.names(), first.renewals()), (&["first.example".to_owned()][..], 0));

    served.write(&served.other("second.example"));
    assert!(Arc::ptr_eq(&served.tls.renewed().await, &before), "it was looked at less than a second ago");
    a_second().await;
    let after = served.tls.renewed().await;
    assert!(!Arc::ptr_eq(&after, &before));
    assert_eq!(after.alpn_protocols, [b"h2"], "what is offered does not change with the files");
    assert!(Arc::ptr_eq(&served.tls.renewed().await, &after), "and is made once");

    let second = served.tls.status();
    assert_eq!((second.names(), second.renewals()), (&["second.example".to_owned()][..], 1));
    assert!(second.valid_until() > first.valid_until());
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [" INFO ", "cert_file", "live.pem", "live.key", "names=second.example", "valid_until=20"] {
        assert!(lines[0].contains(part), "{part} is not in {lines:?}");
    }
}

/// Each way in which programs replace files.
#[tokio::test(start_paused = true)]
async fn it_does_not_matter_how_the_files_are_replaced() {
    let served = Served::new();
    for (index, replace) in [
        &(|from: &Path, to: &Path| fs::write(to, fs::read(from).unwrap()).unwrap()) as &dyn Fn(&Path, &Path),
        &|from, to| fs::rename(from, to).unwrap(),
        &|from, to| {
            fs::remove_file(to).unwrap();
            fs::copy(from, to).unwrap();
        },
        // The time of the file is set back to that of before, as `rsync --times` and archives do.
        &|from, to| {
            let time = fs::metadata(to).unwrap().modified().unwrap();
            fs::copy(from, to).unwrap();
            fs::File::options().write(true).open(to).unwrap().set_modified(time).unwrap();
        },
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("n{index}.example");
        let (cert, key) = served.other(&name);
        replace(&cert, &served.cert);
        replace(&key, &served.key);
        a_second().await;
        assert_eq!(served.name().await, name);
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_points_to_another_folder_is_seen() {
    use std::os::unix::fs::symlink;

    // As Kubernetes mounts a secret: the files are links through `..data`, which is a link to a folder with a date.
    let files = Files::new();
    for (folder, name) in [("..2026_01", "first.example"), ("..2026_02", "second.example")] {
        fs::create_dir(files.path(folder)).unwrap();
        files.leaf_with(&format!("{folder}/tls"), &[name], -1, 30);
    }
    symlink("..2026_01", files.path("..data")).unwrap();
    for end in ["pem", "key"] {
        symlink(format!("..data/tls.{end}"), files.path(&format!("tls.{end}"))).unwrap();
    }
    let tls = ServerTlsConfig::new(files.path("tls.pem"), files.path("tls.key")).build().expect("good files");
    assert_eq!(tls.status().names(), ["first.example"]);
    symlink("..2026_02", files.path("..data_tmp")).unwrap();
    fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
    a_second().await;
    tls.renewed().await;
    assert_eq!(tls.status().names(), ["second.example"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_told_once_and_the_old_goes_on() {
    let (log, _guard) = logging();
    let served = Served::new();
    let before = served.tls.renewed().await;
    let (cert, key) = served.other("second.example");
    let (expired, expired_key) = served.files.leaf_valid("expired", -30, -10);
    let (early, early_key) = served.files.leaf_valid("early", 10, 30);
    let pem = fs::read(&cert).unwrap();
    let half = served.files.write("half", &pem[..pem.len() / 2]);
    let empty = served.files.write("empty", b"");
    let mut refusals = 0;
    for (cert, key, kind, says) in [
        (&cert, &served.files.path("live.key"), TlsErrorKind::KeyMismatch, "does not belong to the certificate"),
        (&half, &key, TlsErrorKind::NotPem, "is not PEM"),
        (&empty, &key, TlsErrorKind::NoCertificate, "holds no certificate"),
        (&cert, &empty, TlsErrorKind::NoKey, "holds no private key"),
        (&expired, &expired_key, TlsErrorKind::Expired, "expired"),
        (&early, &early_key, TlsErrorKind::NotYetValid, "is not valid before"),
    ] {
        let live = (fs::read(&served.cert).unwrap(), fs::read(&served.key).unwrap());
        let content = (fs::read(cert).unwrap(), fs::read(key).unwrap());
        fs::write(&served.cert, content.0).unwrap();
        fs::write(&served.key, content.1).unwrap();
        for _ in 0..3 {
            a_second().await;
            assert!(Arc::ptr_eq(&served.tls.renewed().await, &before), "{kind:?}");
        }
        let status = served.tls.status();
        assert_eq!(status.refused().map(|error| error.kind()), Some(kind));
        assert!(status.refused_since() >= Some(status.in_use_since()));
        assert_eq!(status.names(), ["first.example"], "of what is in use");
        refusals += 1;
        assert_eq!(status.refusals(), refusals, "once for each content");
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in [" WARN ", says, "in_use_since=20", "valid_until=20"] {
            assert!(lines[0].contains(part), "{part} is not in {lines:?}");
        }

        fs::write(&served.cert, live.0).unwrap();
        fs::write(&served.key, live.1).unwrap();
        for _ in 0..2 {
            a_second().await;
            assert!(Arc::ptr_eq(&served.tls.renewed().await, &before));
            assert!(served.tls.status().refused().is_none());
        }
        let lines = log.lines();
        assert!(lines.len() == 1 && lines[0].contains("hold again"), "{lines:?}");
    }
    served.write(&(cert, key));
    a_second().await;
    assert_eq!(served.name().await, "second.example");
    assert_eq!(served.tls.status().renewals(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_for_a_while_is_no_end() {
    let (log, _guard) = logging();
    let served = Served::new();
    let other = served.other("second.example");
    fs::remove_file(&served.key).unwrap();
    a_second().await;
    assert_eq!(served.name().await, "first.example");
    assert_eq!(served.tls.status().refused().map(|error| error.kind()), Some(TlsErrorKind::Missing));
    fs::remove_file(&served.cert).unwrap();
    a_second().await;
    assert_eq!(served.name().await, "first.example");
    let lines = log.lines();
    assert!(lines.len() == 2 && lines[0].contains("`key_file`") && lines[1].contains("`cert_file`"), "{lines:?}");
    served.write(&other);
    a_second().await;
    assert_eq!(served.name().await, "second.example");
    assert!(served.tls.status().refused().is_none());
    fs::remove_file(&served.cert).unwrap();
    a_second().await;
    assert_eq!(served.name().await, "second.example");
    let status = served.tls.status();
    assert_eq!(status.refused().map(|error| error.kind()), Some(TlsErrorKind::Missing), "it is told anew");
    assert_eq!(status.refusals(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_same_content_is_no_change() {
    let (log, _guard) = logging();
    let served = Served::new();
    let before = served.tls.renewed().await;
    for path in [&served.cert, &served.key] {
        let content = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }
    a_second().await;
    assert!(Arc::ptr_eq(&served.tls.renewed().await, &before));
    assert_eq!(served.tls.status().renewals(), 0);
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_read_again_when_it_may_have_changed_or_be_right_by_itself() {
    for (kind, passes) in [
        (TlsErrorKind::NotYetValid, true),
        (TlsErrorKind::Expired, true),
        (TlsErrorKind::Unreadable, true),
        (TlsErrorKind::KeyMismatch, false),
    ] {
        let files = Files::new();
        let paths = Paths { own: None, authorities: Some(("ca_file", files.ca())) };
        let made = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&made);
        let renewal = Renewal::new(None, paths, move |files| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err(files.authorities.as_ref().expect("they are read").fault(kind)),
        });
        let renewal = renewal.expect("good files");
        let look = async |are_settled| {
            renewal.seen.lock().expect("no panic").stamps.set_settled(are_settled);
            a_second().await;
            renewal.renewed().await;
            made.load(Ordering::SeqCst)
        };
        assert_eq!(look(true).await, 1, "nothing has changed");
        files.write("ca.pem", b"other");
        assert_eq!(look(true).await, 2, "it has changed");
        assert_eq!(look(false).await, 3, "it may have changed so soon after that nothing shows it");
        assert_eq!(look(true).await, if passes { 4 } else { 3 }, "{kind:?}, and no file has changed");

        let refused = || renewal.status().refused().map(TlsError::kind);
        assert_eq!(refused(), Some(kind));
        assert!(renewal.looking.begin(clock::now()));
        tokio::time::advance(looking::TOLD_AFTER).await;
        assert_eq!(refused(), Some(TlsErrorKind::Unanswered), "that is what is wrong by now");
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_change_while_they_are_read_are_read_again_and_not_without_end() {
    for (changes, renewals, refusals) in [(2, 1, 0), (3, 0, 1)] {
        let files = Files::new();
        let paths = Paths { own: None, authorities: Some(("ca_file", files.ca())) };
        let (made, ca) = (AtomicU64::new(0), files.ca());
        let renewal = Renewal::new(None, paths, move |files| {
            let before = made.fetch_add(1, Ordering::SeqCst);
            if before == 0 || before > changes {
                return Ok(());
            }
            fs::write(&ca, "x".repeat(usize::try_from(before).expect("few"))).expect("a file");
            Err(files.authorities.as_ref().expect("they are read").fault(TlsErrorKind::NotPem))
        });
        let renewal = renewal.expect("good files");
        files.write("ca.pem", b"other");
        a_second().await;
        renewal.renewed().await;
        let status = renewal.status();
        assert_eq!((status.renewals(), status.refusals()), (renewals, refusals), "{changes} changes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_good_for_as_long_as_all_of_its_chain() {
    let files = Files::new();
    let until = |cert: PathBuf, key: PathBuf| {
        ServerTlsConfig::new(cert, key).build().expect("good files").status().valid_until()
    };
    let (short, key) = files.leaf_valid("short", -1, 10);
    let (long, long_key) = files.leaf_valid("long", -1, 30);
    let chain = files.write("chain.pem", &[fs::read(&long).unwrap(), fs::read(&short).unwrap()].concat());
    assert_eq!(until(chain, long_key), until(short, key));
}

#[tokio::test(start_paused = true)]
async fn authorities_are_read_again_on_both_sides() {
    let (files, others) = (Files::new(), Files::new());
    let (cert, key) = files.leaf("server");
    let server = ServerTlsConfig::new(cert, key).with_client_ca_file(files.ca()).build().expect("good files");
    let client = ClientTlsConfig::new().with_ca_file(files.ca()).build().expect("good files");
    let before = (server.renewed().await, client.renewed().await);
    assert!(client.status().valid_until().is_none() && client.status().names().is_empty());
    fs::copy(others.ca(), files.ca()).unwrap();
    a_second().await;
    assert!(!Arc::ptr_eq(&server.renewed().await, &before.0));
    assert!(!Arc::ptr_eq(&client.renewed().await, &before.1));
    assert_eq!((server.status().renewals(), client.status().renewals()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn of_many_that_come_at_once_one_reads_and_each_has_a_whole_configuration() {
    let files = Files::new();
    let (cert, key) = files.leaf_with("live", &["first.example"], -1, 30);
    let paths = Paths { own: Some((cert.clone(), key.clone())), authorities: None };
    let renewal = Renewal::new(None, paths, |files| Ok(files.own.as_ref().map(|(cert, _)| cert.bytes().to_vec())));
    let renewal = renewal.expect("good files");
    let (other, other_key) = files.leaf_with("other", &["second.example"], -1, 30);
    let contents = [fs::read(&cert).unwrap(), fs::read(&other).unwrap()];
    fs::copy(other, cert).unwrap();
    fs::copy(other_key, key).unwrap();
    // As if a second had passed, on a clock that other threads do not share.
    renewal.looked.store(0, Ordering::Relaxed);
    let found: Vec<Vec<u8>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| renewal.current())).collect();
        let found = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        found.map(|in_use| in_use.config.as_ref().clone().expect("a certificate")).collect()
    });
    assert!(found.iter().all(|content| contents.contains(content)));
    assert!(found.contains(&contents[1]), "one of them looked");
    assert_eq!(renewal.renewals.load(Ordering::Relaxed), 1, "and one alone");
}

/// A disk that stands still, until somebody lets it go on.
struct SlowDisk {
    stands: Arc<(Mutex<bool>, Condvar)>,
    reads: Arc<AtomicU64>,
}

impl SlowDisk {
    fn new() -> Self {
        Self { stands: Arc::default(), reads: Arc::default() }
    }

    fn set(&self, stands: bool) {
        *self.stands.0.lock().expect("no panic") = stands;
        self.stands.1.notify_all();
    }

    fn under(&self, cert: &Path, key: &Path) -> Arc<Renewal<Vec<u8>>> {
        let paths = Paths { own: Some((cert.to_owned(), key.to_owned())), authorities: None };
        let (stands, reads) = (Arc::clone(&self.stands), Arc::clone(&self.reads));
        let made = Renewal::new(None, paths, move |files| {
            reads.fetch_add(1, Ordering::SeqCst);
            let stands = stands.1.wait_while(stands.0.lock().expect("no panic"), |stands| *stands);
            drop(stands.expect("no panic"));
            Ok(files.own.as_ref().map(|(cert, _)| cert.bytes().to_vec()).expect("a certificate"))
        });
        made.expect("good files")
    }
}

/// A test that fails ends: its runtime waits for the thread that reads.
impl Drop for SlowDisk {
    fn drop(&mut self) {
        *self.stands.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.stands.1.notify_all();
    }
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_up_one_connection_for_a_moment_and_no_thread_of_the_runtime() {
    let files = Files::new();
    let (cert, key) = files.leaf_with("live", &["first.example"], -1, 30);
    let disk = SlowDisk::new();
    let renewal = disk.under(&cert, &key);
    let before = renewal.renewed().await;
    let (other, other_key) = files.leaf_with("other", &["second.example"], -1, 30);
    fs::copy(&other, &cert).unwrap();
    fs::copy(&other_key, &key).unwrap();
    disk.set(true);
    for _ in 0..3 {
        renewal.looked.store(0, Ordering::Relaxed);
        // This runtime has one thread: were it the one that reads, nothing would go on here.
        assert!(Arc::ptr_eq(&renewal.renewed().await, &before));
        assert!(Arc::ptr_eq(&renewal.current(), &before));
    }
    assert_eq!(disk.reads.load(Ordering::SeqCst), 2, "one look at a time, after the first reading");
    disk.set(false);
    while renewal.looking.goes_on() {
        tokio::task::yield_now().await;
    }
    let after = renewal.renewed().await;
    assert_eq!(*after.config, fs::read(&other).unwrap(), "what it found is for the next connection");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_does_not_come_back_is_told_once_and_that_it_came_back_too() {
    let (log, _guard) = logging();
    let files = Files::new();
    let (cert, key) = files.leaf_with("live", &["first.example"], -1, 30);
    let disk = SlowDisk::new();
    let renewal = disk.under(&cert, &key);
    let (other, other_key) = files.leaf_with("other", &["second.example"], -1, 30);
    fs::copy(&other, &cert).unwrap();
    fs::copy(&other_key, &key).unwrap();
    disk.set(true);
    a_second().await;
    drop(renewal.current());
    for second in 1..=looking::TOLD_AFTER.as_secs() {
        assert!(renewal.status().refused().is_none(), "it was told after {second} s");
        a_second().await;
    }
    for _ in 0..3 {
        let status = renewal.status();
        let told = status.refused().expect("it is told");
        assert_eq!(told.kind(), TlsErrorKind::Unanswered);
        assert_eq!((told.setting(), told.path()), ("cert_file", &*cert));
        assert_eq!((status.refusals(), status.names().len()), (1, 1));
        assert!(status.refused_since().is_some());
        a_second().await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["WARN", "has not been read for a minute", "cert_file", "key_file", "in_use_since", "valid_until"] {
        assert!(lines[0].contains(part), "{part:?} in {lines:#?}");
    }
    disk.set(false);
    let mut lines = log.lines();
    while !lines.iter().any(|line| line.contains("can be read again")) {
        tokio::task::yield_now().await;
        lines.extend(log.lines());
    }
    assert!(renewal.status().refused().is_none());
    assert_eq!(*renewal.current().config, fs::read(&other).unwrap(), "what it found is in use");
}
