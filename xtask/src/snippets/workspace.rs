//! Writes snippets as crates.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::page::Snippet;

/// Writes a workspace into `directory`, anew, and gives the names of its packages.
///
/// It has the lock file of the repository, so nothing is downloaded and the versions are those that are tested.
pub(crate) fn write(root: &Path, directory: &Path, snippets: &[Snippet]) -> io::Result<Vec<String>> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(directory)?,
    }
    let mut packages: Vec<(String, Vec<&Snippet>)> = Vec::new();
    for snippet in snippets {
        let shares = |(_, others): &&mut (String, Vec<&Snippet>)| {
            others[0].page == snippet.page && others[0].dependencies == snippet.dependencies
        };
        match packages.iter_mut().find(shares) {
            Some((_, others)) => others.push(snippet),
            None => packages.push((package_name(snippet), vec![snippet])),
        }
    }
    for (name, snippets) in &packages {
        let programs = directory.join(name).join("src/bin");
        fs::create_dir_all(&programs)?;
        fs::write(directory.join(name).join("Cargo.toml"), manifest(root, name, snippets))?;
        for snippet in snippets {
            fs::write(programs.join(format!("line_{}.rs", snippet.line)), &snippet.code)?;
        }
    }
    let names: Vec<String> = packages.into_iter().map(|(name, _)| name).collect();
    let profile = "[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n";
    let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n{profile}");
    fs::write(directory.join("Cargo.toml"), workspace)?;
    fs::copy(root.join("Cargo.lock"), directory.join("Cargo.lock"))?;
    Ok(names)
}

/// Such as `plugin-breaker-readme-14`.
fn package_name(snippet: &Snippet) -> String {
    let page = snippet.page.trim_end_matches(".md").to_lowercase().replace('/', "-");
    format!("{page}-{}", snippet.line)
}

fn manifest(root: &Path, name: &str, snippets: &[&Snippet]) -> String {
    let features: BTreeSet<&str> = snippets.iter().flat_map(|snippet| features_of(&snippet.code)).collect();
    let features: Vec<String> = features.into_iter().map(str::to_owned).collect();
    let default = format!("default = {features:?}\n");
    let features: String = features.iter().map(|feature| format!("{feature} = []\n")).collect();
    let dependencies = at_their_paths(root, &snippets[0].dependencies);
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [features]\n{default}{features}\n[lints.rust]\nunused_imports = \"deny\"\ndead_code = \"allow\"\n\
         unused_variables = \"allow\"\n\n[dependencies]\n{dependencies}\n"
    )
}

/// The features that a snippet asks for with `cfg`. Doc tests are built without them too; a reader has what his page
/// names, so here all of them are on.
fn features_of(code: &str) -> impl Iterator<Item = &str> {
    code.split("feature = \"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// What the pages show as `git = "…"` is here.
fn at_their_paths(root: &Path, dependencies: &str) -> String {
    let line = |line: &str| match line.split_once(' ') {
        Some((name, _)) => line.replace("git = \"…\"", &format!("path = {:?}", root.join(name))) + "\n",
        None => format!("{line}\n"),
    };
    dependencies.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(line: usize, code: &str) -> Snippet {
        Snippet {
            page: "plugin-lb/README.md".into(),
            line,
            dependencies: "axum = \"0.8\"\nplugin-lb = { git = \"…\", features = [\"http\"] } # or a path".into(),
            code: code.into(),
        }
    }

    #[test]
    fn a_manifest_has_what_the_page_names_and_no_more() {
        let manifest = manifest(Path::new("/w"), "x", &[&snippet(3, "")]);
        let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
        assert_eq!(
            dependencies.trim(),
            "axum = \"0.8\"\nplugin-lb = { path = \"/w/plugin-lb\", features = [\"http\"] } # or a path"
        );
    }

    #[test]
    fn what_a_snippet_asks_for_by_cfg_is_on() {
        let code = "#[cfg(feature = \"http\")]\nfn f() {}\n#[cfg(not(feature = \"grpc\"))]\nfn g() {}";
        let manifest = manifest(Path::new("/w"), "x", &[&snippet(3, code)]);
        assert!(manifest.contains("default = [\"grpc\", \"http\"]\ngrpc = []\nhttp = []\n"), "{manifest}");
    }

    #[test]
    fn a_package_is_named_after_its_place() {
        assert_eq!(package_name(&snippet(14, "")), "plugin-lb-readme-14");
    }
}
