//! What must be on the machine besides the Rust toolchain. What can be installed is; the rest is named plainly.

use crate::process::{Cmd, Failure};

/// The oldest Python that the tests' plugins are written for.
const OLDEST_PYTHON: (u32, u32) = (3, 8);

/// Something that a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Python,
    Node,
    Redis,
    CCompiler,
    Rustfmt,
    Clippy,
    Nextest,
    Deny,
    Nightly,
    CargoFuzz,
    Valgrind,
}

impl Tool {
    /// Those of `test`.
    pub(crate) const ALL: [Self; 8] = [
        Self::Python,
        Self::Node,
        Self::Redis,
        Self::CCompiler,
        Self::Rustfmt,
        Self::Clippy,
        Self::Nextest,
        Self::Deny,
    ];

    fn remedy(self) -> Remedy {
        match self {
            Self::Python => Remedy::System { package: "python3", wanted: "python3, 3.8 or later" },
            Self::Node => Remedy::System { package: "nodejs", wanted: "Node.js" },
            Self::Redis => Remedy::System { package: "redis-server", wanted: "redis-server and redis-cli" },
            Self::CCompiler => Remedy::System { package: "gcc", wanted: "a C compiler (cc, gcc or clang)" },
            Self::Rustfmt => Remedy::Component("rustfmt"),
            Self::Clippy => Remedy::Component("clippy"),
            Self::Nextest => Remedy::CargoInstall("cargo-nextest"),
            Self::Deny => Remedy::CargoInstall("cargo-deny"),
            Self::Nightly => Remedy::Toolchain("nightly"),
            Self::CargoFuzz => Remedy::CargoInstall("cargo-fuzz"),
            Self::Valgrind => Remedy::System { package: "valgrind", wanted: "valgrind" },
        }
    }

    /// Its version when it is there and new enough; otherwise what is wrong.
    fn find(self) -> Result<String, String> {
        let cargo = |subcommand: &str| {
            let version = Cmd::cargo([subcommand, "--version"]).answer();
            version.as_deref().and_then(first_line).ok_or_else(|| format!("`cargo {subcommand}` is missing"))
        };
        match self {
            Self::Python => {
                let version = Cmd::new("python3", ["--version"]).answer().ok_or("`python3` is missing")?;
                judge_python(&version)
            }
            Self::Node => {
                let version = Cmd::new("node", ["--version"]).answer().ok_or("`node` is missing")?;
                Ok(format!("Node.js {version}"))
            }
            Self::Redis => {
                let version = Cmd::new("redis-server", ["--version"]).answer().ok_or("`redis-server` is missing")?;
                Cmd::new("redis-cli", ["--version"]).answer().ok_or("`redis-cli` is missing")?;
                Ok(version)
            }
            Self::CCompiler => {
                let chosen = std::env::var("CC").ok().filter(|cc| !cc.is_empty());
                let candidates = chosen.as_deref().into_iter().chain(["cc", "gcc", "clang"]);
                let mut versions = candidates.filter_map(|cc| Cmd::new(cc, ["--version"]).answer());
                versions.find_map(|version| first_line(&version)).ok_or_else(|| "no C compiler is there".to_owned())
            }
            Self::Rustfmt => cargo("fmt"),
            Self::Clippy => cargo("clippy"),
            Self::Nextest => cargo("nextest"),
            Self::Deny => cargo("deny"),
            Self::Nightly => {
                let version = Cmd::new("rustup", ["run", "nightly", "rustc", "--version"]).answer();
                version.ok_or_else(|| "the toolchain `nightly` is missing".to_owned())
            }
            Self::CargoFuzz => cargo("fuzz"),
            Self::Valgrind => {
                Cmd::new("valgrind", ["--version"]).answer().ok_or_else(|| "`valgrind` is missing".to_owned())
            }
        }
    }
}

/// How a missing tool is come by.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// A package of the system.
    System {
        package: &'static str,
        wanted: &'static str,
    },
    /// A part of the Rust toolchain: whoever manages the toolchain adds it.
    Component(&'static str),
    /// A toolchain beside the one that is in use.
    Toolchain(&'static str),
    CargoInstall(&'static str),
}

/// Checks each tool, installs what can be installed, and checks again.
///
/// # Errors
///
/// What is missing and the command that brings it.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    let mut packages = Vec::new();
    let mut missing = Vec::new();
    for &tool in tools {
        match tool.find() {
            Ok(version) => println!("{version}"),
            Err(fault) => {
                println!("{fault}");
                if let Remedy::System { package, .. } = tool.remedy() {
                    packages.push(package);
                }
                missing.push(tool);
            }
        }
    }
    if !packages.is_empty() && can_apt_install() {
        Cmd::new("apt-get", ["update"]).run()?;
        Cmd::new("apt-get", ["install", "-y"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive").run()?;
    }
    for &tool in &missing {
        if let Remedy::CargoInstall(name) = tool.remedy() {
            Cmd::cargo(["install", name, "--locked"]).run()?;
        }
    }
    let left: Vec<String> =
        missing.iter().filter_map(|tool| tool.find().err().map(|fault| advice(&fault, &tool.remedy()))).collect();
    if left.is_empty() { Ok(()) } else { Err(Failure::new(left.join("\n"))) }
}

fn advice(fault: &str, remedy: &Remedy) -> String {
    match remedy {
        Remedy::System { package, wanted } => {
            format!("{fault}: install {wanted} (on Debian and Ubuntu: sudo apt-get install {package})")
        }
        Remedy::Component(name) => format!("{fault}: run `rustup component add {name}`"),
        Remedy::Toolchain(name) => format!("{fault}: run `rustup toolchain install {name} --profile minimal`"),
        Remedy::CargoInstall(name) => format!("{fault}: run `cargo install {name} --locked`"),
    }
}

fn can_apt_install() -> bool {
    let is_root = Cmd::new("id", ["-u"]).answer().is_some_and(|uid| uid == "0");
    is_root && Cmd::new("apt-get", ["--version"]).answer().is_some()
}

/// Takes the answer of `python3 --version`, such as `Python 3.11.2`.
fn judge_python(answer: &str) -> Result<String, String> {
    let mut numbers = answer.trim_start_matches("Python ").split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_PYTHON => Ok(answer.to_owned()),
        (Some(Ok(_)), Some(Ok(_))) => Err(format!("`python3` is too old ({answer})")),
        _ => Err(format!("`python3 --version` answers `{answer}`, which is no version")),
    }
}

fn first_line(text: &str) -> Option<String> {
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_compared_by_number_not_by_letter() {
        assert!(judge_python("Python 3.11.2").is_ok());
        assert!(judge_python("Python 3.8.0").is_ok());
        assert!(judge_python("Python 4.0.0").is_ok());
        assert!(judge_python("Python 3.7.17").unwrap_err().contains("too old (Python 3.7.17)"));
        assert!(judge_python("Python 2.7.18").unwrap_err().contains("too old"));
        assert!(judge_python("python, of a kind").unwrap_err().contains("no version"));
    }

    #[test]
    fn what_cannot_be_installed_is_named_with_its_command() {
        let advice_for = |tool: Tool| advice("`x` is missing", &tool.remedy());
        assert_eq!(advice_for(Tool::Clippy), "`x` is missing: run `rustup component add clippy`");
        assert!(advice_for(Tool::Nightly).ends_with("run `rustup toolchain install nightly --profile minimal`"));
        assert!(advice_for(Tool::Python).ends_with("(on Debian and Ubuntu: sudo apt-get install python3)"));
        assert!(advice_for(Tool::Nextest).contains("cargo install cargo-nextest --locked"));
    }

    #[test]
    fn the_toolchain_that_runs_this_test_has_a_c_compiler() {
        // Rust cannot link without one on the platforms that CI runs, so this finds it or the search is broken.
        assert!(Tool::CCompiler.find().is_ok());
    }
}
