//! By what a file is known to have changed.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use plugin_core::clock;

use super::files::Paths;

/// A file that was changed so shortly before it was looked at may be changed again within the same tick of its time, which
/// leaves no trace. Coarse file systems count in two seconds.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What the system says of files without reading them. Links are followed.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// `None` for one that is not there.
    each: Vec<Option<Stamp>>,
    are_settled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// The device, the file on it, and when anything of it was changed, its mode included: what no program sets.
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
}

impl Stamps {
    pub(super) fn of(paths: &Paths) -> Self {
        Self::at(paths, clock::wall())
    }

    fn at(paths: &Paths, now: SystemTime) -> Self {
        let each: Vec<_> = paths.each().map(|(_, path)| Stamp::of(path)).collect();
        let are_settled = each.iter().flatten().all(|stamp| stamp.is_settled(now));
        Self { each, are_settled }
    }

    /// Whether the next change cannot but show.
    pub(super) fn are_settled(&self) -> bool {
        self.are_settled
    }

    #[cfg(test)]
    pub(super) fn set_settled(&mut self, are_settled: bool) {
        self.are_settled = are_settled;
    }
}

impl PartialEq for Stamps {
    fn eq(&self, other: &Self) -> bool {
        self.each == other.each
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self {
            length: data.len(),
            modified: data.modified().ok(),
            #[cfg(unix)]
            identity: identity(&data),
        })
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let is_old = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age >= SETTLED_AFTER);
        #[cfg(unix)]
        if !u64::try_from(self.identity.2)
            .is_ok_and(|changed| is_old(SystemTime::UNIX_EPOCH + Duration::from_secs(changed)))
        {
            return false;
        }
        self.modified.is_some_and(is_old)
    }
}

#[cfg(unix)]
fn identity(data: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (data.dev(), data.ino(), data.ctime(), data.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_when_its_next_change_must_show() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        fs::write(&path, "a").expect("a file");
        let paths = Paths { own: None, authorities: Some(("ca_file", path.clone())) };
        let now = clock::wall();
        let stamps = Stamps::at(&paths, now);
        assert!(!stamps.are_settled(), "it was written just now");
        let later = Stamps::at(&paths, now + SETTLED_AFTER + Duration::from_secs(1));
        assert!(later.are_settled() && later == stamps);
        assert!(!Stamps::at(&paths, now - Duration::from_secs(9)).are_settled(), "its clock is ahead of ours");

        let written = fs::metadata(&path).and_then(|data| data.modified()).expect("it has a time");
        assert!(Stamps::at(&paths, written + SETTLED_AFTER).are_settled());
        assert!(!Stamps::at(&paths, written + SETTLED_AFTER - Duration::from_nanos(1)).are_settled());
        #[cfg(unix)]
        {
            let file = fs::File::options().write(true).open(&path).expect("a file");
            file.set_modified(now - Duration::from_secs(3600)).expect("it is ours");
            assert!(!Stamps::at(&paths, now).are_settled(), "its time was set, which was a change");
        }

        fs::write(&path, "ab").expect("a file");
        assert_ne!(Stamps::of(&paths), stamps);
        fs::remove_file(&path).expect("it is there");
        let gone = Stamps::of(&paths);
        assert!(gone != stamps && gone.are_settled() && gone == Stamps::of(&paths));
    }

    #[test]
    fn one_file_that_has_changed_is_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let [cert, key] = ["tls.pem", "tls.key"].map(|name| folder.path().join(name));
        for path in [&cert, &key] {
            fs::write(path, "a").expect("a file");
        }
        let paths = Paths { own: Some((cert, key.clone())), authorities: None };
        let before = Stamps::of(&paths);
        fs::write(key, "ab").expect("a file");
        assert_ne!(Stamps::of(&paths), before);
    }
}
