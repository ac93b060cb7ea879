//! What is in a file now.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    path::Path,
};

/// All bytes of a regular file, of no more than `most`.
///
/// It may wait for a disk.
pub(crate) fn contents(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: to open a device may do something.
    regular(&path.metadata()?)?;
    let file = open(path)?;
    // And after: another one may have its place by now.
    let about = file.metadata()?;
    regular(&about)?;
    let length = usize::try_from(about.len().min(most)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(length);
    // One more, to know that there is more.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("it is longer than {}", plugin_core::settings::bytes(most))))
}

fn regular(about: &Metadata) -> io::Result<()> {
    if about.is_file() { Ok(()) } else { Err(io::Error::other("it is no regular file")) }
}

/// Opens it to read. A pipe that nobody writes to would be waited for without an end, and the thread with it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;

        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        options.custom_flags(i32::try_from(flags).map_err(io::Error::other)?);
    }
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_that_takes_the_place_of_the_file_holds_up_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().expect("`mkfifo` is there").success());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(open(&path).and_then(|file| regular(&file.metadata()?))));
        let opened = told.recv_timeout(std::time::Duration::from_secs(10)).expect("it does not wait for who writes");
        assert_eq!(opened.expect_err("no file").to_string(), "it is no regular file");
    }
}
