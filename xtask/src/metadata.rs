//! What the checks need to know of the workspace, read from `cargo metadata`.

use std::path::PathBuf;

use serde_json::Value;

use crate::process::{Cmd, Failure};

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// In the order of the alphabet, `default` left out.
    pub(crate) features: Vec<String>,
    pub(crate) has_lib: bool,
    /// Has a test target in `tests/loom.rs`.
    pub(crate) has_loom_test: bool,
    /// Has one in `tests/shuttle.rs`.
    pub(crate) has_shuttle_test: bool,
}

/// One way to switch the features of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FeatureSet {
    None,
    Alone(String),
    All,
}

impl FeatureSet {
    /// The flags that select it.
    pub(crate) fn flags(&self) -> Vec<&str> {
        match self {
            Self::None => vec!["--no-default-features"],
            Self::Alone(feature) => vec!["--no-default-features", "--features", feature],
            Self::All => vec!["--all-features"],
        }
    }
}

impl Member {
    /// Whether it is one of the libraries that users depend on.
    pub(crate) fn is_plugin_library(&self) -> bool {
        self.has_lib && self.name.starts_with("plugin-")
    }

    /// None, each alone, all. A crate without features has one set, and one with a single feature two.
    pub(crate) fn feature_sets(&self) -> Vec<FeatureSet> {
        let mut sets = vec![FeatureSet::None];
        sets.extend(self.features.iter().cloned().map(FeatureSet::Alone));
        if self.features.len() > 1 {
            sets.push(FeatureSet::All);
        }
        sets
    }
}

fn command() -> Cmd {
    Cmd::cargo(["metadata", "--no-deps", "--format-version", "1"])
}

/// Asks cargo.
pub(crate) fn load() -> Result<Vec<Member>, Failure> {
    parse(&command().output()?).map_err(|what| Failure::of(&command(), what))
}

/// Where cargo puts what it makes.
pub(crate) fn target_directory() -> Result<PathBuf, Failure> {
    let root: Value = serde_json::from_str(&command().output()?).map_err(|error| Failure::of(&command(), error))?;
    let directory = root["target_directory"].as_str();
    directory.map(PathBuf::from).ok_or_else(|| Failure::of(&command(), "its output has no `target_directory`"))
}

/// Reads the answer of `cargo metadata --no-deps`.
fn parse(json: &str) -> Result<Vec<Member>, String> {
    let root: Value = serde_json::from_str(json).map_err(|error| format!("its output is not JSON: {error}"))?;
    let packages = root["packages"].as_array().ok_or("its output has no `packages`")?;
    let mut members = packages.iter().map(parse_member).collect::<Result<Vec<_>, _>>()?;
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

fn parse_member(package: &Value) -> Result<Member, String> {
    let name = package["name"].as_str().ok_or("a package has no `name`")?.to_owned();
    let features = package["features"].as_object().ok_or_else(|| format!("{name} has no `features`"))?;
    let targets = package["targets"].as_array().ok_or_else(|| format!("{name} has no `targets`"))?;
    let mut features: Vec<String> = features.keys().filter(|feature| *feature != "default").cloned().collect();
    features.sort();
    Ok(Member {
        has_lib: targets.iter().any(|target| is_kind(target, "lib")),
        has_loom_test: has_test(targets, "/tests/loom.rs"),
        has_shuttle_test: has_test(targets, "/tests/shuttle.rs"),
        name,
        features,
    })
}

/// Whether one of the test targets is this file.
fn has_test(targets: &[Value], file: &str) -> bool {
    let is_it =
        |target: &Value| target["src_path"].as_str().is_some_and(|path| path.replace('\\', "/").ends_with(file));
    targets.iter().any(|target| is_kind(target, "test") && is_it(target))
}

fn is_kind(target: &Value, kind: &str) -> bool {
    target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|found| found == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "packages": [
            {
                "name": "xtask",
                "features": {},
                "targets": [{ "kind": ["bin"], "name": "xtask", "src_path": "/w/xtask/src/main.rs" }]
            },
            {
                "name": "plugin-core",
                "features": { "tonic": ["grpc"], "default": [], "grpc": [], "full": ["tonic", "grpc"] },
                "targets": [
                    { "kind": ["lib"], "name": "plugin_core", "src_path": "/w/plugin-core/src/lib.rs" },
                    { "kind": ["test"], "name": "loom", "src_path": "/w/plugin-core/tests/loom.rs" },
                    { "kind": ["test"], "name": "shuttle", "src_path": "/w/plugin-core/tests/shuttle.rs" }
                ]
            },
            {
                "name": "plugin-lb",
                "features": { "default": [] },
                "targets": [
                    { "kind": ["lib"], "name": "plugin_lb", "src_path": "/w/plugin-lb/src/lib.rs" },
                    { "kind": ["example"], "name": "loom", "src_path": "/w/plugin-lb/examples/tests/loom.rs" }
                ]
            }
        ]
    }"#;

    fn member(name: &str) -> Member {
        parse(METADATA).unwrap().into_iter().find(|member| member.name == name).unwrap()
    }

    #[test]
    fn members_come_in_the_order_of_the_alphabet() {
        let names: Vec<String> = parse(METADATA).unwrap().into_iter().map(|member| member.name).collect();
        assert_eq!(names, ["plugin-core", "plugin-lb", "xtask"]);
    }

    #[test]
    fn each_feature_is_checked_alone_and_default_is_not_one() {
        let flags: Vec<String> = member("plugin-core").feature_sets().iter().map(|set| set.flags().join(" ")).collect();
        assert_eq!(
            flags,
            [
                "--no-default-features",
                "--no-default-features --features full",
                "--no-default-features --features grpc",
                "--no-default-features --features tonic",
                "--all-features",
            ]
        );
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(member("plugin-lb").feature_sets(), [FeatureSet::None]);
    }

    #[test]
    fn with_one_feature_alone_and_all_are_the_same() {
        let one = Member { features: vec!["serde".into()], ..member("plugin-lb") };
        assert_eq!(one.feature_sets(), [FeatureSet::None, FeatureSet::Alone("serde".into())]);
    }

    #[test]
    fn only_libraries_of_the_family_count_as_such() {
        assert!(member("plugin-core").is_plugin_library());
        assert!(!member("xtask").is_plugin_library());
    }

    #[test]
    fn models_are_found_by_their_file() {
        assert!(member("plugin-core").has_loom_test && member("plugin-core").has_shuttle_test);
        assert!(!member("plugin-lb").has_loom_test && !member("plugin-lb").has_shuttle_test);
    }

    #[test]
    fn an_unexpected_answer_is_an_error_that_names_the_part() {
        assert!(parse("cargo").unwrap_err().contains("not JSON"));
        assert!(parse("{}").unwrap_err().contains("packages"));
        assert!(parse(r#"{"packages":[{"name":"a","targets":[]}]}"#).unwrap_err().contains("a has no `features`"));
    }
}
