//! A program that panics in one place and goes on in others.

use std::{
    panic::catch_unwind,
    process::{Command, Stdio},
    time::Duration,
};

use plugin_core::clock;
use plugin_manager::{config::LogFormat, launch::logging};

use crate::support::until;

/// Says to a run of these tests that it is the program.
const PLAYS: &str = "PLAYS_A_PROGRAM_THAT_PANICS";

/// Each waited for the log, and with it whoever else was on that thread.
#[tokio::test]
async fn a_panic_waits_for_nobody_who_does_not_read_the_log() {
    if std::env::var_os(PLAYS).is_some() {
        std::process::exit(i32::from(!panics_at_once()));
    }
    let test = "panics::a_panic_waits_for_nobody_who_does_not_read_the_log";
    let mut program = Command::new(std::env::current_exe().expect("this file"))
        .args(["--exact", test, "--nocapture"])
        .env(PLAYS, "1")
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        // Nobody reads it.
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let ended = until("it ends", async || program.try_wait().expect("a child")).await;
    assert!(ended.success(), "{ended}: twenty panics took two seconds");
}

/// Whether twenty panics, none of which can be written, take less than two seconds.
fn panics_at_once() -> bool {
    logging::init("info", LogFormat::Text);
    // More than a pipe takes.
    for _ in 0..200 {
        tracing::info!("{}", "x".repeat(1000));
    }
    let begun = clock::now();
    for _ in 0..20 {
        catch_unwind(|| panic!("as asked")).expect_err("a panic");
    }
    begun.elapsed() < Duration::from_secs(2)
}
