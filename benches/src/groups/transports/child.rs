//! The processes behind pipes: this program itself, started with an argument.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use plugin_transports::lines;

use super::echo::echo;

/// The argument that makes this program a child of a measurement. One of the modes follows it.
pub const ARGUMENT: &str = "--child";

/// Gives back what it reads.
pub(super) const PIPE: &str = "pipe";

/// A plugin that gives back its payload.
pub(super) const PLUGIN: &str = "plugin";

/// Runs as this kind of child until stdin is closed.
///
/// # Errors
///
/// When there is no such kind, or when it cannot go on.
pub fn run(mode: &str) -> Result<(), String> {
    match mode {
        PIPE => pipe().map_err(|error| error.to_string()),
        PLUGIN => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(lines::serve(echo())).map_err(|error| error.to_string())
        }
        other => Err(format!("{ARGUMENT} {other}: use {PIPE} or {PLUGIN}")),
    }
}

fn pipe() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        output.write_all(&buffer[..read])?;
        output.flush()?;
    }
}

/// This program. A test is another one, and cargo has put this one into the directory above that of the tests.
pub(super) fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a path of its own");
    let dir = own.parent().expect("it stands in a directory");
    if dir.ends_with("deps") { dir.with_file_name("benches") } else { own }
}
