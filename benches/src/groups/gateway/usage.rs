//! What a program has used, with the processes that it has started.

use std::{fs, time::Duration};

/// `/proc` counts in hundredths of a second, on every machine (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The user and system time of a program and all that it has started, as far as they run.
pub(super) fn cpu(pid: u32) -> Result<Duration, String> {
    let ticks: u64 = family(pid)?.iter().map(|process| process.ticks).sum();
    Ok(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// The memory that they hold, in bytes. Of a page that several processes share each has its part (`Pss`).
pub(super) fn memory(pid: u32) -> Result<u64, String> {
    let mut bytes = 0;
    for process in family(pid)? {
        let file = format!("/proc/{}/smaps_rollup", process.pid);
        let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        let kib = proportional(&text).ok_or_else(|| format!("{file} has no line `Pss`"))?;
        bytes += kib << 10;
    }
    Ok(bytes)
}

fn proportional(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

/// A process and those that it has started, and those that they have.
fn family(pid: u32) -> Result<Vec<Process>, String> {
    let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let stats = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let all: Vec<Process> = stats.filter_map(|text| process(&text)).collect();
    let mut family: Vec<Process> = all.iter().copied().filter(|process| process.pid == pid).collect();
    let mut next = 0;
    while let Some(parent) = family.get(next).map(|process| process.pid) {
        family.extend(all.iter().filter(|process| process.parent == parent));
        next += 1;
    }
    if family.is_empty() { Err(format!("process {pid} is gone")) } else { Ok(family) }
}

/// A line of `/proc/PID/stat`, see proc(5).
fn process(stat: &str) -> Option<Process> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    // The name may have blanks and parentheses in it. Behind it stand the state, the parent, and the times as 12th and 13th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Process { pid, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name_is() {
        let line = "4711 (a ) (b) S 1 4711 4711 0 -1 4194560 170 0 0 0 25 17 3 4 20 0 1 0 100 2 3";
        assert_eq!(process(line), Some(Process { pid: 4711, parent: 1, ticks: 42 }));
        assert_eq!(process("4711 (a) S 1"), None);
        assert_eq!(proportional("Rss:     900 kB\nPss:     512 kB\nPss_Dirty: 3 kB\n"), Some(512));
    }

    #[test]
    fn a_program_is_counted_with_what_it_has_started() {
        let own = std::process::id();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let pids: Vec<u32> = family(own).expect("this process").iter().map(|process| process.pid).collect();
        assert!(pids.contains(&own) && pids.contains(&child.id()), "{pids:?}");
        assert!(memory(own).expect("readable") > 0);
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert!(cpu(0).is_err(), "there is no such process");
    }
}
