//! Whether a process runs.

use std::{io, sync::Arc};

use plugin_core::{HealthStatus, Probe};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// Healthy while this process runs; Unhealthy once it has ended, also where nobody has waited for it yet.
///
/// It is held by a descriptor (`pidfd`) from now on, so that another process that is given the same number later is not taken
/// for it. That a process runs does not say that it works: it may hang.
///
/// ```
/// use plugin_health::{HealthCheck, HealthConfig, plugin_core::HealthState, probes};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut worker = std::process::Command::new("sleep").arg("1000").spawn()?;
/// let check = HealthCheck::start(HealthConfig::default(), probes::process(worker.id())?);
/// assert_eq!(check.check_now().await.state, HealthState::Healthy);
/// worker.kill()?;
/// worker.wait()?;
/// assert_eq!(check.check_now().await.state, HealthState::Unhealthy);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When there is no such process, or the system has no more descriptors for this one.
pub fn process(id: u32) -> io::Result<Probe> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let process = Arc::new(pidfd_open(pid, PidfdFlags::empty())?);
    Ok(crate::probe(move || {
        let process = Arc::clone(&process);
        async move {
            // Readable from its end on.
            let mut asked = [PollFd::new(&*process, PollFlags::IN)];
            match poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Ok(0) => HealthStatus::healthy(),
                Ok(_) => HealthStatus::unhealthy(format!("the process {id} has ended")),
                Err(error) => HealthStatus::not_checked(format!("the process {id} cannot be looked at: {error}")),
            }
        }
    }))
}
