//! Whether what is to be executed is there, and what was meant where it is not. Waits for disks.

use std::path::{Path, PathBuf};

use plugin_settings::Context;
use rustix::fs::{Access, access};

/// Where a program is looked for.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// That of the configuration, from which paths start.
    dir: PathBuf,
    /// `PATH`.
    path: String,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) executable: Option<PathBuf>,
    pub(super) problem: Option<String>,
    /// What is wrong with the directory that it is to work in.
    pub(super) no_work_dir: Option<String>,
}

impl Search {
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self { dir: context.dir.clone(), path: (context.env)("PATH").unwrap_or_default() }
    }

    pub(super) fn look(&self, text: &str, work_dir: Option<&Path>) -> Looked {
        let executable = self.locate(text);
        let problem = match &executable {
            Ok(path) => unfit(path)
                .map(|flaw| format!("the executable {:?} {flaw}{}", self.dir.join(shown(text)), self.meant(text))),
            Err(problem) => Some(problem.clone()),
        };
        let no_work_dir = work_dir.filter(|dir| !dir.is_dir()).map(|dir| {
            let problem = if dir.exists() { "is not a directory" } else { "is not there" };
            format!("the directory {dir:?} {problem}{}", dir.to_str().and_then(unexpanded).unwrap_or_default())
        });
        Looked { executable: executable.ok(), problem, no_work_dir }
    }

    /// What is known without a look.
    pub(super) fn unseen(&self, text: &str) -> Looked {
        let executable = text.contains('/').then(|| self.dir.join(text));
        Looked { executable, problem: None, no_work_dir: None }
    }

    /// A path starts from the directory of the configuration; a bare name is looked up in `PATH`.
    fn locate(&self, text: &str) -> Result<PathBuf, String> {
        if text.contains('/') {
            return Ok(self.dir.join(text));
        }
        let found = std::env::split_paths(&self.path).map(|dir| dir.join(text)).find(|path| unfit(path).is_none());
        found.ok_or_else(|| {
            let beside = self.dir.join(text);
            if beside.is_dir() {
                return format!("the executable {beside:?} is a directory; name the program in it");
            }
            let hint = match unfit(&beside) {
                None => format!("; write \"./{text}\" for {beside:?}"),
                Some(_) if beside.exists() => {
                    let other = by_interpreter(&beside, text);
                    format!(", and {beside:?} is not executable; with `chmod +x` it is, as \"./{text}\"{other}")
                }
                Some(_) => self.meant(text),
            };
            format!("no directory of PATH has a program {:?}{hint}", shown(text))
        })
    }

    /// What somebody has meant who writes this as they would for a shell.
    fn meant(&self, text: &str) -> String {
        if let Some(hint) = unexpanded(text) {
            return hint;
        }
        let path = self.dir.join(text);
        if path.is_file() && !text.contains(char::is_whitespace) {
            return by_interpreter(&path, text);
        }
        let mut words = text.split_whitespace();
        let Some(program) = words.next().filter(|program| program.len() < text.len()) else { return String::new() };
        match self.locate(program) {
            // They are not repeated, since a secret may be among them.
            Ok(path) if unfit(&path).is_none() => {
                format!(
                    "; its arguments go into `args`: write `executable: {program:?}`, and each of them as an item of `args`"
                )
            }
            _ => String::new(),
        }
    }
}

/// What is written as the executable, up to what may be an argument or the value of a variable: either may be a secret.
fn shown(text: &str) -> String {
    let (program, more) = text.split_once(char::is_whitespace).map_or((text, ""), |(program, _)| (program, " ..."));
    match program.split_once('=') {
        Some((name, _)) => format!("{name}=..."),
        None => format!("{program}{more}"),
    }
}

/// What a shell would have made another path of, and nobody does here.
fn unexpanded(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    if parts.clone().any(|part| part == "~") || path.starts_with('~') {
        return Some("; `~` is not expanded here: write the whole path, or begin with ${HOME}".to_owned());
    }
    let name = parts.find_map(|part| part.strip_prefix('$'))?;
    Some(format!("; a variable has braces here: write ${{{name}}}"))
}

/// How a script is started that cannot be executed.
fn by_interpreter(path: &Path, text: &str) -> String {
    let known = [("py", "python3"), ("js", "node"), ("rb", "ruby"), ("sh", "sh"), ("pl", "perl")];
    let extension = path.extension().and_then(|extension| extension.to_str());
    let interpreter = known.into_iter().find(|(ending, _)| Some(*ending) == extension);
    interpreter.map_or_else(String::new, |(_, program)| {
        format!("; a script can be started by its interpreter: write `executable: {program:?}` and `args: [{text:?}]`")
    })
}

/// Why a file cannot be executed.
fn unfit(path: &Path) -> Option<String> {
    let problem = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is not there".to_owned(),
        Err(error) => format!("cannot be looked at: {error}"),
        Ok(meta) if meta.is_dir() => "is a directory".to_owned(),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => "is not executable; `chmod +x` makes it so".to_owned(),
        Ok(_) => return None,
    };
    Some(problem)
}
