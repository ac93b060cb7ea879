//! From settings to a command that can be started, and from what the kernel answers to an error that helps.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use plugin_core::{Code, PluginError, Sent};

use super::{
    ProcessConfig,
    child::{Child, Pipes},
    env as names, pre_exec,
    spawner::Children,
};

/// Options up to this size fit into one variable: Linux takes 128 KiB for a name and its value.
const OPTIONS_IN_ENV: usize = 96 * 1024;

/// Tries to start a file that somebody still writes, such as an installer that forks before it closes it.
const BUSY_TRIES: u32 = 5;
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// Finds what is to be started, and where. Waits for the disk that has it: whoever starts it later does not have to.
pub(super) fn find(config: &ProcessConfig) -> Result<PathBuf, PluginError> {
    let executable = resolve(&config.executable)?;
    if let Some(dir) = &config.work_dir {
        check_work_dir(dir)?;
    }
    read_beginnings(&executable);
    Ok(executable)
}

/// A script's interpreter may be a script: the kernel goes no further than this.
const INTERPRETERS: usize = 5;

/// Reads what the kernel will read before it starts a program: the beginning of the file, and of its interpreter where it is a
/// script. What is known of a file may be in memory, and the file not. One that may be executed need not be readable.
fn read_beginnings(executable: &Path) {
    let mut next = Some(executable.to_owned());
    for _ in 0..INTERPRETERS {
        let mut beginning = [0; 512];
        let Some(Ok(length)) = next.map(|path| fs::File::open(path)?.read(&mut beginning)) else { return };
        next = interpreter(&beginning[..length]);
    }
}

/// What the first line of a script names as its interpreter.
fn interpreter(beginning: &[u8]) -> Option<PathBuf> {
    let line = beginning.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some(PathBuf::from(OsStr::from_bytes(words.next()?)))
}

/// Starts the process. Blocks for as long as the kernel needs; runs on the spawning thread.
pub(super) fn start(
    config: &ProcessConfig,
    executable: &Path,
    children: &mut Children,
) -> Result<(Child, Pipes), PluginError> {
    let mut command = Command::new(executable);
    command
        .args(&config.args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in &config.env_allow {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(&config.env).envs(variables(config));
    if let Some(options) = options_for_env(config) {
        command.env(names::OPTIONS, options);
    }
    if let Some(dir) = &config.work_dir {
        command.current_dir(dir);
    }
    pre_exec::confine(&mut command, config.resources, config.no_new_privs);

    let mut tries = 1;
    loop {
        match Child::start(&mut command, children) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                thread::sleep(BUSY_WAIT);
            }
            result => return result.map_err(|error| start_error(executable, error)),
        }
    }
}

/// What every process is told.
fn variables(config: &ProcessConfig) -> [(&'static str, &str); 5] {
    [
        (names::COOKIE, names::COOKIE_VALUE),
        (names::PROTOCOL, names::PROTOCOL_VERSION),
        (names::TYPE, &config.kind),
        (names::NAME, &config.name),
        (names::VERSION, &config.version),
    ]
}

/// The options as JSON, when there are any and they fit.
pub(super) fn options_for_env(config: &ProcessConfig) -> Option<String> {
    let options = serde_json::to_string(&config.options).ok()?;
    (!config.options.is_empty() && options.len() <= OPTIONS_IN_ENV && !options.contains('\0')).then_some(options)
}

/// The file that will be executed.
fn resolve(executable: &Path) -> Result<PathBuf, PluginError> {
    if executable.as_os_str().as_encoded_bytes().contains(&b'/') {
        let path = std::path::absolute(executable)
            .map_err(|error| missing(executable, "cannot be resolved").with_source(error))?;
        return match problem(&path) {
            None => Ok(path),
            Some(problem) => Err(missing(&path, problem)),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(executable)).find(|file| problem(file).is_none());
    found.ok_or_else(|| missing(executable, "is in no directory of the host's PATH; give its path"))
}

/// Why this file cannot be executed, if that can be seen.
fn problem(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Some("is a directory"),
        Ok(meta) if !meta.is_file() => Some("is not a file"),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Some("is not executable; chmod +x would make it so"),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("is in a directory that the host may not enter")
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Some("has a file where a directory must be"),
        Err(_) => Some("does not exist"),
    }
}

fn missing(path: &Path, problem: &str) -> PluginError {
    PluginError::new(Code::MissingExecutable, format!("the executable {path:?} {problem}"))
        .with_message_for_callers(format!("the executable {problem}"))
        .with_sent(Sent::Nothing)
}

fn check_work_dir(dir: &Path) -> Result<(), PluginError> {
    let problem = match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => "is not a directory",
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => "may not be entered by the host",
        Err(_) => "does not exist",
    };
    Err(PluginError::new(Code::ConfigValue, format!("the work_dir {dir:?} {problem}"))
        .with_message_for_callers(format!("the work_dir {problem}"))
        .with_sent(Sent::Nothing))
}

fn start_error(executable: &Path, error: io::Error) -> PluginError {
    use io::ErrorKind as CodeKind;
    let problem = match error.kind() {
        // The file itself was there a moment ago.
        CodeKind::NotFound => "was found, but not the interpreter that it names",
        CodeKind::PermissionDenied => "may not be executed by the host, or its work_dir may not be entered",
        CodeKind::ExecutableFileBusy => "is still being written",
        CodeKind::ArgumentListTooLong => "was given arguments and variables that are too long together",
        _ => {
            let text = format!("the executable {executable:?} could not be started");
            let busy = matches!(error.kind(), CodeKind::WouldBlock | CodeKind::OutOfMemory | CodeKind::ResourceBusy);
            return PluginError::new(Code::ExecTransport, text)
                .with_message_for_callers("the executable could not be started")
                .with_retryable(busy)
                .with_sent(Sent::Nothing)
                .with_source(error);
        }
    };
    missing(executable, problem).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter() {
        let of = |beginning: &[u8]| interpreter(beginning).map(|path| path.display().to_string());
        assert_eq!(of(b"#!/usr/bin/env python3\nimport sys\n").as_deref(), Some("/usr/bin/env"));
        assert_eq!(of(b"#!  /opt/venv/bin/python\t-u").as_deref(), Some("/opt/venv/bin/python"));
        for none in [&b"\x7fELF"[..], b"", b"#", b"#!", b"#! \n/bin/sh\n"] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
