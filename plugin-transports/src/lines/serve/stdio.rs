//! The standard streams of a plugin, as the protocol uses them.

use std::{
    io::{self, stderr, stdin, stdout},
    os::fd::AsFd,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::unix::pipe::{Receiver, Sender},
};

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Takes stdin and stdout for the protocol. From here on what the plugin prints to stdout goes to stderr, and so into
/// the host's log: a forgotten `println!` cannot break the protocol.
pub(super) fn take() -> io::Result<(Input, Output)> {
    // A pipe, which is what a host gives, is read and written without a thread. A file or a socket needs tokio's own
    // streams, which have one.
    let input: Input = match Receiver::from_owned_fd(stdin().as_fd().try_clone_to_owned()?) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::io::stdin()),
    };
    let output: Output = match Sender::from_owned_fd(stdout().as_fd().try_clone_to_owned()?) {
        Ok(pipe) => {
            rustix::stdio::dup2_stdout(stderr().as_fd())?;
            Box::new(pipe)
        }
        Err(_) => Box::new(tokio::io::stdout()),
    };
    Ok((input, output))
}
