//! The page for authors of plugins: what it shows is what works.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use plugin_core::{Code, HealthState, PluginInstance};
use plugin_transports::unix::{UnixClient, UnixConfig};
use serde_json::Value;

use crate::support::{call, connect, millis, within};

const PAGE: &str = include_str!("../../../docs/plugin-over-unix.md");

/// The only block of a language.
pub(crate) fn block(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let mut blocks = PAGE.split(&begin).skip(1).map(|rest| rest.split_once("```").expect("it ends").0);
    let block = blocks.next().expect("there is one");
    assert!(blocks.next().is_none(), "which of the blocks of {language} is meant?");
    block
}

/// A plugin that the test has started, until this is dropped.
pub(crate) struct Started(Child);

impl Started {
    pub(crate) fn python(program: &Path, socket: &Path) -> Self {
        Self(Command::new("python3").arg(program).arg(socket).stdin(Stdio::null()).spawn().expect("python3"))
    }

    pub(crate) async fn until_it_listens(&self, instance: &PluginInstance<UnixClient>) {
        within(async {
            while instance.service().reach().connect().await.is_err() {
                tokio::time::sleep(millis(10)).await;
            }
        })
        .await;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_plugin_of_the_page_does_what_the_page_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let (program, socket) = (dir.path().join("shout.py"), dir.path().join("shout.sock"));
    std::fs::write(&program, block("python")).expect("written");
    let started = Started::python(&program, &socket);
    let instance = connect(UnixConfig::builder("shout", socket.to_str().expect("text")));
    started.until_it_listens(&instance).await;
    assert_eq!(call(&instance, "\"héllo\"").await.expect("a text").payload(), "\"H\\u00c9LLO\"");
    let error = call(&instance, "5").await.expect_err("no text");
    assert_eq!((error.code(), error.message()), (Code::InvalidPayload, "there is nothing to shout"));
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(call(&instance, large.clone()).await.expect("long").into_payload(), large.to_uppercase());
    assert_eq!(within(instance.check()).await.state, HealthState::Healthy);
    assert_eq!(within(instance.service().info()).await.expect("it says").version, "1.0.0");
    // Many at once, each on a connection of its own.
    let calls = (0..50).map(|number| call(&instance, format!("\"a{number}\"")));
    for (number, reply) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(reply.expect("a text").into_payload(), format!("\"A{number}\""));
    }
}

#[test]
fn the_lines_of_the_page_are_lines_of_the_protocol() {
    for line in block("json").lines() {
        let read: Value = serde_json::from_str(line).expect("JSON");
        assert!(read.is_object(), "{line}");
    }
}
