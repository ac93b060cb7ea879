//! How many files this process may have open, of which each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As high as the soft limit is raised: programs that go through all possible descriptors should not have more to do.
const ENOUGH: u64 = 1 << 20;

/// Raises the soft limit of open files towards the hard one: the low default is for programs that use `select`. Plugins that
/// are started afterwards inherit it, unless `resources.max_file_handles` says otherwise.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(%error, "the soft limit of open files cannot be raised");
    }
}

/// So many connections a plane may have, out of those that `key` has it configured for: one `part`th of the files that may be
/// open, since plugins and connections to them need some too.
pub(super) fn cap(key: &str, configured: usize, part: u64) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(limit / part).unwrap_or(usize::MAX).max(1);
    if most < configured {
        tracing::warn!(
            limit,
            configured,
            connections = most,
            "the limit of open files allows fewer connections than `{key}`"
        );
    }
    configured.min(most)
}
