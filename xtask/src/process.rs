//! Runs other programs from the root of the repository, and says what failed in words that can be typed again.

use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// Why a step did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    what: String,
    rerun: Option<String>,
}

impl Failure {
    /// Something that no single command repeats.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), rerun: None }
    }

    /// `command` was run, and `what` is wrong with it.
    pub(crate) fn of(command: &Cmd, what: impl fmt::Display) -> Self {
        let shown = command.to_string();
        Self { what: format!("`{shown}`: {what}"), rerun: Some(shown) }
    }

    /// Adds a sentence on what to look at.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.what = format!("{}; {hint}", self.what);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.rerun {
            Some(rerun) => write!(f, "\nrerun: {rerun}"),
            None => Ok(()),
        }
    }
}

/// A command line, kept in the form in which it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
}

impl Cmd {
    pub(crate) fn new<S: Into<String>>(program: &str, args: impl IntoIterator<Item = S>) -> Self {
        Self { program: program.to_owned(), args: args.into_iter().map(Into::into).collect(), env: Vec::new() }
    }

    pub(crate) fn cargo<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::new("cargo", args)
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs it with its output passed through.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.announce();
        let status = self.command().status().map_err(|error| self.did_not_start(&error))?;
        self.judge(status)
    }

    /// Runs it with its output passed through, and returns the last line of standard error for which `keep` is true,
    /// without its colours.
    pub(crate) fn run_keeping(&self, keep: impl Fn(&str) -> bool) -> Result<Option<String>, Failure> {
        self.announce();
        let mut command = self.command();
        // Behind a pipe the child would drop its colours, though a person is watching.
        if io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| self.did_not_start(&error))?;
        let mut kept = None;
        if let Some(stderr) = child.stderr.take() {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            // A line that cannot be read or shown ends the copy, not the child: its status decides.
            while matches!(stderr.read_until(b'\n', &mut line), Ok(1..)) {
                if io::stderr().write_all(&line).is_err() {
                    break;
                }
                let plain = without_colours(&String::from_utf8_lossy(&line));
                if keep(plain.trim()) {
                    kept = Some(plain.trim().to_owned());
                }
                line.clear();
            }
        }
        let status = child.wait().map_err(|error| Failure::of(self, error))?;
        self.judge(status).map(|()| kept)
    }

    /// Runs it silently and returns its standard output; standard error is passed through.
    pub(crate) fn output(&self) -> Result<String, Failure> {
        let output = self.command().stderr(Stdio::inherit()).output().map_err(|error| self.did_not_start(&error))?;
        self.judge(output.status)?;
        String::from_utf8(output.stdout).map_err(|_| Failure::of(self, "its output is not UTF-8"))
    }

    /// What it prints to standard output, or `None` when it cannot be run or fails. For questions, so nothing is shown.
    pub(crate) fn answer(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(root());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn announce(&self) {
        println!("$ {self}");
    }

    fn did_not_start(&self, error: &io::Error) -> Failure {
        Failure::of(self, format!("cannot start `{}`: {error}", self.program))
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Failure> {
        match status.code() {
            Some(0) => Ok(()),
            Some(code) => Err(Failure::of(self, format!("exit code {code}"))),
            None => Err(Failure::of(self, format!("ended by a signal ({status})"))),
        }
    }
}

/// As it would be typed into a shell.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Drops the escape sequences that set colours (`ESC [ ... m`).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // Everything up to and with the first letter belongs to the sequence.
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The root of the repository: this crate lives one level below it.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; the compiled-in path serves a binary that is started by hand.
    let manifest_dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let mut root = PathBuf::from(manifest_dir);
    root.pop();
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let command = Cmd::cargo(["test", "-E", "test(soak)"]).env("RUSTFLAGS", "--cfg loom");
        assert_eq!(command.to_string(), "RUSTFLAGS='--cfg loom' cargo test -E 'test(soak)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_failure_names_the_command_the_code_and_how_to_repeat_it() {
        let failure = Cmd::cargo(["no-such-subcommand"]).run().unwrap_err();
        assert_eq!(failure.to_string(), "`cargo no-such-subcommand`: exit code 101\nrerun: cargo no-such-subcommand");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = Cmd::new("no-such-program", ["x"]).run().unwrap_err();
        assert!(failure.to_string().contains("cannot start `no-such-program`"), "{failure}");
    }

    #[test]
    fn the_last_kept_line_is_returned_without_colours() {
        let script = r"printf 'one\n\033[32;1mSummary\033[0m first\n  Summary second\nthree\n' >&2";
        let kept = Cmd::new("sh", ["-c", script]).run_keeping(|line| line.starts_with("Summary")).unwrap();
        assert_eq!(kept.as_deref(), Some("Summary second"));
        assert_eq!(without_colours("\u{1b}[32;1mSummary\u{1b}[0m first"), "Summary first");
    }

    #[test]
    fn a_failing_command_fails_though_its_line_was_kept() {
        let failure = Cmd::new("sh", ["-c", "echo Summary >&2; exit 3"]).run_keeping(|_| true).unwrap_err();
        assert!(failure.to_string().contains("exit code 3"), "{failure}");
    }
}
