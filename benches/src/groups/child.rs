//! The other processes of a measurement: this program itself, started with an argument.

use std::path::PathBuf;

/// The argument that makes this program a child of a measurement. Its kind follows.
pub const ARGUMENT: &str = "--child";

/// A kind of child, and what it does until its standard input is closed.
pub(super) type ChildKind = (&'static str, fn() -> Result<(), String>);

/// This program. A test is another one, and cargo has put this one into the directory above that of the tests.
pub(super) fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a path of its own");
    let dir = own.parent().expect("it stands in a directory");
    if dir.ends_with("deps") { dir.with_file_name("benches") } else { own }
}
