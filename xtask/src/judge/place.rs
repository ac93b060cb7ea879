//! Where the judges run: the programs that are judged, and the packages that the scripts are made with.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::list::{Judge, Maker};
use crate::process::{Cmd, Failure, root};

/// A folder of its own beneath that of what is built.
pub(super) struct Place {
    home: PathBuf,
    judged: PathBuf,
    gateway: PathBuf,
}

impl Place {
    pub(super) fn new(target: &Path) -> Self {
        let built = target.join("debug");
        Self { home: target.join("judges"), judged: built.join("judged"), gateway: built.join("plugin-manager") }
    }

    fn python(&self) -> String {
        self.home.join("bin/python").display().to_string()
    }

    fn modules(&self) -> PathBuf {
        self.home.join("node_modules")
    }

    /// Brings the packages. Where they cannot be had, the judges that need them are not run.
    pub(super) fn fill(&self) {
        let home = self.home.display().to_string();
        let of_python = || {
            let install = ["-m", "pip", "install", "--quiet", "--requirement", "xtask/judges/requirements.txt"];
            Cmd::new("python3", ["-m", "venv", &home]).run()?;
            Cmd::new(&self.python(), install).run()
        };
        let of_node = || {
            let copied = std::fs::create_dir_all(&self.home)
                .and_then(|()| std::fs::copy(root().join("xtask/judges/package.json"), self.home.join("package.json")));
            copied.map_err(|error| Failure::new(format!("{home}: {error}")))?;
            Cmd::new("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", &home]).run()
        };
        for failure in [of_python(), of_node()].into_iter().filter_map(Result::err) {
            println!("{failure}");
        }
    }

    /// The versions of what a judge is made with. The error is what is not there.
    pub(super) fn version(&self, with: &Maker) -> Result<String, &'static str> {
        let versions = |names: &[&'static str], of: &dyn Fn(&str) -> Option<String>| {
            let one = |name: &&'static str| of(name).map(|version| format!("{name} {version}")).ok_or(*name);
            Ok::<_, &'static str>(names.iter().map(one).collect::<Result<Vec<_>, _>>()?.join(", "))
        };
        match with {
            Maker::Program(name) => {
                let said = Cmd::new(name, ["--version"]).answer().ok_or(*name)?;
                // curl lists its libraries behind its own.
                Ok(said.lines().next().map(|line| line.split(" (").next().unwrap_or(line)).unwrap_or(name).to_owned())
            }
            Maker::Python(names) => versions(names, &|name| {
                let code = format!("import importlib.metadata as m; print(m.version('{name}'))");
                Cmd::new(&self.python(), ["-c", &code]).answer()
            }),
            Maker::Node(names) => versions(names, &|name| {
                let manifest = self.modules().join(name).join("package.json");
                Cmd::new("node", ["-p", &format!("require('{}').version", manifest.display())]).answer()
            }),
        }
    }

    /// A judge's script, with all that it has to know.
    pub(super) fn script(&self, judge: &Judge) -> Command {
        let (program, ending) = match judge.with {
            Maker::Program(_) => ("python3".to_owned(), "py"),
            Maker::Python(_) => (self.python(), "py"),
            Maker::Node(_) => ("node".to_owned(), "js"),
        };
        let mut command = Command::new(program);
        command.arg(root().join(format!("xtask/judges/{}.{ending}", judge.name)));
        // What Python compiles of them does not belong into the tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NODE_PATH", self.modules());
        command.env("JUDGED", &self.judged).env("GATEWAY", &self.gateway);
        command
    }
}
