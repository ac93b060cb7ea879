//! A server that speaks HTTP/2 in frames, and does not take the requests that it gets.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// Its stream is reset with this code; 7 is REFUSED_STREAM.
    Reset(u32),
    /// The server goes away, and this is the last stream that it took. It closes the connection after that when it took
    /// this one.
    GoAway(u32),
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// The first stream of a client.
const FIRST: u32 = 1;

/// Answers every request so, until the test's runtime ends.
pub(crate) async fn serve(refusal: Refusal) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream, refusal));
        }
    });
    address
}

/// `None`: the client has gone.
async fn refuse(mut stream: TcpStream, refusal: Refusal) -> Option<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.ok()?;
    assert!(preface.starts_with(b"PRI * HTTP/2.0"));
    write(&mut stream, SETTINGS, 0, 0, &[]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        stream.read_exact(&mut payload).await.ok()?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], refusal) {
            (SETTINGS, _) if head[4] == 0 => write(&mut stream, SETTINGS, 1, 0, &[]).await?,
            (HEADERS, Refusal::Reset(code)) => write(&mut stream, RST_STREAM, 0, id, &code.to_be_bytes()).await?,
            (HEADERS, Refusal::GoAway(last)) => {
                write(&mut stream, GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await?;
                if last >= FIRST {
                    return None;
                }
            }
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

/// Each refusal, and whether a client knows from it that nothing was taken.
pub(crate) const REFUSALS: [(Refusal, bool); 4] = [
    (Refusal::Reset(7), true),
    (Refusal::Reset(8), false),
    (Refusal::GoAway(0), true),
    (Refusal::GoAway(FIRST), false),
];
