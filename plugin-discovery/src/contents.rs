//! What is in a file now.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// All bytes of a regular file, of no more than `most`.
///
/// It may wait for a disk.
pub(super) fn contents(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: to open a pipe waits for whoever writes to it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len().min(most)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(length);
    // One more, to know that there is more.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("it is longer than {}", plugin_core::settings::bytes(most))))
}
