//! Where and on what a table was measured.

use std::fmt;
use std::path::Path;
use std::process::Command;

/// The machine, the compiler and the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    cpu: String,
    cores: usize,
    rustc: String,
    commit: String,
}

impl Machine {
    /// Asks the machine; what cannot be found out is said to be unknown. `root` is a directory of the repository.
    #[must_use]
    pub fn detect(root: &Path) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: cpu_model(&cpuinfo).unwrap_or("unknown CPU").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rustc: rustc_version(),
            commit: commit(root),
        }
    }

    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    pub(super) fn hardware(&self) -> String {
        format!("{}, {} {}", self.cpu, self.cores, if self.cores == 1 { "core" } else { "cores" })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, rustc {}, commit {}", self.hardware(), self.rustc, self.commit)
    }
}

/// The version of the compiler, such as `1.95.0`; or `unknown`.
#[must_use]
pub fn rustc_version() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    answer(&rustc, &["--version"], Path::new("."))
        .and_then(|version| version.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn commit(root: &Path) -> String {
    let Some(commit) = answer("git", &["rev-parse", "--short=12", "HEAD"], root) else {
        return "unknown".to_owned();
    };
    match answer("git", &["status", "--porcelain", "--untracked-files=no"], root).as_deref() {
        Some("") => commit,
        _ => format!("{commit} with changes"),
    }
}

fn answer(program: &str, args: &[&str], root: &Path) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

/// The versions of a crate in the text of a `Cargo.lock`, in its order.
#[must_use]
pub fn lock_versions(lock: &str, name: &str) -> Vec<String> {
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut versions = Vec::new();
    while lines.any(|line| line == wanted) {
        let version = lines.next().and_then(|line| line.strip_prefix("version = \"")).map(|v| v.trim_end_matches('"'));
        versions.extend(version.map(str::to_owned));
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: AMD EPYC 7B13\ncpu MHz: 1\n"), Some("AMD EPYC 7B13"));
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"tower\"\nversion = \"0.4.13\"\n\n[[package]]\nname = \"tower\"\n\
                    version = \"0.5.3\"\ndependencies = [\n \"tower-layer\",\n]\n\n[[package]]\nname = \"tower-layer\"\n\
                    version = \"0.3.3\"\n";
        assert_eq!(lock_versions(lock, "tower"), ["0.4.13", "0.5.3"]);
        assert_eq!(lock_versions(lock, "tower-layer"), ["0.3.3"]);
        assert!(lock_versions(lock, "tow").is_empty());
    }

    #[test]
    fn a_place_that_is_no_repository_has_an_unknown_commit() {
        assert_eq!(commit(Path::new("/")), "unknown");
    }
}
