//! Peers that speak go-plugins' lines badly.

use std::{io, path::Path, time::Duration};

use plugin_transports::conformance::Fault;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

/// Listens at this path and does this.
pub(crate) fn listen(fault: Fault, max_reply: usize, path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(fault, max_reply, stream));
        }
    });
    Ok(())
}

async fn converse(fault: Fault, max_reply: usize, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let request: Value = serde_json::from_str(&line).unwrap_or_default();
        let id = request["request_id"].as_str().unwrap_or_default();
        let begin = format!(r#"{{"type":"execute","request_id":"{id}","success":true,"data":"#);
        let whole = format!("{begin}{}}}\n", request["data"]["value"]);
        let bytes = match fault {
            Fault::Garbage => format!("{begin}NaN}}\n").into_bytes(),
            Fault::InvalidUtf8 => [begin.as_bytes(), b"\"\xff\xfe\"}\n"].concat(),
            Fault::Truncated => format!("{begin}[1,\n").into_bytes(),
            Fault::Reset => {
                write.write_all(format!("{begin}[1,").as_bytes()).await?;
                return Ok(());
            }
            Fault::HalfClosed => return write.shutdown().await,
            Fault::SlowLoris => {
                for byte in begin.bytes().cycle() {
                    write.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                return Ok(());
            }
            Fault::Twice => format!("{whole}{whole}").into_bytes(),
            Fault::WrongId => {
                let reply = json!({"type": "execute", "request_id": "another", "success": true, "data": 1});
                format!("{reply}\n").into_bytes()
            }
            Fault::Oversized => format!("{begin}\"{}\"}}\n", "x".repeat(max_reply + (64 << 10))).into_bytes(),
            _ => std::future::pending().await,
        };
        write.write_all(&bytes).await?;
    }
    Ok(())
}
