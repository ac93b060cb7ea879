//! Files that are read again when they have changed.
//!
//! Nothing watches them. Whoever wants the settings for a new connection looks, at most once in a while, whether the files are
//! still those that were read; so no change is missed, however a file was replaced, and nothing has to run meanwhile.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use plugin_core::clock;

use super::{
    TlsError, TlsErrorKind,
    certificate::CertificateParts,
    files::{Paths, PemFiles},
    stamp::Stamps,
    status::{InUseCertificate, Refusal, TlsStatus},
    validity::Utc,
};

/// At most so often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often files that change while they are read are read anew within one look.
const MOST_READINGS: usize = 3;

type Make<C> = dyn Fn(&PemFiles) -> Result<C, TlsError> + Send + Sync;

/// Settings that are made of files, and made anew when these change.
///
/// The whole of them is exchanged, and with it what was remembered of earlier connections: no session that is resumed outlives
/// the authority that vouched for it.
pub(super) struct Renewal<C> {
    paths: Paths,
    make: Box<Make<C>>,
    in_use: ArcSwap<InUse<C>>,
    /// What the files hold instead of it, where that cannot be used.
    refusal: ArcSwapOption<Refusal>,
    renewals: AtomicU64,
    /// When the files were looked at last, on [`clock`].
    looked: AtomicU64,
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
    refused: Option<(u64, TlsErrorKind)>,
}

impl<C> Renewal<C> {
    /// Reads the files, and makes the first settings of them.
    pub(super) fn new(
        paths: Paths,
        make: impl Fn(&PemFiles) -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let (stamps, files) = (Stamps::of(&paths), paths.read()?);
        let hash = RandomState::new();
        let in_use = InUse::new(make(&files)?, &files, content(&hash, &files));
        Ok(Arc::new(Self {
            paths,
            make: Box::new(make),
            in_use: ArcSwap::from_pointee(in_use),
            refusal: ArcSwapOption::empty(),
            renewals: AtomicU64::new(0),
            looked: AtomicU64::new(clock::now().as_nanos()),
            seen: Mutex::new(Seen { stamps, refused: None }),
            hash,
        }))
    }

    /// What a connection that is made now is to use.
    pub(super) fn current(&self) -> Arc<InUse<C>> {
        self.look();
        self.in_use.load_full()
    }

    pub(super) fn status(&self) -> TlsStatus {
        let in_use = self.current();
        TlsStatus {
            certificate: in_use.certificate.clone(),
            in_use_since: in_use.since,
            // Relaxed: a number by itself.
            renewals: self.renewals.load(Ordering::Relaxed),
            refusal: self.refusal.load_full(),
        }
    }

    fn look(&self) {
        let (now, looked) = (clock::now().as_nanos(), self.looked.load(Ordering::Relaxed));
        let is_due = Duration::from_nanos(now.saturating_sub(looked)) >= LOOK_EVERY;
        // Relaxed: of those who come at once one looks, and the lock orders what it finds. The others go on with what there is.
        if !is_due || self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        match self.seen.try_lock() {
            Ok(mut seen) => self.renew(&mut seen),
            // What was seen is then only older than it might be.
            Err(TryLockError::Poisoned(poisoned)) => self.renew(&mut poisoned.into_inner()),
            // One look takes longer than the time between two: the disk is slow.
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn renew(&self, seen: &mut Seen) {
        for reading in 1..=MOST_READINGS {
            let stamps = Stamps::of(&self.paths);
            let may_change_by_itself = seen.refused.is_some_and(|(_, kind)| passes(kind));
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
            tracing::info!(files = %self.files(), "the files of TLS hold again what connections use");
        }
    }

    fn refuse(&self, seen: &mut Seen, content: u64, error: TlsError) {
        let refused = Some((content, error.kind()));
        if seen.refused == refused {
            return;
        }
        seen.refused = refused;
        let in_use = self.in_use.load();
        let certificate = in_use.certificate.as_ref();
        tracing::warn!(
            %error,
            cause = std::error::Error::source(&error).map(tracing::field::display),
            in_use_since = %Utc(in_use.since),
            valid_until = certificate.and_then(InUseCertificate::valid_until_text),
            "the files of TLS have changed and cannot be used: new connections go on with what they held before"
        );
        self.refusal.store(Some(Arc::new(Refusal { error, since: clock::wall() })));
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
            Some(InUseCertificate { names: first.names(), valid_until })
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
