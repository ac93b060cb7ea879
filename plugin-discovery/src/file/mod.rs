//! A file that is read again and again.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_discovery::{Discovery, file::FileSource};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("instances.json");
//! std::fs::write(&path, r#"[
//!     {"address": "10.0.0.1:8080", "weight": 3, "zone": "north"},
//!     {"address": "10.0.0.2:8080", "name": "second", "priority": -1, "draining": true}
//! ]"#)?;
//!
//! let discovery = Discovery::start(FileSource::new(&path));
//! let found = discovery.first(Duration::from_secs(5)).await?;
//! assert_eq!((found[0].weight(), found[1].name()), (3, "second"));
//! # Ok(())
//! # }
//! ```
//!
//! # The file
//!
//! A list in JSON, of objects with these keys. Another key is a fault, and so are two instances with one name; the
//! fault has the line and the column.
//!
//! | key | | default |
//! |---|---|---|
//! | `address` | `10.0.0.1:8080`, `[fd00::1]:8080` or `host:8080`; the port is from 1 to 65535 | must be there |
//! | `name` | text that is not empty, unique in the file; one that stays while its address changes is taken for the same instance by who keeps connections by name | the address |
//! | `weight` | whole number, from 1 to 1000000 | 1 |
//! | `priority` | whole number, larger is higher | 0 |
//! | `zone` | text that is not empty | none |
//! | `draining` | `true`: it still finishes its calls, and takes no new ones | `false` |
//!
//! # When it is read
//!
//! At once, and then after each `interval`, whole: its name is looked up anew, so a file that another one was moved in
//! the place of, a link that points elsewhere (as those of a Kubernetes `ConfigMap` do), and a file system that tells
//! nobody of changes are all the same. Whether it has changed is told by what is in it; its times and its size say
//! less.
//!
//! Who writes the file should move a whole one into its place. One that is written in place is not whole for a moment;
//! such a list has no end, so it is a fault, and the set from before holds until the next look.
//!
//! # What fails
//!
//! A file that is not there, may not be read, is no regular file, is longer than
//! [`MAX_LENGTH`](FileSource::MAX_LENGTH), or is no such list is `Unreadable`: it says nothing of the instances, so the
//! last good set is kept. `[]` says that there are none. One that is still being read after 10 seconds, as where a disk
//! or a server of files stands still, is `Unreachable` until it was read; no second reading is begun beside it.
//!
//! The [page of the crate](crate#settings-of-a-file) has the settings.

mod config;
mod parse;
mod settings;
mod source;

pub use config::{FileConfig, FileConfigBuilder};
#[cfg(any(fuzzing, test))]
pub(crate) use parse::parse;
pub use source::FileSource;
