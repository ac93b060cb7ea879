//! The processes behind pipes.

use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
};

use plugin_transports::lines;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::unix::pipe,
    runtime::{Builder, Runtime},
};

use super::echo::echo;
use crate::groups::child::ChildKind;

/// Gives back what it reads.
pub(super) const PIPE: &str = "pipe";

/// Gives back lines as they come, by tokio.
pub(super) const LINES: &str = "lines";

/// A plugin that gives back its payload.
pub(in crate::groups) const PLUGIN: &str = "plugin";

pub(in crate::groups) const CHILDREN: &[ChildKind] =
    &[(PIPE, || told(bare())), (LINES, || told(by_lines())), (PLUGIN, plugin)];

fn told(ended: io::Result<()>) -> Result<(), String> {
    ended.map_err(|error| error.to_string())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn plugin() -> Result<(), String> {
    let runtime = runtime().map_err(|error| error.to_string())?;
    runtime.block_on(lines::serve(echo())).map_err(|error| error.to_string())
}

fn by_lines() -> io::Result<()> {
    runtime()?.block_on(async {
        let input = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let mut output = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
        let (mut input, mut line) = (BufReader::new(input), Vec::new());
        while input.read_until(b'\n', &mut line).await? > 0 {
            output.write_all(&line).await?;
            line.clear();
        }
        Ok(())
    })
}

fn bare() -> io::Result<()> {
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
