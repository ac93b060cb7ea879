//! Files that are read again when they have changed.
//!
//! Nothing watches them. Whoever wants the settings for a new connection looks, at most once in a while, whether the files are
//! still those that were read; so no change is missed, however a file was replaced, and nothing has to run meanwhile.
//!
//! A disk may be slow, and one of another machine may stand still. So a look is had on a thread that may wait, one at a time, and
//! the connection that is made meanwhile waits for it no longer than a moment. One that does not come back is told.

mod looking;

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use plugin_core::clock::{self, Instant};
use tokio::{runtime::Handle, task::JoinHandle};

use self::looking::Looking;
use super::{
    TlsError, TlsErrorKind,
    certificate::CertificateParts,
    files::{Paths, PemFiles},
    shown::shown,
    stamp::Stamps,
    status::{InUseCertificate, Refusal, TlsStatus},
    validity::Utc,
};

/// At most so often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So long a connection waits for a look at the files. One that takes longer goes on, and what it finds is for the next
/// connection.
const WAIT_FOR_LOOK: Duration = Duration::from_millis(250);

/// How often files that change while they are read are read anew within one look.
const MOST_READINGS: usize = 3;

type Make<C> = dyn Fn(&PemFiles) -> Result<C, TlsError> + Send + Sync;

/// Settings that are made of files, and made anew when these change.
///
/// The whole of them is exchanged, and with it what was remembered of earlier connections: no session that is resumed outlives
/// the authority that vouched for it.
pub(super) struct Renewal<C> {
    /// Whom they are for, in the log.
    plugin: Option<Arc<str>>,
    paths: Paths,
    make: Box<Make<C>>,
    in_use: ArcSwap<InUse<C>>,
    /// What the files hold instead of it, where that cannot be used.
    refusal: ArcSwapOption<Refusal>,
    renewals: AtomicU64,
    refusals: AtomicU64,
    /// When a look at the files was begun last, on [`clock`].
    looked: AtomicU64,
    looking: Looking,
    seen: Mutex<Seen>,
    /// Contents are compared by a hash, so that no second copy of a key lies about. It is keyed at random.
    hash: RandomState,
}

pub(super) struct InUse<C> {
    pub(super) config: Arc<C>,
    certificate: Option<InUseCertificate>,
    since: SystemTime,
    content: u64,
}

/// What was found at the last look.
struct Seen {
    stamps: Stamps,
    /// What was refused then, so that each content is told of once.
    refused: Option<(u64, TlsErrorKind, Option<String>)>,
}

impl<C: Send + Sync + 'static> Renewal<C> {
    /// Reads the files, and makes the first settings of them.
    pub(super) fn new(
        plugin: Option<Arc<str>>,
        paths: Paths,
        make: impl Fn(&PemFiles) -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let (stamps, files) = (Stamps::of(&paths), paths.read()?);
        let hash = RandomState::new();
        let in_use = InUse::new(make(&files)?, &files, content(&hash, &files));
        Ok(Arc::new(Self {
            plugin,
            paths,
            make: Box::new(make),
            in_use: ArcSwap::from_pointee(in_use),
            refusal: ArcSwapOption::empty(),
            renewals: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            looked: AtomicU64::new(clock::now().as_nanos()),
            looking: Looking::default(),
            seen: Mutex::new(Seen { stamps, refused: None }),
            hash,
        }))
    }

    /// What is in use. A look that is due is begun, and what it finds is for the next one who asks; where there is no runtime that
    /// has threads for it, it is had at once.
    pub(super) fn current(self: &Arc<Self>) -> Arc<InUse<C>> {
        drop(self.look());
        self.in_use.load_full()
    }

    /// What a connection that is made now is to use, after the look that is due.
    pub(super) async fn renewed(self: &Arc<Self>) -> Arc<InUse<C>> {
        if let Some(look) = self.look() {
            // That it takes longer is no fault, nor is a runtime that ends.
            let _ = tokio::time::timeout(WAIT_FOR_LOOK, look).await;
        }
        self.in_use.load_full()
    }

    pub(super) fn status(self: &Arc<Self>) -> TlsStatus {
        let in_use = self.current();
        TlsStatus {
            certificate: in_use.certificate.clone(),
            in_use_since: in_use.since,
            // Relaxed: numbers by themselves.
            renewals: self.renewals.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
            refusal: self.looking.told().or_else(|| self.refusal.load_full()),
        }
    }

    /// Begins a look where one is due and none goes on.
    fn look(self: &Arc<Self>) -> Option<JoinHandle<()>> {
        let now = clock::now();
        let (nanos, looked) = (now.as_nanos(), self.looked.load(Ordering::Relaxed));
        let is_due = Duration::from_nanos(nanos.saturating_sub(looked)) >= LOOK_EVERY;
        // Relaxed: of those who come at once one looks, and the lock orders what it finds. The others go on with what there is.
        if !is_due || self.looked.compare_exchange(looked, nanos, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return None;
        }
        if !self.looking.begin(now) {
            self.tell_of_look(now);
            return None;
        }
        let look = Look(Arc::clone(self));
        match Handle::try_current() {
            Ok(runtime) => {
                // What is told of it is for who listens here.
                let log = tracing::dispatcher::get_default(Clone::clone);
                Some(runtime.spawn_blocking(move || tracing::dispatcher::with_default(&log, || look.have())))
            }
            Err(_) => {
                look.have();
                None
            }
        }
    }
}

/// The one look that goes on. Dropping it lets the next one begin.
struct Look<C>(Arc<Renewal<C>>);

impl<C> Look<C> {
    fn have(self) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.renew(&mut seen);
    }
}

impl<C> Drop for Look<C> {
    fn drop(&mut self) {
        if self.0.looking.end() {
            let plugin = self.0.plugin.as_deref();
            tracing::info!(plugin, files = %self.0.files(), "the files of TLS can be read again");
        }
    }
}

impl<C> Renewal<C> {
    fn renew(&self, seen: &mut Seen) {
        for reading in 1..=MOST_READINGS {
            let stamps = Stamps::of(&self.paths);
            let may_change_by_itself = seen.refused.as_ref().is_some_and(|(_, kind, _)| passes(*kind));
            if stamps == seen.stamps && seen.stamps.are_settled() && !may_change_by_itself {
                return;
            }
            let read = self.paths.read();
            let content = match &read {
                Ok(files) => content(&self.hash, files),
                Err(error) => self.hash.hash_one((error.setting(), error.kind() as u8)),
            };
            seen.stamps = stamps;
            if content == self.in_use.load().content {
                return self.accept_old(seen);
            }
            let made = read.and_then(|files| Ok(InUse::new((self.make)(&files)?, &files, content)));
            match made {
                Ok(in_use) => return self.accept(seen, in_use),
                // Some are of before a change and some of after it: look again.
                Err(_) if reading < MOST_READINGS && Stamps::of(&self.paths) != seen.stamps => {}
                Err(error) => return self.refuse(seen, content, error),
            }
        }
    }

    fn accept(&self, seen: &mut Seen, in_use: InUse<C>) {
        let certificate = in_use.certificate.as_ref();
        tracing::info!(
            plugin = self.plugin.as_deref(),
            files = %self.files(),
            names = certificate.map(|certificate| tracing::field::display(certificate.names.join(", "))),
            valid_until = certificate.and_then(InUseCertificate::valid_until_text),
            "the files of TLS have changed: new connections use what they hold now"
        );
        self.in_use.store(Arc::new(in_use));
        // Relaxed: a number by itself.
        self.renewals.fetch_add(1, Ordering::Relaxed);
        self.refusal.store(None);
        seen.refused = None;
    }

    /// The files hold what is in use, again or still.
    fn accept_old(&self, seen: &mut Seen) {
        if seen.refused.take().is_some() {
            self.refusal.store(None);
            let plugin = self.plugin.as_deref();
            tracing::info!(plugin, files = %self.files(), "the files of TLS hold again what connections use");
        }
    }

    fn refuse(&self, seen: &mut Seen, content: u64, error: TlsError) {
        let refused = Some((content, error.kind(), error.why().map(str::to_owned)));
        if seen.refused == refused {
            return;
        }
        seen.refused = refused;
        let in_use = self.in_use.load();
        let certificate = in_use.certificate.as_ref();
        tracing::warn!(
            plugin = self.plugin.as_deref(),
            %error,
            cause = std::error::Error::source(&error).map(tracing::field::display),
            in_use_since = %Utc(in_use.since),
            valid_until = certificate.and_then(InUseCertificate::valid_until_text),
            "the files of TLS have changed and cannot be used: new connections go on with what they held before"
        );
        // Relaxed: a number by itself.
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.refusal.store(Some(Arc::new(Refusal { error, since: clock::wall() })));
    }

    /// Tells of a look that takes too long, once.
    fn tell_of_look(&self, now: Instant) {
        let Some((setting, path)) = self.paths.each().next() else { return };
        let Some(told) = self.looking.tell(now, || TlsError::new(TlsErrorKind::Unanswered, setting, path)) else {
            return;
        };
        let in_use = self.in_use.load();
        tracing::warn!(
            plugin = self.plugin.as_deref(),
            error = %told.error,
            files = %self.files(),
            in_use_since = %Utc(in_use.since),
            valid_until = in_use.certificate.as_ref().and_then(InUseCertificate::valid_until_text),
            "the files of TLS are not read again: new connections go on with what they held before"
        );
        // Relaxed: a number by itself.
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// The files by the settings that name them, for the log.
    fn files(&self) -> String {
        let each = self.paths.each().map(|(setting, path)| format!("{setting} {path:?}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

impl<C> InUse<C> {
    fn new(config: C, files: &PemFiles, content: u64) -> Self {
        let certificate = files.own.as_ref().and_then(|(cert, _)| {
            let chain = cert.certificates().ok()?;
            let parts: Vec<_> = chain.iter().filter_map(|der| CertificateParts::of(der)).collect();
            let first = parts.first()?;
            // Without one of its chain the certificate is of no use either.
            let valid_until = parts.iter().map(|parts| parts.validity.not_after).min()?;
            Some(InUseCertificate {
                names: first.names().iter().map(|name| shown(name)).collect(),
                valid_from: first.validity.not_before,
                valid_until,
            })
        });
        Self { config: Arc::new(config), certificate, since: clock::wall(), content }
    }
}

fn content(hash: &RandomState, files: &PemFiles) -> u64 {
    let mut hasher = hash.build_hasher();
    for file in files.each() {
        file.bytes().hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether what is wrong may be right later though no file changes.
fn passes(kind: TlsErrorKind) -> bool {
    matches!(kind, TlsErrorKind::NotYetValid | TlsErrorKind::Expired | TlsErrorKind::Unreadable)
}

#[cfg(test)]
mod tests;
