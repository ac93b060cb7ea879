//! A plugin that speaks HTTP/2 frame by frame, for what no server does that behaves.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::{listener, within};

/// What becomes of a stream of a connection; its first one is 1.
pub(crate) enum Act {
    Answer,
    /// It was not looked at, for want of room.
    Refuse,
    /// It is looked at, and not answered.
    Hold,
    /// It is answered with a head of so many fields, each in a frame of its own and as long as this.
    Head(usize, usize),
    /// It is answered after this time and a while in which no other stream is taken.
    Shuts(Duration, Duration),
    /// It was looked at, and is given up.
    Reset,
    /// The connection is closed, with all that is on it.
    Close,
    /// The connection ends with the stream that has this number, and nothing more is said on it.
    GoAway(u32),
}

/// How a plugin begins, and what one that has said that it takes no stream does when the host has heard of it.
#[derive(Clone)]
pub(crate) enum Shut {
    Stays,
    /// It says nothing at all before it is told to begin.
    Begins(Arc<Notify>),
    /// It takes so many at once.
    Allows(u32),
    Closes,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
/// `:status: 200`, in the static table of HPACK.
const OK: u8 = 0x88;

/// A plugin that speaks HTTP/2 in frames, by a script that is told the numbers of a connection and of its stream, from 1.
pub(crate) struct Frames {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
    /// Streams that came.
    seen: Arc<AtomicU32>,
    /// Connections that have ended.
    ended: Arc<AtomicU32>,
    changed: Arc<Notify>,
}

impl Frames {
    pub(crate) async fn start(script: fn(u32, u32) -> Act) -> Self {
        Self::saying(&[], script).await
    }

    /// One that takes so many streams at once on a connection, and says so.
    pub(crate) async fn allowing(streams: u32, script: fn(u32, u32) -> Act) -> Self {
        Self::saying(&max_streams(streams), script).await
    }

    /// One that takes no stream at first, and then does this.
    pub(crate) async fn shut(then: Shut, script: fn(u32, u32) -> Act) -> Self {
        Self::serving(|_| max_streams(0), then, script).await
    }

    /// One that says what it takes when it is told to.
    pub(crate) async fn held(script: fn(u32, u32) -> Act) -> (Self, Arc<Notify>) {
        let begin = Arc::new(Notify::new());
        (Self::serving(|_| Vec::new(), Shut::Begins(Arc::clone(&begin)), script).await, begin)
    }

    /// One that takes so many streams on the connection of this number, and says so.
    pub(crate) async fn with_each(streams: fn(u32) -> u32, script: fn(u32, u32) -> Act) -> Self {
        Self::serving(move |connection| max_streams(streams(connection)), Shut::Stays, script).await
    }

    async fn saying(settings: &[u8], script: fn(u32, u32) -> Act) -> Self {
        let settings: Arc<[u8]> = settings.into();
        Self::serving(move |_| settings.to_vec(), Shut::Stays, script).await
    }

    async fn serving(
        settings: impl Fn(u32) -> Vec<u8> + Send + 'static,
        then: Shut,
        script: fn(u32, u32) -> Act,
    ) -> Self {
        let (listener, address) = listener().await;
        let plugin = Self {
            address,
            accepted: Arc::default(),
            answered: Arc::default(),
            seen: Arc::default(),
            ended: Arc::default(),
            changed: Arc::default(),
        };
        let (accepted, answered) = (Arc::clone(&plugin.accepted), Arc::clone(&plugin.answered));
        let (seen, ended, changed) = (Arc::clone(&plugin.seen), Arc::clone(&plugin.ended), Arc::clone(&plugin.changed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Frames are written one by one, and none waits for the other side.
                stream.set_nodelay(true).expect("a socket");
                let connection = accepted.fetch_add(1, Ordering::SeqCst) + 1;
                changed.notify_waiters();
                let end = (Arc::clone(&ended), Arc::clone(&changed));
                let (seen, changed) = (Arc::clone(&seen), Arc::clone(&changed));
                let script = move |stream| {
                    seen.fetch_add(1, Ordering::SeqCst);
                    changed.notify_waiters();
                    script(connection, stream)
                };
                let talk = converse(stream, settings(connection), then.clone(), script, Arc::clone(&answered));
                tokio::spawn(async move {
                    talk.await;
                    end.0.fetch_add(1, Ordering::SeqCst);
                    end.1.notify_waiters();
                });
            }
        });
        plugin
    }

    pub(crate) fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Streams that came.
    pub(crate) fn seen(&self) -> u32 {
        self.seen.load(Ordering::SeqCst)
    }

    /// Resolves when so many streams have come.
    pub(crate) async fn until_seen(&self, count: u32) {
        self.until(count, &self.seen).await;
    }

    /// Resolves when so many connections have come.
    pub(crate) async fn until_accepted(&self, count: u32) {
        self.until(count, &self.accepted).await;
    }

    /// Resolves when so many connections have ended.
    pub(crate) async fn until_ended(&self, count: u32) {
        self.until(count, &self.ended).await;
    }

    async fn until(&self, count: u32, counted: &AtomicU32) {
        within(async {
            loop {
                let changed = self.changed.notified();
                if counted.load(Ordering::SeqCst) >= count {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

/// `None`: the host has gone.
async fn converse(
    mut stream: TcpStream,
    settings: Vec<u8>,
    mut then: Shut,
    script: impl Fn(u32) -> Act,
    answered: Arc<AtomicU32>,
) -> Option<()> {
    stream.read_exact(&mut [0; 24]).await.ok()?;
    if let Shut::Begins(begin) = &then {
        begin.notified().await;
    }
    write(&mut stream, SETTINGS, 0, 0, &settings).await?;
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
            SETTINGS => match std::mem::replace(&mut then, Shut::Stays) {
                Shut::Allows(streams) => write(&mut stream, SETTINGS, 0, 0, &max_streams(streams)).await?,
                Shut::Closes => return None,
                Shut::Stays | Shut::Begins(_) => {}
            },
            // A client's streams have odd numbers.
            HEADERS => match script(id.div_ceil(2)) {
                Act::Answer => {
                    answered.fetch_add(1, Ordering::SeqCst);
                    write(&mut stream, HEADERS, END_HEADERS, id, &[OK]).await?;
                    write(&mut stream, DATA, END_STREAM, id, b"{}").await?;
                }
                Act::Shuts(after, moment) => {
                    tokio::time::sleep(after).await;
                    write(&mut stream, SETTINGS, 0, 0, &max_streams(0)).await?;
                    tokio::time::sleep(moment).await;
                    write(&mut stream, SETTINGS, 0, 0, &max_streams(1)).await?;
                    write(&mut stream, HEADERS, END_HEADERS, id, &[OK]).await?;
                    write(&mut stream, DATA, END_STREAM, id, b"{}").await?;
                }
                Act::Refuse => write(&mut stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await?,
                Act::Hold => {}
                Act::Head(fields, length) => {
                    write(&mut stream, HEADERS, 0, id, &[OK]).await?;
                    for _ in 0..fields {
                        // One of the name `a` that is not kept in the table. Of the length, the first byte stands for 127.
                        let (low, high) = ((length - 127) % 128, (length - 127) / 128);
                        let size =
                            [0x7f, 0x80 | u8::try_from(low).expect("7 bits"), u8::try_from(high).expect("short")];
                        let field = [&[0, 1, b'a'][..], &size, &vec![b'x'; length]].concat();
                        write(&mut stream, CONTINUATION, 0, id, &field).await?;
                    }
                    write(&mut stream, CONTINUATION, END_HEADERS, id, &[]).await?;
                    write(&mut stream, DATA, END_STREAM, id, b"{}").await?;
                }
                Act::Reset => write(&mut stream, RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes()).await?,
                Act::Close => return None,
                Act::GoAway(last) => {
                    has_ended = true;
                    let last = (2 * last).saturating_sub(1);
                    write(&mut stream, GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await?;
                }
            },
            _ => {}
        }
    }
}

fn max_streams(streams: u32) -> Vec<u8> {
    [&MAX_CONCURRENT_STREAMS.to_be_bytes()[..], &streams.to_be_bytes()].concat()
}

async fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Option<()> {
    let [high, low] = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![0, high, low, kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame).await.ok()
}
