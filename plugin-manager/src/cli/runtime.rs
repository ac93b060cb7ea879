//! The runtime that a command runs on.

use std::{future::Future, time::Duration};

use tokio::runtime::Builder;

use super::CommandFault;

/// So long the end of a command waits for threads that wait themselves: for a disk, or for the name of a host.
///
/// What a command has to bring to its end, it has awaited. Such a thread can neither be stopped nor be told how long to wait, and one
/// at a disk that stands still would keep the process for as long.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Runs this to its end on a runtime of its own, and ends that within a bound.
pub(super) fn block_on<T>(
    runtime: &mut Builder,
    command: impl Future<Output = Result<T, CommandFault>>,
) -> Result<T, CommandFault> {
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| CommandFault::Failed(format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use plugin_core::clock;

    use super::*;

    /// The end of the runtime waited for it, without bound.
    #[test]
    fn a_command_ends_though_a_thread_of_its_runtime_waits_for_a_disk() {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            let ((begun, has_begun), (end, is_over)) = (mpsc::channel(), mpsc::channel::<()>());
            let began = clock::now();
            let outcome = block_on(&mut builder, async move {
                let disk = move || {
                    begun.send(()).expect("somebody waits for it");
                    // An error is the end of the test.
                    let _ = is_over.recv_timeout(Duration::from_secs(20));
                };
                drop(tokio::task::spawn_blocking(disk));
                has_begun.recv().map_err(|error| CommandFault::Failed(error.to_string()))
            });
            assert!(outcome.is_ok(), "{outcome:?}");
            assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
            drop(end);
        }
    }
}
