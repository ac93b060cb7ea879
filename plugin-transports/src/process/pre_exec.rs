//! What runs in the child between fork and exec.
#![allow(unsafe_code)]

use std::{io, os::unix::process::CommandExt, process::Command};

use rustix::{
    io::Errno,
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
    thread::set_no_new_privs,
};

use super::ResourceLimits;

/// Makes the child die with the thread that forks it, limits what it may use, and, unless it must gain privileges,
/// keeps it from doing so.
///
/// `PR_SET_PDEATHSIG` covers the child alone, not what the child starts; the kernel clears it when the child executes
/// a file with set-user-ID or capabilities, which `no_new_privs` makes harmless.
pub(super) fn confine(command: &mut Command, limits: ResourceLimits, no_new_privs: bool) {
    let parent = getpid();
    let in_child = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before the line above sends no signal any more. The child then has another parent.
        if getppid() != Some(parent) {
            return Err(Errno::SRCH.into());
        }
        if no_new_privs {
            set_no_new_privs(true)?;
        }
        Ok(limits.apply_to_self()?)
    };
    // SAFETY: after fork in a process with several threads, only async-signal-safe functions may be called before
    // exec. The closure makes the system calls prctl, getppid, getrlimit and setrlimit, each through rustix, which
    // issues them directly and takes no lock; it allocates nothing (an `io::Error` out of an `Errno` is a number),
    // owns only `Copy` values, and cannot panic.
    unsafe {
        command.pre_exec(in_child);
    }
}
