//! What becomes of a request that a plugin did not take over HTTP/2.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::join_all;
use plugin_core::{AnyError, Classify, Code, Sent};
use plugin_transports::http::{HttpConfig, HttpVersion};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    refusing::{REFUSALS, serve},
    support::{call, connect, listener, within},
};

fn config(address: SocketAddr) -> plugin_transports::http::HttpConfigBuilder {
    HttpConfig::builder("p", format!("http://{address}/run")).with_version(HttpVersion::Http2)
}

#[tokio::test]
async fn a_stream_that_was_refused_or_came_after_a_goaway_was_never_sent() {
    for (refusal, is_unsent) in REFUSALS {
        let address = within(serve(refusal)).await;
        let error = call(&connect(config(address)), "1").await.expect_err("it is not taken");
        let sent = if is_unsent { Sent::Nothing } else { Sent::Maybe };
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, sent), "{refusal:?}: {error:?}");
        assert_eq!(AnyError.classify(Err::<&(), _>(&error)).sent(), sent, "{refusal:?}, as it is judged");
    }
}

#[tokio::test]
async fn what_comes_after_the_last_stream_of_a_connection_is_sent_on_the_next_one() {
    const EACH: u32 = 5;
    let plugin = Frames::start(|stream| match stream {
        1..=EACH => Act::Answer,
        _ => Act::GoAway(EACH),
    })
    .await;
    let instance = connect(config(plugin.address));
    for reply in join_all((0..20).map(|_| call(&instance, "1"))).await {
        reply.expect("no call is lost");
    }
    assert_eq!((plugin.answered(), plugin.accepted()), (20, 20 / EACH));
}

#[tokio::test]
async fn a_stream_that_is_refused_once_is_sent_again_on_its_connection() {
    let plugin = Frames::start(|stream| if stream == 1 { Act::Refuse } else { Act::Answer }).await;
    call(&connect(config(plugin.address)), "1").await.expect("a reply");
    assert_eq!((plugin.answered(), plugin.accepted()), (1, 1));
}

/// What becomes of a stream of a connection; its first one is 1.
enum Act {
    Answer,
    /// It was not looked at, for want of room.
    Refuse,
    /// The connection ends with the stream that has this number, and nothing more is said on it.
    GoAway(u32),
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
/// `:status: 200`, in the static table of HPACK.
const OK: u8 = 0x88;

/// A plugin that speaks HTTP/2 in frames, on every connection by the same script.
struct Frames {
    address: SocketAddr,
    accepted: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
}

impl Frames {
    async fn start(script: fn(u32) -> Act) -> Self {
        let (listener, address) = listener().await;
        let plugin = Self { address, accepted: Arc::default(), answered: Arc::default() };
        let (accepted, answered) = (Arc::clone(&plugin.accepted), Arc::clone(&plugin.answered));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, script, Arc::clone(&answered)));
            }
        });
        plugin
    }

    fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::SeqCst)
    }

    fn answered(&self) -> u32 {
        self.answered.load(Ordering::SeqCst)
    }
}

/// `None`: the host has gone.
async fn converse(mut stream: TcpStream, script: fn(u32) -> Act, answered: Arc<AtomicU32>) -> Option<()> {
    stream.read_exact(&mut [0; 24]).await.ok()?;
    write(&mut stream, SETTINGS, 0, 0, &[]).await?;
    let mut has_ended = false;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        stream.read_exact(&mut payload).await.ok()?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match head[3] {
            _ if has_ended => {}
            SETTINGS if head[4] != ACK => write(&mut stream, SETTINGS, ACK, 0, &[]).await?,
            // A client's streams have odd numbers.
            HEADERS => match script(id.div_ceil(2)) {
                Act::Answer => {
                    answered.fetch_add(1, Ordering::SeqCst);
                    write(&mut stream, HEADERS, END_HEADERS, id, &[OK]).await?;
                    write(&mut stream, DATA, END_STREAM, id, b"{}").await?;
                }
                Act::Refuse => write(&mut stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await?,
                Act::GoAway(last) => {
                    has_ended = true;
                    let last = 2 * last - 1;
                    write(&mut stream, GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await?;
                }
            },
            _ => {}
        }
    }
}

async fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Option<()> {
    let length = u8::try_from(payload.len()).expect("short");
    let mut frame = vec![0, 0, length, kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame).await.ok()
}
