//! One run of the program, with what it has printed so far.

use std::{
    ffi::OsStr,
    io::{ErrorKind, Read, Write},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    process::{Pid, Signal, kill_process},
};

use super::{LIMIT, until};

/// A run that is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Printed,
    stderr: Printed,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; none when it was killed.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts that it worked and complained of nothing, and gives back what it printed.
    #[track_caller]
    pub(crate) fn worked(self) -> String {
        assert_eq!((self.code(), self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// Asserts that it failed with this code and printed nothing but what is wrong, and gives that back.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code(), self.stdout.as_str()), (Some(code), ""), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr
    }
}

impl Program {
    /// Starts the program in an environment of which nothing concerns it.
    pub(crate) fn start(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::start_with(args, &[], "")
    }

    /// Starts it with these variables, and this on its standard input.
    pub(crate) fn start_with(
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        env: &[(&str, &str)],
        input: &str,
    ) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        Self::start_into(args, env, input, writer, Printed::of_pipe(reader))
    }

    /// Starts it with a standard output that nobody reads.
    pub(crate) fn start_unread(args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdout: impl Into<Stdio>) -> Self {
        Self::start_into(args, &[], "", stdout, Printed::read(std::io::empty()))
    }

    fn start_into(
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        env: &[(&str, &str)],
        input: &str,
        out: impl Into<Stdio>,
        stdout: Printed,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        for name in ["APP_ENV", "PLUGIN_MANAGER_URL", "PLUGIN_MANAGER_ADMIN", "PLUGIN_MANAGER_TOKEN", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.args(args).envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(out).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        // With its end of the pipe, which would keep that open.
        drop(command);
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that does not read its input may have closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let stderr = Printed::of_pipe(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("it runs, or has not been waited for");
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has printed this, or has ended.
    pub(crate) async fn prints(&mut self, text: &str) -> Result<(), ExitStatus> {
        until(&format!("it prints {text:?}"), async || {
            let printed = || self.stdout.text().contains(text) || self.stderr.text().contains(text);
            if printed() {
                return Some(Ok(()));
            }
            let ended = self.child.try_wait().expect("a child");
            ended.map(|status| if self.is_read() && printed() { Ok(()) } else { Err(status) })
        })
        .await
    }

    /// Waits until standard error has all of these, and returns what it has then. The log is written by a thread of its
    /// own and read by another, so a line may come after the answer of the call that it tells of.
    pub(crate) async fn logs(&self, texts: &[&str]) -> String {
        let limit = tokio::time::Instant::now() + LIMIT;
        loop {
            let said = self.stderr();
            let missing = texts.iter().find(|text| !said.contains(**text));
            let Some(missing) = missing else { return said };
            assert!(tokio::time::Instant::now() < limit, "{missing:?} is not in the log: {said}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Closes the pipes that it prints to.
    pub(crate) fn stop_reading(&mut self) {
        self.stdout.close();
        self.stderr.close();
    }

    /// Leaves what it prints to standard error in the pipe, which is full soon, or reads it again.
    pub(crate) fn hold_stderr(&self, hold: bool) {
        self.stderr.hold.store(hold, Ordering::Relaxed);
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits for its end.
    pub(crate) async fn ends(mut self) -> Ended {
        let status = until("it ends", async || self.child.try_wait().expect("a child")).await;
        // A process that it left behind with its pipes would keep them open.
        until("nobody holds its standard output and error", async || self.is_read().then_some(())).await;
        Ended { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn is_read(&self) -> bool {
        self.stdout.reader.is_finished() && self.stderr.reader.is_finished()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What has come out of a pipe.
struct Printed {
    bytes: Arc<Mutex<Vec<u8>>>,
    enough: Arc<AtomicBool>,
    hold: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Printed {
    fn of_pipe(pipe: impl Read + AsFd + Send + 'static) -> Self {
        // So that the thread notices when it is to close the pipe.
        fcntl_setfl(&pipe, OFlags::NONBLOCK).expect("a pipe");
        Self::read(pipe)
    }

    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let (bytes, enough) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (read, told) = (Arc::clone(&bytes), Arc::clone(&enough));
        let hold = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&hold);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Relaxed: nothing else is read because of it.
            while !told.load(Ordering::Relaxed) {
                if held.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                match pipe.read(&mut buffer) {
                    Ok(count @ 1..) => {
                        read.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                    _ => return,
                }
            }
        });
        Self { bytes, enough, hold, reader }
    }

    /// Closes the pipe, and waits until it is.
    fn close(&self) {
        self.enough.store(true, Ordering::Relaxed);
        while !self.reader.is_finished() {
            std::thread::yield_now();
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Runs the program to its end with a command and a configuration file.
pub(crate) async fn run(command: &[&str], file: &Path) -> Ended {
    let file = [OsStr::new("--config"), file.as_os_str()];
    Program::start(command.iter().map(OsStr::new).chain(file)).ends().await
}
