//! Running the program, talking to it, and looking at what it leaves behind.

mod gateway;
mod http;
mod proc;
mod program;

use std::time::Duration;

pub(crate) use gateway::{Gateway, gateway, ports, starting_gateway};
pub(crate) use http::{Client, get, has_line, post};
pub(crate) use proc::{children, gone, kill, none_running, state};
pub(crate) use program::{Ended, Program, run};
pub(crate) use rustix::process::Signal;

/// Nothing here takes this long, on however slow a machine; what does has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(found) => found,
        Err(_) => panic!("{what}: not within {LIMIT:?}"),
    }
}

/// A file of the examples.
pub(crate) fn example(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    root.join("examples").join(path).to_str().expect("text").to_owned()
}
