//! One process from its start to its end.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    CallContext, Code, PluginError, PluginInfo, Sent,
    clock::{self, Instant},
    counted, deadline, rounded,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionread,
};
use tokio::time::{Sleep, sleep, timeout};

use super::{
    ProcessConfig, ResourceLimits,
    child::{Child, describe},
    command,
    introduction::{self, Methods},
    link::{LinkState, Pipe},
    spawner,
    stderr::Stderr,
};
use crate::{
    lines::{
        client::{ConnectionEnd, Driver, Failure, LineConnection, Loss, Place, connect},
        codec::{Fault, Frame},
    },
    wire::confidential::Confidential,
};

/// How long a dead process's pipes are read for what it wrote before it died. Only a grandchild that left the process
/// group can make this be waited for.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// How long a process may go on after it closed its stdout before it is taken for broken. One that dies closes it a
/// moment earlier, which on a busy machine is a long one, and how it died says more than that it did.
const DYING: Duration = Duration::from_millis(500);

/// How often it is looked whether calls have ended.
const LOOK: Duration = Duration::from_millis(5);

/// How long a killed process is waited for before it is left to the spawning thread.
const REAP: Duration = Duration::from_secs(1);

/// How long the others of a killed process's group are waited for.
const GROUP: Duration = Duration::from_millis(200);

/// A process that is up and ready. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    connection: Arc<LineConnection<Pipe>>,
    driver: Driver<Pipe>,
    stderr: Stderr,
    info: PluginInfo,
    methods: Methods,
    ready: Instant,
}

/// How a process was stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// It did not have to be killed.
    pub(super) by_itself: bool,
    /// Calls that it may have seen, and that have no answer.
    pub(super) cut: usize,
}

/// Starts the process and takes it through `info` and `init`. Dropping the future kills what was started.
pub(super) async fn launch(shared: &LinkState, started: impl FnOnce(u32)) -> Result<Running, PluginError> {
    let LinkState { config, name, files, confidential, dropped_lines, .. } = shared;
    let mut limit = std::pin::pin!(deadline::limit(config.start_timeout));
    let late = |what: &str| not_ready(format!("{what} within the start timeout of {}", rounded(config.start_timeout)));

    let unable =
        |error| not_ready("the process could not be set up".to_owned()).with_source(error).with_plugin(name.clone());
    let for_thread = config.clone();
    let found = tokio::select! {
        found = files.look(move || command::find(&for_thread)) => found,
        () = &mut limit => {
            let late = late("the executable and the work_dir could not be read");
            let problem = format!("{}: does the disk stand still that has them?", late.message());
            return Err(not_ready(problem).with_plugin(name.clone()));
        }
    };
    let executable = found.map_err(unable)?.map_err(|error| error.with_plugin(name.clone()))?;
    let for_thread = config.clone();
    let spawned = tokio::select! {
        spawned = spawner::run(move |children| command::start(&for_thread, &executable, children)) => spawned,
        () = &mut limit => return Err(late("the process could not be started").with_plugin(name.clone())),
    };
    let (mut child, pipes) = spawned.map_err(unable)?.map_err(|error| error.with_plugin(name.clone()))?;
    started(child.id());
    let (stdin, stdout, stderr) = pipes.register().map_err(unable)?;
    let mut stderr = Stderr::follow(name.clone(), stderr, config.stderr, confidential.clone(), dropped_lines.clone());
    let (connection, mut driver) = connect(name.clone(), stdout, stdin, config.limits);
    driver.hide(confidential.clone());
    let has_info = AtomicBool::new(false);

    let fault = tokio::select! {
        biased;
        hello = greet(&connection, config, confidential, name, &has_info) => match hello {
            Ok((info, methods)) => {
                return Ok(Running { child, connection, driver, stderr, info, methods, ready: clock::now() });
            }
            Err(error) => error,
        },
        end = &mut driver => not_ready(format!("the process {} before it was ready", why(end, &mut child).await)),
        status = child.ended() => match status {
            Ok(status) => not_ready(format!("the process {} before it was ready", describe(status))),
            Err(error) => unable(error),
        },
        () = &mut limit => {
            let heard = heard(connection.counts().noise);
            let asked = if has_info.load(Ordering::Relaxed) { "init" } else { "info" };
            let late = late("the plugin was not ready");
            not_ready(format!("{}: it has not answered `{asked}`, and {heard}", late.message()))
        }
    };
    // What it complained about is on stderr, and often the only hint.
    child.kill();
    let _ = timeout(REAP, child.ended()).await;
    // Nobody waits for an answer here, and on a busy machine they are read late.
    let _ = timeout(DYING, stderr.end()).await;
    let fault = match last_words_of(&stderr) {
        Some(said) => fault.with_detail_for_operators(said),
        None => fault,
    };
    Err(fault.with_plugin(name.clone()))
}

/// What a process has said last on its stderr, if anything.
fn last_words_of(stderr: &Stderr) -> Option<String> {
    let tail = stderr.tail();
    (!tail.is_empty()).then(|| format!("the end of its stderr:\n{tail}"))
}

/// What came on a plugin's stdout that gave no answer in time.
fn heard(lines: u64) -> String {
    if lines == 0 {
        // What a language buffers where stdout is no terminal is the commonest reason.
        return "nothing came on its stdout (does it flush after each line?)".to_owned();
    }
    format!("what came on its stdout is no answer ({}; its log belongs on stderr)", counted(lines, "line"))
}

fn not_ready(text: String) -> PluginError {
    PluginError::new(Code::ConnectionFailed, text).with_sent(Sent::Nothing)
}

/// Asks what the plugin is, and delivers its options.
async fn greet(
    connection: &Arc<LineConnection<Pipe>>,
    config: &ProcessConfig,
    confidential: &Confidential,
    name: &str,
    has_info: &AtomicBool,
) -> Result<(PluginInfo, Methods), PluginError> {
    let unread = |error: PluginError| error.with_texts(|text| confidential.hidden(text));
    let (info, methods) = match ask(connection, "info", b"null").await.map_err(unread)? {
        Ok(json) => {
            let told = std::str::from_utf8(&json).ok().and_then(|said| confidential.hidden(said));
            introduction::info(told.as_deref().map_or(&*json, str::as_bytes), name)
        }
        // A plugin that knows only `execute` says so with an error.
        Err(_) => introduction::info(b"null", name),
    };
    if methods.init {
        has_info.store(true, Ordering::Relaxed);
        let options = serde_json::to_vec(&config.options).unwrap_or_else(|_| b"{}".to_vec());
        if let Err(fault) = ask(connection, "init", &options).await.map_err(unread)? {
            // What it says of them is for those who gave them.
            let (refused, said) = ("the plugin refused its options", confidential.hide_in(fault.text));
            let error = PluginError::execution(format!("{refused}: {said}")).with_message_for_callers(refused);
            return Err(error.with_sent(Sent::Nothing));
        }
    } else if !config.options.is_empty() && command::options_for_env(config).is_none() {
        let text = "the options are too long for a variable, and the plugin has no method `init` to take them";
        return Err(PluginError::new(Code::ConfigValue, text).with_sent(Sent::Nothing));
    }
    Ok((info, methods))
}

type Introduction = Result<bytes::Bytes, Fault>;

async fn ask(
    connection: &Arc<LineConnection<Pipe>>,
    method: &str,
    payload: &[u8],
) -> Result<Introduction, PluginError> {
    let frame = Frame::new(method, payload, &CallContext::new(), 0);
    match connection.exchange_at(Place::Ahead, frame).await {
        Ok(answer) => Ok(answer.result),
        Err(Failure::ReplyTooLarge(limit)) => {
            Err(not_ready(format!("the reply to `{method}` is longer than {limit} bytes")))
        }
        Err(Failure::LimitExceeded(beyond)) => {
            Err(not_ready(format!("the reply to `{method}` is not accepted: {beyond}")))
        }
        Err(Failure::Unreadable(why)) => Err(not_ready(format!("the reply to `{method}` cannot be read: {why}"))),
        // The end of the process is told, and better, by whoever watches it.
        Err(_) => std::future::pending().await,
    }
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn connection(&self) -> &Arc<LineConnection<Pipe>> {
        &self.connection
    }

    pub(super) fn info(&self) -> &PluginInfo {
        &self.info
    }

    pub(super) fn ready(&self) -> Instant {
        self.ready
    }

    /// Calls reach this process from now on.
    pub(super) fn take_calls(&self, shared: &LinkState) {
        shared.up(self.id(), self.connection.clone(), self.methods, self.info.clone(), self.ready);
    }

    pub(super) async fn limit(&self, limits: ResourceLimits) -> Result<(), PluginError> {
        let limited = self.child.visit(move |pid| limits.apply_to(pid)).await;
        limited
            .map_err(|error| PluginError::new(Code::ExecTransport, "the kernel refused the limits").with_source(error))
    }

    /// What it has said last on its stderr, as far as that was read: all after [`cut_off`](Self::cut_off).
    pub(super) fn last_words(&self) -> Option<String> {
        last_words_of(&self.stderr)
    }

    /// Serves the connection until the process is dead, or broken; says which, as the second half of a sentence.
    /// [`cut_off`](Self::cut_off) is what follows.
    pub(super) async fn died(&mut self) -> String {
        if self.driver.is_over() {
            // An earlier wait was dropped between the end of the connection and this.
            return why(ConnectionEnd::Eof, &mut self.child).await;
        }
        tokio::select! {
            biased;
            end = &mut self.driver => why(end, &mut self.child).await,
            status = self.child.ended() => {
                last_words(&mut self.driver).await;
                status.map_or_else(|error| format!("cannot be watched: {error}"), describe)
            }
        }
    }

    /// Lets the calls that it has end, and takes no others: those that were not written to it are for the next process. Over
    /// when none is left, when none has ended for `grace`, and after `limit`. Gives back how the process ended, if it did that
    /// by itself meanwhile, as [`died`](Self::died) does.
    pub(super) async fn let_calls_end(&mut self, grace: Duration, limit: Duration) -> Option<String> {
        self.connection.hand_over();
        let connection = self.connection.clone();
        let gone = async move {
            let (mut least, mut since) = (usize::MAX, clock::now());
            loop {
                match connection.counts().in_flight {
                    0 => return,
                    calls if calls < least => (least, since) = (calls, clock::now()),
                    _ if since.elapsed() >= grace => return,
                    _ => {}
                }
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            why = self.died() => Some(why),
            _ = timeout(limit, gone) => None,
        }
    }

    /// Stops the process: method `shutdown` where the plugin has it, end of its stdin, SIGTERM, each with a share of
    /// the grace period, and SIGKILL to its whole group at the end.
    ///
    /// Calls that have no answer then are told `why`, as the second half of a sentence, and that it was asked for.
    pub(super) async fn stop(mut self, why: &str, grace: Duration, shared: &LinkState) -> Stop {
        self.connection.refuse_new();
        let limit = std::pin::pin!(sleep(grace));
        let by_itself = self.ask_to_stop(grace, limit).await;
        let cut = self.cut_off(&Loss::on_request(why), shared).await;
        Stop { by_itself, cut }
    }

    async fn ask_to_stop(&mut self, grace: Duration, mut limit: Pin<&mut Sleep>) -> bool {
        let share = grace / 4;
        if self.methods.shutdown {
            let frame = Frame::new("shutdown", b"null", &CallContext::new(), 0);
            let reply = timeout(share, self.connection.exchange_at(Place::Last, frame));
            tokio::select! {
                biased;
                () = ended(&mut self.child, &mut self.driver) => return true,
                // Answered or not: the next step is the same.
                _ = reply => {}
            }
        }
        self.connection.finish();
        if timeout(share, ended(&mut self.child, &mut self.driver)).await.is_ok() {
            return true;
        }
        self.child.terminate();
        tokio::select! {
            biased;
            () = ended(&mut self.child, &mut self.driver) => true,
            () = &mut limit => false,
        }
    }

    /// The end, whatever the process does. When it resolves, every call in flight has its error and the process is
    /// reaped. `shared` says already that the process is not there. Gives back how many calls it has cut off that the process
    /// may have seen.
    pub(super) async fn cut_off(&mut self, loss: &Loss, shared: &LinkState) -> usize {
        shared.calls_are_lost();
        self.child.kill();
        // A process that the kernel cannot end at once is reaped by the spawning thread, when this is dropped.
        let _ = timeout(REAP, self.child.ended()).await;
        // While one of its group has the reading end, it may read: one with much memory takes the kernel a moment more.
        let recalled = async {
            while !self.connection.recall(unread) {
                sleep(LOOK).await;
            }
        };
        let _ = timeout(GROUP, recalled).await;
        let cut = self.connection.sent();
        if loss.on_request {
            // Before any of them hears of it, so that who waits for their ends knows how they ended.
            shared.count_cut(cut);
        }
        self.connection.close(loss);
        let _ = timeout(LAST_WORDS, self.stderr.end()).await;
        cut
    }
}

/// The bytes in a pipe whose reading end is gone: those that nobody has read. `None` while somebody has that end, such as a
/// grandchild that outlives the process.
fn unread(pipe: &Pipe) -> Option<u64> {
    let mut fds = [PollFd::new(pipe, PollFlags::OUT)];
    poll(&mut fds, Some(&Timespec::default())).ok()?;
    if fds[0].revents().contains(PollFlags::ERR) { ioctl_fionread(pipe).ok() } else { None }
}

/// Waits for the end of the process, while its replies are still read: a full pipe must not keep it from ending, and
/// what it wrote last is still in the pipe when it has ended.
async fn ended(child: &mut Child, driver: &mut Driver<Pipe>) {
    tokio::select! {
        biased;
        _ = child.ended() => {}
        () = async {
            let _ = (&mut *driver).await;
            std::future::pending().await
        } => {}
    }
    last_words(driver).await;
}

/// Why a connection ended: the death of the process, where that is what was behind it.
async fn why(end: ConnectionEnd, child: &mut Child) -> String {
    if end.may_be_death()
        && let Ok(Ok(status)) = timeout(DYING, child.ended()).await
    {
        return describe(status);
    }
    end.to_string()
}

/// Reads what a process wrote before it ended.
async fn last_words(driver: &mut Driver<Pipe>) {
    if !driver.is_over() {
        let _ = timeout(LAST_WORDS, driver).await;
    }
}
