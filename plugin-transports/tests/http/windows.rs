//! Clients of HTTP/2 that are alive and take nothing, or want nothing more. They speak frame by frame: no client that behaves
//! does this.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, PluginError, Reply};
use plugin_transports::{
    http::{ServerOptions, serve},
    inproc::plugin_fn,
    listen::{ListenOptions, Serving},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{listener, within};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
/// `POST http://localhost/`, in entries of the static table of HPACK but for the name.
const POST: &[u8] = b"\x83\x86\x84\x41\x09localhost";

/// A client that answers what says that it lives.
struct Client(TcpStream);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Client {
    /// Each of its streams begins with room for `window` bytes.
    async fn connect(address: SocketAddr, window: u32) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
        let mut client = Self(stream);
        let [initial_window_size, max_frame_size] = [4_u16, 5].map(u16::to_be_bytes);
        let settings = [&initial_window_size[..], &window.to_be_bytes(), &max_frame_size, &(1_u32 << 14).to_be_bytes()];
        client.write(SETTINGS, 0, 0, &settings.concat()).await;
        client
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        // A peer that has gone is seen by reading.
        let _ = self.0.write_all(&frame).await;
    }

    async fn ask(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS, stream, POST).await;
        self.write(DATA, END_STREAM, stream, b"{}").await;
    }

    async fn give_room(&mut self, stream: u32, bytes: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame that says something; `None` when the connection is closed.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
            self.0.read_exact(&mut payload).await.ok()?;
            let frame = Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                payload,
            };
            match frame.kind {
                SETTINGS | PING if frame.flags & ACK != 0 => {}
                SETTINGS => self.write(SETTINGS, ACK, 0, &[]).await,
                PING => self.write(PING, ACK, 0, &frame.payload).await,
                _ => return Some(frame),
            }
        }
    }

    /// Reads on until a frame is as it should be.
    async fn until(&mut self, is: impl Fn(&Frame) -> bool) -> Frame {
        within(async {
            loop {
                let frame = self.next().await.expect("it is open");
                if is(&frame) {
                    return frame;
                }
            }
        })
        .await
    }
}

/// Bytes that count themselves.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A plugin that answers with as many bytes as it is asked for, after as many milliseconds; how many of its answers are held.
async fn answering(length: usize, after: u64, listen: ListenOptions) -> (Serving, Arc<AtomicUsize>) {
    let held = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&held);
    let plugin = plugin_fn(move |_: Call<Bytes>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let answer = Counted(format!("\"{}\"", "x".repeat(length)).into_bytes(), Arc::clone(&counted));
        async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            Ok::<_, PluginError>(Reply::new(Bytes::from_owner(answer)))
        }
    });
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_listen(listen)).expect("an address");
    (serving, held)
}

fn patient_for(millis: u64) -> ListenOptions {
    ListenOptions::new().with_write_timeout(Duration::from_millis(millis))
}

#[tokio::test]
async fn an_answer_of_which_a_stream_takes_nothing_is_given_up_and_the_others_on_its_connection_are_not() {
    let (serving, held) = answering(100 << 10, 0, patient_for(500)).await;
    let mut client = Client::connect(serving.local_addr(), 0).await;
    client.give_room(0, 8 << 20).await;
    client.ask(1).await;
    client.ask(3).await;
    // There is room for a byte: what waits is queued behind it, and waits on.
    client.give_room(3, 1).await;
    let mut reset = Vec::new();
    while reset.len() < 2 {
        let frame = client.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!(frame.payload, CANCEL.to_be_bytes());
        reset.push(frame.stream);
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3]);
    within(async {
        while held.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.ask(5).await;
    let mut taken = 0;
    loop {
        client.give_room(5, 1 << 14).await;
        let data = client.until(|frame| frame.kind == DATA && frame.stream == 5).await;
        taken += data.payload.len();
        if data.flags & END_STREAM != 0 {
            break;
        }
    }
    assert!(
        taken > 100 << 10,
        "{taken}: the connection is as good as before, and so is a stream of which a little is taken at a time"
    );
}

#[tokio::test]
async fn a_client_that_gives_no_room_does_not_cost_a_stop_the_time_it_has() {
    let (serving, _) = answering(100 << 10, 0, patient_for(100)).await;
    let mut client = Client::connect(serving.local_addr(), 0).await;
    client.ask(1).await;
    client.until(|frame| frame.kind == HEADERS).await;
    let hears = async { while client.next().await.is_some() {} };
    let (stopped, ()) = within(futures_util::future::join(serving.shutdown(Duration::from_secs(60)), hears)).await;
    stopped.expect("nothing had to be cut off");
}

#[tokio::test]
async fn the_end_of_an_answer_that_is_not_taken_holds_its_connection_for_as_long_as_an_unused_one_and_no_longer() {
    let (serving, held) = answering(1 << 10, 0, patient_for(100).with_idle_timeout(Duration::from_millis(100))).await;
    let mut client = Client::connect(serving.local_addr(), 1).await;
    client.ask(1).await;
    client.until(|frame| frame.kind == DATA).await;
    within(async { while client.next().await.is_some() {} }).await;
    assert_eq!(held.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_closed_whichever_version_it_speaks() {
    let idle = Duration::from_millis(100);
    let (serving, _) = answering(1, 300, ListenOptions::new().with_idle_timeout(idle)).await;
    let mut http2 = Client::connect(serving.local_addr(), 1000).await;
    http2.ask(1).await;
    // It takes longer than nothing may, and that is not nothing.
    let answer = http2.until(|frame| frame.kind == DATA).await;
    let said = String::from_utf8_lossy(&answer.payload);
    assert!(said.contains("\"x\""), "{said}");
    http2.until(|frame| frame.kind == GOAWAY).await;
    within(async { while http2.next().await.is_some() {} }).await;

    let mut http1 = TcpStream::connect(serving.local_addr()).await.expect("a connection");
    http1.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}").await.expect("written");
    let mut answer = String::new();
    within(http1.read_to_string(&mut answer)).await.expect("it is closed in order");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A part of a head is no request.
    let mut slow = TcpStream::connect(serving.local_addr()).await.expect("a connection");
    slow.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}POST /").await.expect("written");
    let mut answer = Vec::new();
    // What was sent and not read makes the end a reset.
    let _ = within(slow.read_to_end(&mut answer)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}
