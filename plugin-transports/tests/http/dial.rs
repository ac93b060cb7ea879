//! Names with several addresses, of which some are dead.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, HealthState, Reply, Sent};
use plugin_transports::{
    auth::AuthConfig,
    dial::{Dialer, Resolver},
    http::{HttpConfig, HttpConfigBuilder, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    tls::ServerTlsConfig,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};

use crate::{
    frames::{Act, Frames},
    support::{Scripted, call, connect, connection, listener, ok, settle, within},
    test_files::Files,
};

/// An address that drops every SYN: a listener whose queue is full. It does so as long as this lives.
struct BlackHole {
    address: SocketAddr,
    _held: (TcpListener, Vec<TcpStream>),
}

impl BlackHole {
    fn new(last: u8, port: u16) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, last], port));
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(address).ok()?;
        let listener = socket.listen(0).expect("a bound socket");
        // The kernel takes one connection more than the queue is long.
        let fill = (0..3).map(|_| {
            let stream = std::net::TcpStream::from(connecting(address).expect("a socket that is connecting"));
            TcpStream::from_std(stream).expect("not blocking")
        });
        let held = fill.collect();
        Some(Self { address, _held: (listener, held) })
    }
}

/// A socket whose connection is on its way; whether it arrives does not matter.
fn connecting(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // It is in progress.
    let _ = socket.connect(&address.into());
    Ok(socket)
}

/// A plugin on 127.0.0.1, and a black hole on the same port of another loopback address.
async fn plugin_and_hole() -> (Scripted, BlackHole) {
    loop {
        let plugin = Scripted::answering(ok(r#"{"data":1}"#)).await;
        // Another program may have the port there.
        if let Some(hole) = BlackHole::new(9, plugin.address.port()) {
            return (plugin, hole);
        }
    }
}

fn at(port: u16) -> HttpConfigBuilder {
    HttpConfig::builder("p", format!("http://two.test:{port}/run"))
}

/// The name has these addresses, in this order. Counts how often it was asked.
fn resolver<const N: usize>(addresses: [SocketAddr; N]) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver = Resolver::new(move |host, _| {
        assert_eq!(host, "two.test");
        count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(addresses.to_vec()) }
    });
    (resolver, asked)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_by_the_address_that_lives_and_the_next_does_not_begin_with_the_dead_one() {
    let (plugin, hole) = plugin_and_hole().await;
    let (resolver, asked) = resolver([hole.address, plugin.address]);
    let each = connection(|config| config.with_connection_timeout(Duration::from_secs(2)).with_keep_alive(false));
    let instance = connect(at(plugin.address.port()).with_connection(each).with_resolver(resolver));
    let started = Instant::now();
    assert_eq!(call(&instance, "1").await.expect("127.0.0.1 answers").payload(), "1");
    let waited = started.elapsed();
    assert!(Duration::from_millis(250) <= waited && waited < Duration::from_millis(300), "{waited:?}");

    let started = Instant::now();
    call(&instance, "1").await.expect("127.0.0.1 answers");
    assert!(started.elapsed() < Duration::from_millis(100), "it began with the dead one: {:?}", started.elapsed());
    // A health check knows what the calls have learnt.
    let started = Instant::now();
    assert_eq!(instance.check().await.state, HealthState::Healthy);
    assert!(started.elapsed() < Duration::from_millis(100), "it began with the dead one: {:?}", started.elapsed());
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a name may move between two connections");
}

/// What an address is like whose backend is gone: it takes every connection, and closes it at once or never says anything.
async fn hollow(port: u16, closes: bool) -> Option<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 11], port));
    let listener = TcpListener::bind(address).await.ok()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            // A request has come, so it was not the connection that failed.
            let _ = stream.read_u8().await;
            if !closes {
                held.push(stream);
            }
        }
    });
    Some(address)
}

#[tokio::test]
async fn an_address_that_takes_connections_and_never_says_anything_is_not_begun_with_again() {
    for closes in [true, false] {
        let (plugin, hollow) = loop {
            let plugin = Scripted::answering(ok(r#"{"data":1}"#)).await;
            if let Some(hollow) = hollow(plugin.address.port(), closes).await {
                break (plugin, hollow);
            }
        };
        let (resolver, _) = resolver([hollow, plugin.address]);
        let each = connection(|config| config.with_request_timeout(Duration::from_millis(300)).with_keep_alive(false));
        let instance = connect(at(plugin.address.port()).with_connection(each).with_resolver(resolver));
        let error = call(&instance, "1").await.expect_err("it says nothing");
        let code = if closes { Code::ConnectionFailed } else { Code::Timeout };
        assert_eq!((error.code(), error.sent()), (code, Sent::Maybe), "{error}");
        settle().await;
        for _ in 0..3 {
            call(&instance, "1").await.expect("the other address is well, and stays so");
        }
    }
}

#[tokio::test]
async fn a_call_over_http2_is_answered_by_the_address_that_begins_it() {
    for closes in [true, false] {
        let (plugin, hollow) = loop {
            let plugin = Frames::start(|_, _| Act::Answer).await;
            if let Some(hollow) = hollow(plugin.address.port(), closes).await {
                break (plugin, hollow);
            }
        };
        let (resolver, _) = resolver([hollow, plugin.address]);
        let each = connection(|config| config.with_connection_timeout(Duration::from_millis(400)));
        let config = at(plugin.address.port()).with_version(HttpVersion::Http2);
        let instance = connect(config.with_connection(each).with_resolver(resolver));
        // Nothing of the call was sent to the first one, so the second gets it.
        call(&instance, "1").await.expect("the other address is well");
        assert_eq!(plugin.seen(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_address_has_a_share_of_a_short_limit() {
    let (plugin, hole) = plugin_and_hole().await;
    let (resolver, _) = resolver([hole.address, plugin.address]);
    let short = connection(|config| config.with_connection_timeout(Duration::from_millis(100)));
    let instance = connect(at(plugin.address.port()).with_connection(short).with_resolver(resolver));
    let started = Instant::now();
    call(&instance, "1").await.expect("127.0.0.1 answers");
    assert!(started.elapsed() < Duration::from_millis(60), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_gives_way_at_once() {
    let plugin = Scripted::answering(ok(r#"{"data":1}"#)).await;
    let port = plugin.address.port();
    // Nobody listens on ::1; where there is no IPv6 at all, that is an error at once too.
    let (resolver, _) = resolver([(Ipv6Addr::LOCALHOST, port).into(), plugin.address]);
    let instance = connect(at(port).with_resolver(resolver));
    let started = Instant::now();
    call(&instance, "1").await.expect("127.0.0.1 answers");
    assert!(started.elapsed() < Duration::from_millis(250), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_error_names_every_address_and_what_it_said_within_the_limit() {
    let (plugin, hole) = plugin_and_hole().await;
    let port = plugin.address.port();
    let refusing = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 10), port));
    let (resolver, _) = resolver([hole.address, refusing]);
    let each = connection(|config| config.with_connection_timeout(Duration::from_secs(2)));
    let instance = connect(at(port).with_connection(each).with_resolver(resolver));
    let started = Instant::now();
    let error = call(&instance, "1").await.expect_err("both are dead");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().starts_with(&format!("no connection to http://two.test:{port} within 2s: ")), "{error}");
    assert!(error.message().contains(&format!("127.0.0.10:{port} said: Connection refused")), "{error}");
    assert!(error.message().contains(&format!("127.0.0.9:{port} did not answer")), "{error}");
    let waited = started.elapsed();
    assert!(Duration::from_secs(2) <= waited && waited < Duration::from_millis(2010), "{waited:?}");
    drop(plugin);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_less_time_than_the_start_of_an_address_gets_there_with_the_next_call() {
    let (plugin, hole) = plugin_and_hole().await;
    let (resolver, _) = resolver([hole.address, plugin.address]);
    let hurried = connection(|config| config.with_request_timeout(Duration::from_millis(100)));
    let instance = connect(at(plugin.address.port()).with_connection(hurried).with_resolver(resolver));
    let error = call(&instance, "1").await.expect_err("no time for the second address");
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Nothing));
    call(&instance, "1").await.expect("it begins with 127.0.0.1");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_not_blamed_for_a_caller_that_goes_away_or_has_next_to_no_time() {
    let (plugin, hole) = plugin_and_hole().await;
    for request_timeout in [None, Some(Duration::from_millis(5))] {
        let (resolver, _) = resolver([hole.address, plugin.address]);
        let each = connection(|config| match request_timeout {
            Some(limit) => config.with_request_timeout(limit),
            None => config,
        });
        let instance = connect(at(plugin.address.port()).with_connection(each).with_resolver(resolver));
        // It is dropped after 100 ms, or cut after 5.
        let gone = tokio::time::timeout(Duration::from_millis(100), call(&instance, "1")).await;
        assert_eq!(gone.is_err(), request_timeout.is_none(), "{gone:?}");
        let begun = tokio::time::timeout(Duration::from_millis(100), call(&instance, "1")).await;
        assert!(!matches!(begun, Ok(Ok(_))), "it did not begin with 127.0.0.9: {begun:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_found_or_has_no_address_says_so() {
    let unknown = Resolver::new(|_, _| async { Err(io::Error::other("no such name")) });
    let error = call(&connect(at(1).with_resolver(unknown)), "1").await.expect_err("no such name");
    assert_eq!(error.message(), "http://two.test:1 cannot be reached: no such name");
    assert_eq!(error.message_for_callers(), "the plugin cannot be reached");
    let error = call(&connect(at(1).with_resolver(resolver([]).0)), "1").await.expect_err("no address");
    assert_eq!(error.message(), "http://two.test:1 cannot be reached: the name has no address");
    let silent = Resolver::new(|_, _| std::future::pending());
    let error = call(&connect(at(1).with_resolver(silent)), "1").await.expect_err("no answer");
    assert_eq!(error.message(), "no connection to http://two.test:1 within 10s: the name was not looked up within 10s");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_not_looked_up() {
    let plugin = Scripted::answering(ok(r#"{"data":1}"#)).await;
    let never =
        Resolver::new(|host, _| -> std::future::Ready<io::Result<Vec<SocketAddr>>> { panic!("{host} is an address") });
    call(&connect(plugin.config().with_resolver(never)), "1").await.expect("a reply");
}

#[tokio::test(start_paused = true)]
async fn over_tls_an_address_that_takes_connections_and_says_nothing_has_a_share_too() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let (listener, lives) = listener().await;
    // It takes connections, in the kernel, and nobody ever serves them.
    let mute = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 11), 0)).await.expect("a port");
    let plugin = plugin_fn(|call: Call<bytes::Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files");
    let _serving = serve(plugin, listener, ServerOptions::new().with_tls(tls)).expect("an address");
    let addresses = [mute.local_addr().expect("bound"), lives];
    let resolver = Resolver::new(move |_, _| async move { Ok(addresses.to_vec()) });
    let each = connection(|config| config.with_connection_timeout(Duration::from_secs(2)));
    let config = HttpConfig::builder("p", "https://localhost/")
        .with_auth(AuthConfig::none().with_ca_file(files.ca()))
        .with_connection(each)
        .with_resolver(resolver);
    let started = Instant::now();
    assert_eq!(call(&connect(config), "7").await.expect("the other answers").payload(), "7");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_transport_of_their_own_dials_in_the_same_way() {
    let (plugin, hole) = plugin_and_hole().await;
    let (resolver, _) = resolver([hole.address, plugin.address]);
    let dialer = Dialer::new("two.test", 1).with_resolver(resolver).with_keep_alive(Some(Duration::from_secs(60)));
    let stream = within(dialer.connect(Duration::from_secs(2))).await.expect("127.0.0.1 answers");
    assert_eq!(stream.peer_addr().expect("connected"), plugin.address);
    assert!(stream.nodelay().expect("connected"));
    let error = Dialer::new("127.0.0.1", 1).connect(Duration::from_secs(2)).await.expect_err("nobody listens");
    assert_eq!((error.is_timeout(), error.addresses().count()), (false, 1));
}
