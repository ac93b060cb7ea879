//! The pages for authors of plugins: what they say to save is saved and run.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Client, Gateway, gateway, ports, until};

fn page(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The one block of this language on a page.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let begin = format!("```{language}\n");
    let mut blocks = page.split(&begin).skip(1).map(|rest| rest.split_once("```").expect("it ends").0);
    let block = blocks.next().expect("there is one");
    assert!(blocks.next().is_none(), "which of the blocks of {language} is meant?");
    block
}

async fn serve(dir: &Path, yaml: &str) -> Gateway {
    let file: PathBuf = dir.join("gateway.yaml");
    gateway(&file, &[], |data, admin| {
        format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\ndefault_health_check: {{interval: 50ms}}\n{yaml}")
    })
    .await
}

#[tokio::test]
async fn the_plugin_on_lines_of_its_page_does_what_the_page_says() {
    let (dir, page) = (tempfile::tempdir().expect("a directory"), page("plugin-on-lines.md"));
    std::fs::write(dir.path().join("tally.py"), block(&page, "python")).expect("written");
    let gateway = serve(dir.path(), block(&page, "yaml")).await;
    let parse = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    let reply = parse(gateway.command(&["call", "tally", "[1, [2], null]"]).await.worked());
    assert_eq!(reply, json!({"items": 3, "unit": "apples"}), "the options have arrived");
    for _ in 0..8 {
        let said = gateway.command(&["call", "tally", "5"]).await.failed(1);
        assert!(said.contains("this plugin takes a list") && said.contains("PLUGIN_1206"), "{said}");
    }
    let plugins = parse(gateway.command(&["plugins", "--json"]).await.worked());
    assert_eq!((&plugins[0]["version"], &plugins[0]["breaker"]), (&json!("1.0.0"), &json!("closed")), "{plugins:#}");
    until("the plugin says how it is", async || {
        let health = parse(gateway.command(&["health", "--json"]).await.worked());
        (health["plugins"]["tally"]["message"] == "1 calls").then_some(())
    })
    .await;
    // Every key of the request that the page shows, and no other.
    let shown = parse(block(&page, "json").to_owned());
    let keys: Vec<_> = shown.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["context", "id", "method", "payload"]);
}

/// A plugin that the test has started, until this is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_plugin_over_http_of_its_page_does_what_the_page_says() {
    let (dir, page) = (tempfile::tempdir().expect("a directory"), page("plugin-over-http.md"));
    std::fs::write(dir.path().join("shout.py"), block(&page, "python")).expect("written");
    let (address, _) = ports();
    let port = address.port().to_string();
    let mut python = Command::new("python3");
    python.args(["shout.py", &port]).current_dir(dir.path()).stdin(Stdio::null()).stderr(Stdio::null());
    let _plugin = Started(python.spawn().expect("python3"));
    until("the plugin listens", async || tokio::net::TcpStream::connect(address).await.ok()).await;
    let yaml = block(&page, "yaml");
    assert!(yaml.contains("127.0.0.1:9000"));
    let gateway = serve(dir.path(), &yaml.replace("127.0.0.1:9000", &address.to_string())).await;
    assert_eq!(gateway.command(&["call", "shout", "\"hello\""]).await.worked(), "\"HELLO\"\n");
    let said = gateway.command(&["call", "shout", "5"]).await.failed(1);
    assert!(said.contains("there is nothing to shout") && said.contains("PLUGIN_1206"), "{said}");
    let health = until("it was asked how it is", async || {
        let health = gateway.command(&["health", "--json"]).await.worked();
        health.contains("\"healthy\"").then_some(health)
    })
    .await;
    assert!(health.contains("shout"), "{health}");
    // What the page shows of a request is read by the plugin of the page.
    let shown = block(&page, "json").to_owned();
    let request = Request::post(format!("http://{address}/")).header("content-type", "application/json");
    let answer = Client::new().send(request.body(Full::new(shown.into())).expect("valid")).await.expect("an answer");
    assert_eq!(answer.json(), json!({"data": "HELLO", "request_id": "r1"}));
}
