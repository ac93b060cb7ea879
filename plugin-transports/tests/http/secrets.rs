//! No credential shows: not in an error, a log or a `Debug` text, whatever goes wrong and whatever the other side says.

use std::{
    fmt::Write as _,
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, PluginError, PluginInstance, Reply};
use plugin_transports::{
    auth::{AuthConfig, ClientConfig, Verifier, VerifyLayer},
    http::{HttpClient, HttpConfig, HttpConfigBuilder, HttpVersion, PluginServer, ServerOptions, serve},
    inproc::plugin_fn,
    tls::{ClientTlsConfig, ServerTlsConfig},
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    support::{Act, Scripted, answer, connection, listener, ok, send, settle},
    test_files::Files,
};

/// What no output may hold: each secret as it is configured, and as it travels.
const PLANTED: [&str; 7] = [
    "key-q7fPzW1x",
    "token-m3Hn8Rk2",
    "password-v5Tg9Lc4",
    "YW5uOnBhc3N3b3JkLXY1VGc5TGM0",
    "custom-b2Jd6Ys0",
    "theirs-k4Xw1Ze7",
    "wrong-d8Qa3Uo5",
];

/// What the caller of a plugin brings, which no plugin is configured with.
const THEIRS: &str = PLANTED[5];

#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Output {
    /// All that is said on this thread, by whatever library, is kept until the guard goes.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let output = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(output.clone())
            .finish();
        (output, tracing::subscriber::set_default(subscriber))
    }

    fn say(&self, what: &dyn std::fmt::Debug) {
        let mut text = String::new();
        writeln!(text, "{what:?}\n{what:#?}").expect("a string");
        io::Write::write_all(&mut self.clone(), text.as_bytes()).expect("a buffer");
    }

    fn error(&self, error: &PluginError) {
        self.say(error);
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            self.say(&format!("{error}"));
            cause = error.source();
        }
    }

    /// What was said has none of these in it.
    #[track_caller]
    pub(crate) fn holds_none_of<'s>(&self, secrets: impl IntoIterator<Item = &'s str>) -> String {
        let text = String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned();
        for secret in secrets {
            let lines: Vec<_> = text.lines().filter(|line| line.contains(secret)).take(3).collect();
            assert!(lines.is_empty(), "{secret} shows: {lines:#?}");
        }
        text
    }
}

/// Each method, under the name of its secret, and what a server accepts of it.
fn methods() -> Vec<AuthConfig> {
    let with_header = |config: AuthConfig| config.with_header("X-Tenant-Key", PLANTED[4]);
    vec![
        with_header(AuthConfig::none()),
        with_header(AuthConfig::api_key(PLANTED[0])),
        with_header(AuthConfig::bearer(PLANTED[1])),
        with_header(AuthConfig::basic("ann", PLANTED[2])),
        with_header(AuthConfig::custom()),
    ]
}

/// A call with a credential of the caller's own, of which nothing may show either.
async fn try_it(output: &Output, config: HttpConfigBuilder) -> Result<Reply<Bytes>, PluginError> {
    output.say(&config);
    let built = config.build().inspect_err(|error| output.error(error))?;
    output.say(&built);
    let instance: PluginInstance<HttpClient> = plugin_transports::http::HttpPlugin::connect(built)?;
    output.say(&instance);
    output.say(instance.service());
    let mut request = Call::new(Bytes::from_static(b"1"));
    let headers = request.context_mut().headers_mut();
    headers.insert("authorization", format!("Bearer {THEIRS}").parse().expect("a value"));
    headers.insert("x-api-key", THEIRS.parse().expect("a value"));
    output.say(&request);
    output.say(request.context());
    let result = send(&instance, request).await;
    match &result {
        Ok(reply) => output.say(&reply.metadata().len()),
        Err(error) => output.error(error),
    }
    output.say(&instance.check().await);
    result
}

#[tokio::test]
async fn no_credential_shows_when_calls_succeed_or_are_refused() {
    let (output, _guard) = Output::begin();
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let server_tls = ServerTlsConfig::new(&cert, &key).with_client_ca_file(files.ca()).build().expect("good files");
    output.say(&server_tls);
    let client = |name, auth: AuthConfig| ClientConfig::new(name, auth).expect("a method with a header");
    let known = [
        client("key", AuthConfig::api_key(PLANTED[0])),
        client("token", AuthConfig::bearer(PLANTED[1])),
        client("basic", AuthConfig::basic("ann", PLANTED[2])),
    ];
    output.say(&known);
    let verifier = known.iter().fold(Verifier::new(), Verifier::with_client);
    output.say(&verifier);
    output.say(&VerifyLayer::new(verifier.clone()));
    let plugin = || plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let options = ServerOptions::new().with_verifier(verifier);
    output.say(&options);
    output.say(&PluginServer::new(plugin()));
    let (plain, secure) = (listener().await.0, listener().await.0);
    let plain = serve(plugin(), plain, options.clone()).expect("an address");
    let secure = serve(plugin(), secure, options.with_tls(server_tls)).expect("an address");
    output.say(&[&plain, &secure]);

    let (client_cert, client_key) = files.leaf("client");
    let mut let_in = 0;
    let wrong = [AuthConfig::api_key(PLANTED[6]), AuthConfig::bearer(PLANTED[6]), AuthConfig::basic("ann", PLANTED[6])];
    for auth in methods().into_iter().chain(wrong) {
        output.say(&auth);
        output.say(&auth.build().expect("complete"));
        for http in [HttpVersion::Http1, HttpVersion::Http2] {
            let endpoint = format!("http://{}/", plain.local_addr());
            let config = HttpConfig::builder("p", endpoint).with_auth(auth.clone()).with_version(http);
            let_in += usize::from(try_it(&output, config).await.is_ok());
            let endpoint = format!("https://localhost:{}/", secure.local_addr().port());
            let auth = auth.clone().with_client_certificate(&client_cert, &client_key).with_ca_file(files.ca());
            let config = HttpConfig::builder("p", endpoint).with_auth(auth).with_version(http);
            let_in += usize::from(try_it(&output, config).await.is_ok());
        }
    }
    assert_eq!(let_in, 3 * 4, "three methods, over two versions of HTTP, with and without TLS");

    // No key of a file shows either, whole or in part, when it is used, and when it is not the right one.
    let (_, other_key) = files.leaf("other");
    output.say(&ClientTlsConfig::new().with_client_certificate(&client_cert, &other_key).faults());
    let mut broken = fs::read(&client_key).expect("a key");
    broken.truncate(broken.len() / 2);
    let broken = files.write("broken.key", &broken);
    output.say(&ServerTlsConfig::new(&cert, &broken).build().expect_err("half a key"));
    settle().await;
    let keys: Vec<String> = [&key, &client_key, &other_key]
        .iter()
        .flat_map(|path| fs::read_to_string(path).expect("a key").lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.starts_with("-----"))
        .map(|line| line.chars().take(16).collect())
        .collect();
    let keys = keys.iter().map(String::as_str).filter(|line| line.len() == 16 && !line.starts_with("MIGHAgEAMBMGByqG"));
    let text = output.holds_none_of(PLANTED.into_iter().chain(keys));
    assert!(text.contains("AUTH_1106") && text.contains("TRACE"), "what is searched is there");
}

#[tokio::test]
async fn no_credential_shows_when_the_other_side_fails_or_repeats_what_it_was_sent() {
    let (output, _guard) = Output::begin();
    // Each answers with all that it was sent, in a place of an answer that an error shows.
    let echoing = |make: fn(&str) -> Vec<u8>| Scripted::start(move |_, request| Act::Close(make(request)));

    let servers = [
        echoing(|request| answer("500 Internal Server Error", "content-type: text/plain\r\n", request)).await,
        echoing(|request| {
            let body = serde_json::json!({"code": "PLUGIN_1203", "detail": request, "title": request});
            answer("500 Internal Server Error", "content-type: application/problem+json\r\n", &body.to_string())
        })
        .await,
        echoing(|request| ok(&serde_json::json!({ "error": request }).to_string())).await,
        echoing(|request| ok(&serde_json::json!(request).to_string())).await,
        echoing(|request| ok(&serde_json::json!({ "status": "degraded", "message": request }).to_string())).await,
        echoing(|request| {
            let location: String = request.chars().filter(|letter| !letter.is_control()).collect();
            answer("302 Found", &format!("location: /{location}\r\n"), "")
        })
        .await,
        echoing(|request| request.as_bytes().to_vec()).await,
        echoing(|request| {
            let lines: String = request
                .lines()
                .skip(1)
                .filter(|line| line.contains(": "))
                .fold(String::new(), |all, line| all + line + "\r\n");
            answer("200 OK", &lines.replace("content-length", "x-length"), "no json")
        })
        .await,
        Scripted::start(|_, _| Act::Close(Vec::new())).await,
        Scripted::start(|_, _| Act::Stall(b"HTTP/1.1 2".to_vec())).await,
    ];

    let quick = connection(|config| config.with_request_timeout(Duration::from_millis(200)));
    for server in &servers {
        for auth in methods() {
            let config = server.config().with_auth(auth).with_connection(quick.clone());
            try_it(&output, config).await.expect_err("no answer of a plugin");
        }
    }
    let seen = servers[0].seen().concat();
    assert!(PLANTED[..5].iter().filter(|secret| seen.contains(**secret)).count() >= 4, "they were sent");

    let (gone, address) = listener().await;
    drop(gone);
    for endpoint in [format!("http://{address}/"), "http://192.0.2.1/".to_owned(), "https://localhost:1/".to_owned()] {
        for auth in methods() {
            let config = HttpConfig::builder("p", endpoint.clone()).with_auth(auth).with_connection(quick.clone());
            try_it(&output, config).await.expect_err("nobody is there, or in plain text to another machine");
        }
    }
    for broken in [
        AuthConfig::api_key(format!("{}\n", PLANTED[0])),
        AuthConfig::bearer(format!("{}\n", PLANTED[1])),
        AuthConfig::basic(format!("ann:{}", PLANTED[2]), PLANTED[2]),
        AuthConfig::none().with_header("X-Tenant-Key", format!("{}\r\n", PLANTED[4])),
        AuthConfig::none().with_header("Host", PLANTED[4]),
    ] {
        output.say(&broken);
        output.error(&broken.build().expect_err("no header can carry it"));
    }
    // What a caller brings of its own, a plugin that repeats it tells to that caller alone.
    output.holds_none_of(PLANTED.into_iter().filter(|secret| *secret != THEIRS));
}
