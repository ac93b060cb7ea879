//! Looking through directories for what may be a plugin.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};
use plugin_core::{Code, PluginError};
use rustix::fs::{Access, access};

/// Endings of the names of manifests.
const MANIFESTS: [&str; 4] = [".plugin.yaml", ".plugin.yml", ".plugin.json", ".plugin.toml"];

type Filter = Box<dyn Fn(&Path) -> bool + Send + Sync>;

/// What to look for, and where.
pub(super) struct Search {
    pub(super) directories: Vec<PathBuf>,
    pub(super) patterns: Vec<String>,
    pub(super) max_depth: usize,
    pub(super) filter: Option<Filter>,
    /// How many plugins there may be.
    max_files: usize,
    /// How many entries of directories are looked at.
    max_entries: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            patterns: Vec::new(),
            max_depth: 5,
            filter: None,
            max_files: 1_000,
            max_entries: 100_000,
        }
    }
}

/// A file that was found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Where it was found.
    pub(super) path: PathBuf,
    /// The file itself, without links on the way.
    pub(super) file: PathBuf,
}

/// What was found, each in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) manifests: Vec<Found>,
    pub(super) executables: Vec<Found>,
}

/// Where a walk is.
struct Walk {
    found: Vec<(bool, Found)>,
    entries: usize,
}

impl Search {
    /// Looks through every directory.
    pub(super) fn run(&self) -> Result<Files, Vec<PluginError>> {
        let patterns = self.patterns()?;
        let mut walk = Walk { found: Vec::new(), entries: 0 };
        for directory in &self.directories {
            let unusable = |problem: String| {
                let problem = format!("the directory {} {problem}", directory.display());
                vec![PluginError::new(Code::ConfigFile, problem)]
            };
            let root = directory.canonicalize().map_err(|error| unusable(format!("cannot be searched: {error}")))?;
            if !root.is_dir() {
                return Err(unusable("is a file; give the directory that it is in".to_owned()));
            }
            self.walk(&root, &patterns, &mut walk).map_err(|error| vec![error])?;
        }
        Ok(sorted(walk.found))
    }

    fn patterns(&self) -> Result<Vec<Pattern>, Vec<PluginError>> {
        let mut faults = Vec::new();
        let mut fault = |problem: String| faults.push(PluginError::new(Code::ConfigValue, problem));
        if self.directories.is_empty() {
            fault("there is no directory to look for plugins in; `with_directory` gives one".to_owned());
        }
        if self.max_depth == 0 {
            fault("the depth must be at least 1, which is the directory itself".to_owned());
        }
        let mut patterns = Vec::new();
        for text in &self.patterns {
            match Pattern::new(text) {
                Ok(_) if text.contains('/') => {
                    fault(format!("the pattern {text:?} has a \"/\", and patterns are for the name of a file"));
                }
                Ok(pattern) => patterns.push(pattern),
                Err(error) => fault(format!("the pattern {text:?} cannot be read: {error}")),
            }
        }
        if patterns.is_empty() {
            patterns.extend(Pattern::new("*"));
        }
        if faults.is_empty() { Ok(patterns) } else { Err(faults) }
    }

    fn walk(&self, root: &Path, patterns: &[Pattern], walk: &mut Walk) -> Result<(), PluginError> {
        let mut open = vec![(root.to_owned(), 1)];
        while let Some((directory, depth)) = open.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) => {
                    left_out(&directory, &error);
                    continue;
                }
            };
            for entry in entries {
                walk.entries += 1;
                if walk.entries > self.max_entries {
                    return Err(too_many(root, &format!("{} entries to look at", self.max_entries)));
                }
                let (entry, kind) = match entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) {
                    Ok(known) => known,
                    Err(error) => {
                        left_out(&directory, &error);
                        continue;
                    }
                };
                let path = entry.path();
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                    left_out(&path, &"its name is not UTF-8");
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                if kind.is_dir() {
                    if depth < self.max_depth {
                        open.push((path, depth + 1));
                    }
                    continue;
                }
                let Some(file) = resolve(root, &path, kind) else { continue };
                if self.is_plugin(&name, &path, &file, patterns) {
                    walk.found.push((kind.is_symlink(), Found { path, file }));
                }
                if walk.found.len() > self.max_files {
                    return Err(too_many(root, &format!("{} plugins", self.max_files)));
                }
            }
        }
        Ok(())
    }

    fn is_plugin(&self, name: &str, path: &Path, file: &Path, patterns: &[Pattern]) -> bool {
        // A dot at the beginning was judged before.
        let options = MatchOptions::default();
        let fits = is_manifest(name)
            || patterns.iter().any(|pattern| pattern.matches_with(name, options))
                && access(file, Access::EXEC_OK).is_ok();
        let wanted = fits && self.filter.as_ref().is_none_or(|filter| filter(path));
        if wanted
            && is_manifest(name)
            && let Err(error) = File::open(file)
        {
            left_out(path, &error);
            return false;
        }
        wanted
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("directories", &self.directories)
            .field("patterns", &self.patterns)
            .field("max_depth", &self.max_depth)
            .field("filter", &self.filter.is_some())
            .finish_non_exhaustive()
    }
}

fn is_manifest(name: &str) -> bool {
    MANIFESTS.iter().any(|ending| name.ends_with(ending))
}

/// The regular file that an entry stands for, unless it is none, or lies outside of `root`.
fn resolve(root: &Path, path: &Path, kind: fs::FileType) -> Option<PathBuf> {
    if kind.is_file() {
        return Some(path.to_owned());
    }
    if !kind.is_symlink() {
        return None;
    }
    match path.canonicalize() {
        Ok(file) if !file.starts_with(root) => {
            left_out(path, &"it is a link out of the directory");
            None
        }
        Ok(file) => file.is_file().then_some(file),
        Err(error) => {
            left_out(path, &error);
            None
        }
    }
}

/// A file that is found by several ways counts once, by its own path rather than by a link.
fn sorted(mut found: Vec<(bool, Found)>) -> Files {
    found.sort_unstable();
    let mut seen = HashSet::new();
    let mut found: Vec<_> =
        found.into_iter().map(|(_, found)| found).filter(|found| seen.insert(found.file.clone())).collect();
    found.sort_unstable();
    let mut files = Files::default();
    for found in found {
        let name = found.path.file_name().unwrap_or_default().to_string_lossy();
        let list = if is_manifest(&name) { &mut files.manifests } else { &mut files.executables };
        list.push(found);
    }
    files
}

fn left_out(path: &Path, problem: &dyn fmt::Display) {
    tracing::warn!(path = %path.display(), %problem, "left out of the search for plugins");
}

fn too_many(root: &Path, bound: &str) -> PluginError {
    let problem = format!(
        "{} has more than {bound}; a directory of its own, a narrower pattern, a filter or a smaller depth helps",
        root.display()
    );
    PluginError::new(Code::ConfigValue, problem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn executable(path: &Path) {
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, "#!/bin/sh\n").expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("changed");
    }

    fn search(directory: &Path) -> Search {
        Search { directories: vec![directory.to_owned()], ..Search::default() }
    }

    fn names(found: &[Found]) -> Vec<String> {
        let name = |found: &Found| found.path.file_name().expect("a name").to_string_lossy().into_owned();
        found.iter().map(name).collect()
    }

    #[test]
    fn a_search_ends_at_its_bounds_and_says_what_helps() {
        let dir = tempfile::tempdir().expect("a directory");
        for number in 0..5 {
            executable(&dir.path().join(format!("p{number}")));
        }
        let exact = Search { max_files: 5, max_entries: 5, ..search(dir.path()) };
        assert_eq!(names(&exact.run().expect("as many as there may be").executables), ["p0", "p1", "p2", "p3", "p4"]);
        for (max_files, max_entries, told) in [(4, 5, "4 plugins"), (5, 4, "4 entries")] {
            let faults = Search { max_files, max_entries, ..search(dir.path()) }.run().expect_err("too many");
            assert!(faults[0].to_string().contains(told), "{}", faults[0]);
        }
        assert_eq!((Search::default().max_files, Search::default().max_entries), (1_000, 100_000));
    }

    #[test]
    fn a_file_counts_once_by_its_own_path() {
        let dir = tempfile::tempdir().expect("a directory");
        executable(&dir.path().join("sub/tool"));
        std::os::unix::fs::symlink("sub/tool", dir.path().join("alias")).expect("linked");
        let mut twice = search(dir.path());
        twice.directories.push(dir.path().join("sub"));
        assert_eq!(names(&twice.run().expect("found").executables), ["tool"]);
        let shallow = Search { max_depth: 1, ..search(dir.path()) };
        assert_eq!(names(&shallow.run().expect("found").executables), ["alias"], "the file itself lies too deep");
    }
}
