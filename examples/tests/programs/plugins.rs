//! The same assertions for every greeter, whatever it is written in and however it is reached.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use plugin_core::{Call, Code, PluginError, PluginInstance, Reply};
use plugin_transports::{
    http::{HttpConfig, HttpPlugin},
    json,
    process::{ProcessConfig, connect},
};
use tower::{Service, ServiceExt};

use crate::program::{Program, within};

/// It greets, refuses what is no name, and then greets again.
async fn greets<S>(instance: &PluginInstance<S>) -> PluginError
where
    S: Service<Call<bytes::Bytes>, Response = Reply<bytes::Bytes>, Error = PluginError> + Clone,
{
    let greet = |name: &str| {
        let typed = json::typed::<String, String, _>(instance.service().clone());
        let call = Call::new(name.to_owned());
        async move { within(typed.oneshot(call)).await.map(Reply::into_payload) }
    };
    assert_eq!(greet("world").await.expect("a greeting"), "hello world");
    let number = Call::new(bytes::Bytes::from_static(b"7"));
    let error = within(instance.service().clone().oneshot(number)).await.expect_err("no name");
    assert_eq!(greet("\"Ada\"\n☃").await.expect("a greeting"), "hello \"Ada\"\n☃");
    assert!(within(instance.check()).await.state.is_serving());
    within(instance.close(Duration::from_secs(30))).await.expect("it stops in time");
    error
}

async fn greets_from_a_process(config: ProcessConfig) {
    let instance = within(connect(config)).await.expect("it starts");
    let error = greets(&instance).await;
    assert_eq!(error.code(), Code::InvalidPayload, "the caller is at fault: {error}");
}

/// The file, which an interpreter of this name runs.
fn script(interpreter: &str, file: &str) -> ProcessConfig {
    let path = format!("{}/plugins/{file}", env!("CARGO_MANIFEST_DIR"));
    ProcessConfig::builder("greeter", interpreter).with_arg(path).build().expect("valid")
}

#[tokio::test]
async fn the_greeter_in_rust_greets() {
    let config = ProcessConfig::builder("greeter", env!("CARGO_BIN_EXE_greeter")).build().expect("valid");
    greets_from_a_process(config).await;
}

#[tokio::test]
async fn the_greeter_in_python_greets() {
    greets_from_a_process(script("python3", "greeter.py")).await;
}

#[tokio::test]
async fn the_greeter_in_javascript_greets() {
    greets_from_a_process(script("node", "greeter.js")).await;
}

#[tokio::test]
async fn a_line_that_a_script_cannot_read_is_answered_and_ends_it_not() {
    let (digits, deep) = ("9".repeat(5000), "[".repeat(100_000) + &"]".repeat(100_000));
    let bad = [digits.as_str(), &deep, "{\"half\":", "NaN", "\"\\ud800\""];
    for (interpreter, file, good) in [
        ("python3", "greeter.py", "hello world"),
        ("python3", "echo.py", "world"),
        ("node", "greeter.js", "hello world"),
    ] {
        let mut script = Command::new(interpreter)
            .arg(format!("{}/plugins/{file}", env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = script.stdin.take().expect("piped");
        let written = std::thread::spawn({
            let request = |id: usize, payload: &str| {
                format!("{{\"id\":\"{id}\",\"method\":\"execute\",\"payload\":{payload}}}\n")
            };
            let mut lines: String = bad.iter().enumerate().map(|(id, payload)| request(id, payload)).collect();
            lines += "\nnot even JSON\n";
            lines += &request(99, "\"world\"");
            // An end of its input is the end of a script, so this ends the test too.
            move || stdin.write_all(lines.as_bytes())
        });
        let output = script.wait_with_output().expect("it ends");
        written.join().expect("no panic").expect("it reads on to the end");
        let output = String::from_utf8(output.stdout).expect("text");
        let replies: Vec<_> = output.lines().collect();
        assert_eq!(replies.len(), bad.len() + 3, "{file}: a line has no answer: {output}");
        for (id, reply) in replies[..bad.len()].iter().enumerate() {
            assert!(reply.replace(' ', "").starts_with(&format!("{{\"id\":\"{id}\",")), "{file}: {reply}");
        }
        let last = replies[replies.len() - 1];
        assert!(last.contains("99") && last.contains(good), "{file}: {last}");
    }
}

#[tokio::test]
async fn the_greeter_over_http_greets() {
    let mut plugin = Program::start(env!("CARGO_BIN_EXE_http-plugin"), ["127.0.0.1:0"]);
    let config = HttpConfig::builder("greeter", format!("http://{}/", plugin.address().await)).build().expect("valid");
    let error = greets(&HttpPlugin::connect(config).expect("a client")).await;
    assert_eq!((error.code(), error.http_status()), (Code::InvalidPayload, Some(400)), "{error}");
    plugin.interrupt().await;
}

#[tokio::test]
async fn a_plugin_that_a_person_starts_says_what_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_greeter")).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("this program is a plugin"), "{text}");
}
