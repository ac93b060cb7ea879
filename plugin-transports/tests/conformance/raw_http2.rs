//! A server that speaks HTTP/2 frame by frame, for what no library sends.

use std::{future::Future, io};

use plugin_core::BoxError;
use plugin_transports::{conformance::Island, tls::ServerTls};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixListener,
};
use tokio_rustls::TlsAcceptor;

use crate::http::Place;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a client says before its first frame.
const PREFACE: usize = 24;

/// The longest frame where nothing else was agreed on.
const MAX_FRAME: usize = 16 << 10;

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A request, as far as a broken server cares.
pub(crate) struct Request {
    pub(crate) stream: u32,
    body: Vec<u8>,
}

impl Request {
    /// The `value` of the first JSON object in the body which has one, whatever stands around it.
    pub(crate) fn value(&self) -> Value {
        let begins = (0..self.body.len()).filter(|at| self.body[*at..].starts_with(b"{\"do\""));
        let objects = begins
            .filter_map(|at| serde_json::Deserializer::from_slice(&self.body[at..]).into_iter::<Value>().next()?.ok());
        objects.map(|mut object| object["value"].take()).next().unwrap_or_default()
    }
}

/// One connection, on which requests come and anything may be written.
pub(crate) struct Frames(Box<dyn Io>);

impl Frames {
    async fn begin(mut io: Box<dyn Io>) -> io::Result<Self> {
        io.read_exact(&mut [0; PREFACE]).await?;
        let mut frames = Self(io);
        frames.frame(SETTINGS, 0, 0, &[]).await?;
        Ok(frames)
    }

    /// The next request, once all of it is there. They are taken one after the other, as they end.
    pub(crate) async fn request(&mut self) -> io::Result<Request> {
        let mut body = Vec::new();
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
            self.0.read_exact(&mut payload).await?;
            let (kind, flags) = (head[3], head[4]);
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await?,
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload).await?,
                DATA => {
                    body.extend(payload);
                    if flags & END_STREAM != 0 {
                        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                        return Ok(Request { stream, body });
                    }
                }
                _ => {}
            }
        }
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?.to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.bytes(&[&head, payload].concat()).await
    }

    /// A head of these fields.
    pub(crate) async fn head(&mut self, stream: u32, fields: &[(&str, &str)]) -> io::Result<()> {
        self.frame(HEADERS, END_HEADERS, stream, &block(fields)).await
    }

    /// Fields with which a stream ends.
    pub(crate) async fn last_head(&mut self, stream: u32, fields: &[(&str, &str)]) -> io::Result<()> {
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields)).await
    }

    pub(crate) async fn data(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        for part in data.chunks(MAX_FRAME) {
            self.frame(DATA, 0, stream, part).await?;
        }
        Ok(())
    }

    /// A part of the frame that has this data.
    pub(crate) async fn part_of_data(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        let length = u8::try_from(data.len() + 1).map_err(io::Error::other)?;
        let head = [&[0, 0, length, DATA, 0][..], &stream.to_be_bytes()].concat();
        self.bytes(&[&head, data].concat()).await
    }

    /// The last data of a stream.
    pub(crate) async fn last_data(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        self.frame(DATA, END_STREAM, stream, data).await
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: u32) -> io::Result<()> {
        self.frame(RST_STREAM, 0, stream, &reason.to_be_bytes()).await
    }

    /// The connection ends, and what came up to this stream was looked at.
    pub(crate) async fn go_away(&mut self, last: u32, reason: u32) -> io::Result<()> {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat()).await
    }
}

/// Fields as HPACK writes them where it keeps nothing in a table: each name and each value as it is.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("one byte of length"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Listens at a place, and has each connection served. One of which `serve` says that it has ended is closed.
pub(crate) async fn listen<F, Fut>(place: &Place, tls: Option<ServerTls>, serve: F) -> Result<(), BoxError>
where
    F: Fn(Frames) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    match place {
        Place::Tcp(address) => {
            let listener = Island::listen(*address)?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream, tls.clone(), serve.clone()));
                }
            });
        }
        Place::Unix(path) => {
            let listener = UnixListener::bind(path.file().ok_or("an abstract name")?)?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, None, serve.clone()));
                }
            });
        }
    }
    Ok(())
}

async fn connection<F, Fut>(stream: impl Io + 'static, tls: Option<ServerTls>, serve: F) -> io::Result<()>
where
    F: Fn(Frames) -> Fut,
    Fut: Future<Output = io::Result<()>>,
{
    let io: Box<dyn Io> = match tls {
        Some(tls) => Box::new(TlsAcceptor::from(tls.with_protocols(&[b"h2"]).current()).accept(stream).await?),
        None => Box::new(stream),
    };
    serve(Frames::begin(io).await?).await
}
