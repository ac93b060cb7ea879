//! Each crate could be published as it is, and the table of dependencies has what is used and no more.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{read, root};

/// The members of the workspace, as cargo knows them.
fn members() -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn directory(member: &Value) -> PathBuf {
    Path::new(member["manifest_path"].as_str().expect("a path")).parent().expect("a directory").to_owned()
}

/// What keeps a crate from being published, or from being found when it is.
fn lacks(member: &Value) -> Vec<String> {
    let mut lacks = Vec::new();
    for field in ["description", "license", "readme", "rust_version"] {
        if member[field].as_str().unwrap_or_default().is_empty() {
            lacks.push(format!("no `{field}`"));
        }
    }
    for field in ["keywords", "categories"] {
        let count = member[field].as_array().map_or(0, Vec::len);
        if !(1..=5).contains(&count) {
            lacks.push(format!("{count} {field}, of which the registry takes one to five"));
        }
    }
    if member["metadata"]["docs"]["rs"]["all-features"] != true {
        lacks.push("docs.rs would leave out what a feature adds".to_owned());
    }
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        let text = fs::read_to_string(directory(member).join(file)).unwrap_or_default();
        let is_there = if file == "README.md" { !text.is_empty() } else { text == read(&root().join(file)) };
        if !is_there {
            lacks.push(format!("no {file}, or another one than that of the workspace"));
        }
    }
    for dependency in member["dependencies"].as_array().into_iter().flatten() {
        // One that only the tests need is left out of what is published, if it has no version.
        if dependency["req"] == "*" && dependency["kind"] != "dev" {
            lacks.push(format!("{} has a path and no version", dependency["name"]));
        }
    }
    lacks
}

#[test]
fn every_crate_of_the_family_could_be_published_as_it_is() {
    let members = members();
    let family: Vec<&Value> = members
        .iter()
        .filter(|member| member["name"].as_str().is_some_and(|name| name.starts_with("plugin-")))
        .collect();
    assert!(family.len() >= 9, "{} crates were found", family.len());
    let faults: Vec<String> = family
        .iter()
        .flat_map(|member| lacks(member).into_iter().map(|lack| format!("{}: {lack}", member["name"])))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let page = read(&root().join("README.md"));
    for member in family {
        let name = member["name"].as_str().expect("a name");
        assert!(page.contains(&format!("| [{name}]({name}/README.md) |")), "README.md has no row for {name}");
    }
}

#[test]
fn a_crate_that_lacks_what_the_registry_asks_for_is_a_fault() {
    let manifest_path = root().join("tests/Cargo.toml");
    let dependencies = serde_json::json!([
        { "name": "a", "req": "*", "kind": null },
        { "name": "b", "req": "*", "kind": "dev" },
        { "name": "c", "req": "^1", "kind": null },
    ]);
    let member = serde_json::json!({ "manifest_path": manifest_path, "keywords": [], "dependencies": dependencies });
    assert_eq!(lacks(&member).len(), 4 + 2 + 1 + 3 + 1, "{:#?}", lacks(&member));
}

/// The dependencies that a manifest names, each with whether it is that of the workspace.
fn dependencies(manifest: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut is_table = false;
    manifest.lines().filter_map(move |line| {
        if let Some(table) = line.strip_prefix('[') {
            is_table = table.ends_with("dependencies]");
        }
        let (key, value) = line.split_once('=').filter(|_| is_table && !line.starts_with('#'))?;
        let (name, field) = key.trim().split_once('.').unwrap_or((key.trim(), ""));
        Some((name, field == "workspace" || value.contains("workspace = true")))
    })
}

#[test]
fn the_table_of_the_workspace_has_what_members_use_and_all_that_two_of_them_use() {
    let table = read(&root().join("Cargo.toml"));
    let listed: Vec<&str> = dependencies(&table).map(|(name, _)| name).collect();
    assert!(listed.len() > 50, "{} were found", listed.len());
    let manifests: Vec<String> =
        members().iter().map(|member| read(Path::new(member["manifest_path"].as_str().expect("a path")))).collect();
    let mut used: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for manifest in &manifests {
        for (name, of_workspace) in dependencies(manifest) {
            let (shared, own) = used.entry(name).or_default();
            *(if of_workspace { shared } else { own }) += 1;
        }
    }
    let unused: Vec<&str> = listed.iter().filter(|name| used.get(*name).is_none_or(|of| of.0 == 0)).copied().collect();
    assert!(unused.is_empty(), "nobody uses {unused:?}");
    let unlisted: Vec<_> = used.iter().filter(|(_, (_, own))| *own > 1).map(|(name, _)| name).collect();
    assert!(unlisted.is_empty(), "two members ask for {unlisted:?}, each by itself");
}

#[test]
fn every_member_has_the_lints_of_the_workspace() {
    let table = read(&root().join("Cargo.toml"));
    let (_, lints) = table.split_once("[workspace.lints.clippy]\n").expect("the lints");
    let (lints, _) = lints.split_once("\n\n").expect("the end of the lints");
    for member in members() {
        let manifest = read(Path::new(member["manifest_path"].as_str().expect("a path")));
        let has_them = manifest.contains("[lints]\nworkspace = true\n");
        // Where `unsafe_code` is not forbidden, the list is there once more.
        let repeats_them = manifest.contains(&format!("[lints.clippy]\n{lints}\n"));
        assert!(has_them || repeats_them, "{}", member["name"]);
    }
}

/// The sources beneath a directory, without those of tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_crate_is_built_from_files_that_are_not_published_with_it() {
    for member in members().iter().filter(|member| member["name"].as_str().expect("a name").starts_with("plugin-")) {
        let mut files = Vec::new();
        let directory = directory(member);
        sources(&directory.join("src"), &mut files);
        for file in files {
            let depth = file.strip_prefix(&directory).expect("beneath it").components().count() - 1;
            let code = read(&file);
            let mut before = "";
            for line in code.lines() {
                // The first page is read by documentation tests alone, which are not published.
                let included = line.split_once("include_str!(\"").filter(|_| before != "#[cfg(doctest)]");
                if let Some((_, path)) = included {
                    let up = path.matches("../").count();
                    assert!(up <= depth, "{}: {line}", file.display());
                }
                before = line;
            }
        }
    }
}
