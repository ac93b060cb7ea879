//! A thousand clients that connect to a listener of TLS and do not come to an end with their handshake.

use std::{io::ErrorKind::WouldBlock, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Reply, clock};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, ServerOptions, serve},
    inproc::plugin_fn,
    listen::ListenOptions,
    tls::ServerTlsConfig,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    support::{call, connect, listener, within},
    test_files::Files,
};

const STALLED: usize = 1000;

/// The time for the handshake, in which each of them has connected too.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// The beginning of a greeting that says it has 512 bytes.
const GREETING: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

/// Both ends of each connection are this process's.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Some(4096).min(limit.maximum.or(Some(4096)));
    if limit.current.is_some_and(|current| Some(current) < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: limit.maximum }).expect("it is allowed");
    }
}

/// Says nothing, or a byte each tenth of a second, until it is cut off.
async fn stall(stream: TcpStream, drips: bool) {
    if drips {
        let mut pace = interval(Duration::from_millis(100));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for byte in GREETING.into_iter().chain(std::iter::repeat(3)) {
            pace.tick().await;
            let is_open =
                stream.try_read(&mut [0; 64]).map_or_else(|error| error.kind() == WouldBlock, |read| read > 0);
            if !is_open || stream.try_write(&[byte]).is_err() {
                return;
            }
        }
    }
    loop {
        stream.readable().await.expect("a socket");
        match stream.try_read(&mut [0; 64]) {
            Ok(0) => return,
            Err(error) if error.kind() != WouldBlock => return,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_never_finish_their_handshake_are_cut_off_in_its_time_and_keep_nobody_out() {
    raise_open_files();
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let options = ServerOptions::new().with_listen(ListenOptions::new().with_head_timeout(HANDSHAKE)).with_tls(tls);
    let serving = serve(plugin, listener().await.0, options).expect("an address");
    let address = serving.local_addr();

    let begun = clock::now();
    let mut stalled = JoinSet::new();
    for index in 0..STALLED {
        let stream = within(TcpStream::connect(address)).await.expect("a connection");
        stalled.spawn(stall(stream, index % 2 == 0));
    }
    let auth = AuthConfig::none().with_ca_file(files.ca());
    let config = HttpConfig::builder("p", format!("https://localhost:{}/", address.port()));
    let instance = connect(config.with_auth(auth));
    let asked = clock::now();
    assert_eq!(call(&instance, "1").await.expect("an answer").payload(), "1");
    let answered = asked.elapsed();
    assert!(answered < HANDSHAKE / 2, "it had to wait for others: {answered:?}");

    while let Some(ended) = within(stalled.join_next()).await {
        ended.expect("no panic");
    }
    let took = begun.elapsed();
    // Twice, since a server in its end waits for what is still on its way; and what it takes to connect a thousand.
    assert!(took >= HANDSHAKE && took < 4 * HANDSHAKE, "{took:?}");
    assert_eq!(call(&instance, "2").await.expect("an answer").payload(), "2");
}
