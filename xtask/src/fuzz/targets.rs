//! Which targets there are: a program each, with seeds, and a twin among the tests.

use std::fs;

use crate::process::{Failure, root};

/// The names of all targets, in the order of the alphabet.
pub(crate) fn names() -> Result<Vec<String>, Failure> {
    let directory = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&directory);
    let entries = entries.map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    let files = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The targets that the files `fuzzing.rs` beneath a directory make tests of.
    fn twins(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            // What was built has copies of the sources of others, and is large.
            if path.file_name().is_some_and(|name| name == "target") {
                continue;
            }
            if path.is_dir() {
                twins(&path, found);
            } else if path.file_name().is_some_and(|name| name == "fuzzing.rs") {
                found.extend(twins_in(&fs::read_to_string(&path).expect("a file")));
            }
        }
    }

    fn twins_in(code: &str) -> Vec<String> {
        let lists = code.split("fuzz_twins::twins!(").skip(1).filter_map(|rest| rest.split_once(')'));
        let names = lists.flat_map(|(list, _)| list.split(','));
        names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    }

    /// What is wrong with the program of a target, which is one line over a function of this crate.
    fn fault(name: &str, program: &str, manifest: &str, twins: impl Fn(&str) -> BTreeSet<String>) -> Option<String> {
        let krate = program.split_once("plugin_").and_then(|(_, rest)| rest.split_once("::"));
        let Some((krate, _)) = krate.filter(|(_, rest)| rest.starts_with(&format!("fuzzing::{name}(bytes)"))) else {
            return Some(format!("{name}: it does not call `plugin_CRATE::fuzzing::{name}(bytes)`"));
        };
        if !manifest.contains(&format!("\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")) {
            return Some(format!("{name}: fuzz/Cargo.toml does not name it"));
        }
        (!twins(krate).contains(name))
            .then(|| format!("{name}: plugin-{krate} has no twin of it (`fuzz_twins::twins!`)"))
    }

    fn twins_of(krate: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        twins(&root().join(format!("plugin-{krate}/src")), &mut found);
        found
    }

    #[test]
    fn every_target_is_built_has_seeds_and_a_twin_and_every_twin_a_target() {
        let names = names().unwrap();
        assert!(names.len() > 25, "targets are found: {names:?}");
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        let mut faults = Vec::new();
        for name in &names {
            let program = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
            faults.extend(fault(name, &program, &manifest, twins_of));
            let seeds = fs::read_dir(root().join("fuzz/seeds").join(name)).into_iter().flatten().count();
            if seeds == 0 {
                faults.push(format!("{name}: no seeds in fuzz/seeds/{name}"));
            }
        }
        let mut all = BTreeSet::new();
        twins(&root(), &mut all);
        faults.extend(
            all.iter().filter(|twin| !names.contains(twin)).map(|twin| format!("{twin}: a twin without a target")),
        );
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn a_target_that_lacks_something_is_a_fault() {
        assert_eq!(twins_in("fuzz_twins::twins!(a, b_c,\n d);\nfuzz_twins::twins!(e);"), ["a", "b_c", "d", "e"]);
        let manifest = "\nname = \"a\"\npath = \"fuzz_targets/a.rs\"\n";
        let check = |program: &str, manifest: &str, twin: &str| {
            fault("a", program, manifest, |_| BTreeSet::from([twin.to_owned()]))
        };
        let program = "libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_core::fuzzing::a(bytes));";
        assert_eq!(check(program, manifest, "a"), None);
        assert!(check("fn main() {}", manifest, "a").unwrap().contains("does not call"));
        assert!(check(program, "", "a").unwrap().contains("does not name it"));
        assert!(check(program, manifest, "b").unwrap().contains("plugin-core has no twin"));
    }
}
