//! What runs in the child between fork and exec.
#![allow(unsafe_code)]

use std::{
    fs, io,
    os::{
        fd::{BorrowedFd, RawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    io::{Errno, FdFlags, fcntl_setfd},
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
    thread::set_no_new_privs,
};

use super::ResourceLimits;

/// The first descriptor that is none of the three standard streams.
const FIRST: RawFd = 3;

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
    keep_descriptors(command);
}

/// Keeps from the child whatever descriptors this process has, but for the three streams that the child was given.
///
/// Rust opens files so that no child gets them, and what this process was itself started with (a lock, a socket of its
/// supervisor), or opened in another language, it passes on: the plugin would hold it open, and could use it.
pub(super) fn keep_descriptors(command: &mut Command) {
    let highest = highest();
    let in_child = move || -> io::Result<()> {
        let cloexec = libc::CLOSE_RANGE_CLOEXEC;
        // SAFETY: the system call takes three numbers, and closes nothing: descriptors are marked to be closed by exec.
        if unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, cloexec) } == 0 {
            return Ok(());
        }
        // Before Linux 5.11, or forbidden by a filter of system calls.
        for descriptor in FIRST..=highest {
            // SAFETY: it is used for this one call, for which it need not be open.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
        }
        Ok(())
    };
    // SAFETY: as above. The closure makes the system calls close_range and fcntl, allocates nothing, owns a number, and cannot
    // panic.
    unsafe {
        command.pre_exec(in_child);
    }
}

/// The highest descriptor that is open. One that is opened meanwhile is opened in Rust, and reaches no child.
fn highest() -> RawFd {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.max().unwrap_or(1024)
}
