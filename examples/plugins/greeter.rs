//! A plugin in ten lines: a host starts it, and speaks with it over stdin and stdout.

use plugin_transports::lines::{ServeError, serve_json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve_json(|name: String| async move { Ok::<_, String>(format!("hello {name}")) }).await
}
