//! Peers that send without end, where HTTP sets no end. Each test has one worker thread, so that what keeps it keeps all.

use std::time::Duration;

use bytes::Bytes;
use plugin_core::{Call, Code, Sent};
use plugin_transports::http::{ServerOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Scripted, call, connect, connection, listener, ok, send, within};

/// Answers with `first` and then `rest` for ever, on a thread of its own that no test waits for.
fn flooding(first: &'static [u8], rest: Vec<u8>) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), rest) = (stream, rest.clone()) else { return };
            std::thread::spawn(move || {
                let read = stream.read(&mut [0; 4096]);
                let _ = read.and_then(|_| stream.write_all(first));
                while stream.write_all(&rest).is_ok() {}
            });
        }
    });
    address
}

fn at(address: std::net::SocketAddr) -> plugin_transports::http::HttpConfigBuilder {
    plugin_transports::http::HttpConfig::builder("p", format!("http://{address}/"))
}

#[tokio::test]
async fn interim_answers_without_end_end_the_call_that_gets_them_and_stop_no_other() {
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1 << 14);
    let bad = connect(at(flooding(b"", flood)));
    let good = Scripted::answering(ok(r#"{"data":1}"#)).await;
    let good = connect(good.config());
    let (error, ()) = tokio::join!(call(&bad, "1"), async {
        for _ in 0..20 {
            let request = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_secs(5));
            assert_eq!(send(&good, request).await.expect("a reply").payload(), "1");
        }
    });
    let error = error.expect_err("no answer");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::HttpTransport, Sent::Maybe, false));
    assert!(error.message().contains("more than 64 KiB of interim answers (1xx)"), "{error}");
}

#[tokio::test]
async fn some_interim_answers_are_read_over_on_every_use_of_a_connection() {
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n".repeat(1000);
    let answer = [&hints[..], &ok(r#"{"data":1}"#)].concat();
    let plugin = Scripted::answering(answer).await;
    let instance = connect(plugin.config());
    for _ in 0..5 {
        assert_eq!(call(&instance, "1").await.expect("a reply").payload(), "1");
    }
    assert_eq!(plugin.accepted(), 1);
}

#[tokio::test]
async fn a_head_and_trailers_of_an_answer_are_bounded_and_an_error_says_so() {
    let line = b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
    let long = line.repeat(50_000);
    let head = connect(at(flooding(b"HTTP/1.1 200 OK\r\n", long.clone())));
    let error = call(&head, "1").await.expect_err("no answer");
    assert_eq!(error.code(), Code::HttpTransport);
    assert!(error.message().contains("longer than 64 KiB"), "{error}");
    let trailers =
        connect(at(flooding(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", long)));
    let error = call(&trailers, "1").await.expect_err("no answer");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::HttpTransport, Sent::Maybe, false));
    assert!(error.message().contains("its trailers are too long"), "{error}");
}

#[tokio::test]
async fn chunks_of_a_byte_without_end_are_cut_off_at_the_bound_and_stop_no_other() {
    let chunks = b"1\r\n \r\n".repeat(1 << 14);
    let flood = flooding(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunks);
    let quick = connection(|config| config.with_request_timeout(Duration::from_secs(20)));
    let bad = connect(at(flood).with_max_response(1 << 16).with_connection(quick));
    let good = Scripted::answering(ok(r#"{"data":1}"#)).await;
    let good = connect(good.config());
    let (error, ()) = tokio::join!(call(&bad, "1"), async {
        for _ in 0..20 {
            let request = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_secs(5));
            assert_eq!(send(&good, request).await.expect("a reply").payload(), "1");
        }
    });
    assert_eq!(error.expect_err("too long").code(), Code::PayloadTooLarge);
}

#[tokio::test]
async fn a_server_bounds_heads_and_trailers_and_goes_on_serving() {
    let echo = plugin_transports::inproc::plugin_fn(|call: Call<Bytes>| async move {
        Ok::<_, plugin_core::PluginError>(plugin_core::Reply::new(call.into_payload()))
    });
    let serving = serve(echo, listener().await.0, ServerOptions::new()).expect("an address");
    for begin in [
        "POST / HTTP/1.1\r\nhost: localhost\r\n",
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(serving.local_addr()).await.expect("a connection");
        let (mut read, mut write) = stream.split();
        write.write_all(begin.as_bytes()).await.expect("written");
        let line = format!("x: {}\r\n", "y".repeat(1000)).repeat(64);
        let flood = async { while write.write_all(line.as_bytes()).await.is_ok() {} };
        let heard = async {
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        let (answer, ()) = within(futures_util::future::join(heard, flood)).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{begin}: {answer}");
    }
    let instance = connect(at(serving.local_addr()));
    assert_eq!(call(&instance, "1").await.expect("an echo").payload(), "1");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up_and_its_connection_is_free() {
    let large = Bytes::from(format!("\"{}\"", "x".repeat(32 << 20)));
    let plugin = plugin_transports::inproc::plugin_fn(move |_: Call<Bytes>| {
        let large = large.clone();
        async move { Ok::<_, plugin_core::PluginError>(plugin_core::Reply::new(large)) }
    });
    let listen = plugin_transports::listen::ListenOptions::new()
        .with_max_connections(1)
        .with_write_timeout(Duration::from_millis(500));
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_listen(listen)).expect("an address");
    let mut deaf = tokio::net::TcpStream::connect(serving.local_addr()).await.expect("a connection");
    deaf.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}").await.expect("written");
    // The only connection there may be is held until the answer is given up.
    let reply = call(&connect(at(serving.local_addr()).with_max_response(64 << 20)), "1").await.expect("a reply");
    assert_eq!(reply.payload().len(), (32 << 20) + 2);
    drop(deaf);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_flood_of_frames_is_hung_up_on_and_the_server_goes_on_serving() {
    let [headers, reset, settings, ping, continuation] = [1, 3, 4, 6, 9];
    // POST http://h/, in entries of the static table but for the name.
    let head = [0x83, 0x86, 0x84, 0x41, 0x01, b'h'];
    let resets = (0..20_000_u32).flat_map(|number| {
        let stream = number * 2 + 1;
        [frame(headers, 0x5, stream, &head), frame(reset, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    let fields = frame(continuation, 0, 1, &b"\x00\x01x\x01y".repeat(3000));
    let floods: [(&str, Vec<u8>, Vec<u8>); 4] = [
        ("streams that are reset at once", Vec::new(), resets.collect()),
        ("a head without end", frame(headers, 0, 1, &head), fields.repeat(100)),
        ("settings whose acknowledgements are not read", Vec::new(), frame(settings, 0, 0, b"").repeat(100_000)),
        ("pings whose answers are not read", Vec::new(), frame(ping, 0, 0, b"12345678").repeat(100_000)),
    ];
    let echo = plugin_transports::inproc::plugin_fn(|call: Call<Bytes>| async move {
        Ok::<_, plugin_core::PluginError>(plugin_core::Reply::new(call.into_payload()))
    });
    let listen = plugin_transports::listen::ListenOptions::new().with_write_timeout(Duration::from_millis(100));
    let serving = serve(echo, listener().await.0, ServerOptions::new().with_listen(listen)).expect("an address");
    let good = connect(at(serving.local_addr()));
    for (flood, first, rest) in floods {
        let mut stream = tokio::net::TcpStream::connect(serving.local_addr()).await.expect("a connection");
        let begin = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(settings, 0, 0, b""), &first].concat();
        stream.write_all(&begin).await.expect("written");
        let flooded = async {
            let mut written = 0_usize;
            while stream.write_all(&rest).await.is_ok() {
                written += rest.len();
                assert!(written < 1 << 30, "{flood}: it is read for ever");
            }
        };
        within(flooded).await;
        assert_eq!(call(&good, "1").await.expect(flood).payload(), "1", "{flood}");
    }
}

#[tokio::test]
async fn at_the_cap_the_connection_that_was_idle_for_longest_makes_room_and_one_that_is_answered_does_not() {
    let plugin = plugin_transports::inproc::plugin_fn(|call: Call<Bytes>| async move {
        if call.payload() == "\"wait\"" {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Ok::<_, plugin_core::PluginError>(plugin_core::Reply::new(call.into_payload()))
    });
    let listen = plugin_transports::listen::ListenOptions::new().with_max_connections(2);
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_listen(listen)).expect("an address");
    let (busy, idle, third) = (at(serving.local_addr()), at(serving.local_addr()), at(serving.local_addr()));
    let (busy, idle, third) = (connect(busy), connect(idle), connect(third));
    assert_eq!(call(&idle, "1").await.expect("an echo").payload(), "1");
    let (waited, ()) = within(futures_util::future::join(call(&busy, "\"wait\""), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Two are open: one that is answered, and one that keeps its place for 75 s unless it is asked for it.
        assert_eq!(call(&third, "3").await.expect("there is room").payload(), "3");
    }))
    .await;
    assert_eq!(waited.expect("it was not cut").payload(), "\"wait\"");
    assert_eq!(call(&idle, "2").await.expect("over a new connection").payload(), "2");
}
