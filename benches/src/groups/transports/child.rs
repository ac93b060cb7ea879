//! The processes behind pipes.

use std::io::{self, Read, Write};

use plugin_transports::lines;

use super::echo::echo;
use crate::groups::child::ChildKind;

/// Gives back what it reads.
pub(super) const PIPE: &str = "pipe";

/// A plugin that gives back its payload.
pub(in crate::groups) const PLUGIN: &str = "plugin";

pub(in crate::groups) const CHILDREN: &[ChildKind] =
    &[(PIPE, || pipe().map_err(|error| error.to_string())), (PLUGIN, plugin)];

fn plugin() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(lines::serve(echo())).map_err(|error| error.to_string())
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
