//! What the workspace says of itself: the manifests, and the pages that name files.

mod manifests;
mod pages;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directory of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
