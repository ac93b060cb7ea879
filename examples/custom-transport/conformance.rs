//! What holds for every transport of the family holds for this one: their suite, with this transport's two sides and its
//! broken peers.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use plugin_core::{BoxError, PluginInstance};
use plugin_transports::{
    conformance::{self, Ability, Fault, Faulty, Island, Scripted, ServedPlugin, Settings, Subject},
    dial::{Dialer, Resolver},
};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    frame, server,
    transport::{self, FramedTcp},
};

#[tokio::test]
async fn what_holds_for_every_transport_holds_for_this_one() {
    let report = conformance::run(&Framed).await;
    assert_eq!(report.not_tried().count(), 0, "{report}");
}

struct Framed;

/// A server, and its port, which stays its own while it is down.
struct Running {
    island: Island,
    port: TcpSocket,
}

impl Running {
    fn address(&self) -> Result<SocketAddr, BoxError> {
        Ok(self.port.local_addr()?)
    }
}

impl ServedPlugin for Running {
    async fn kill(&self) {
        self.island.kill().await;
    }

    async fn restart(&self) -> Result<(), BoxError> {
        self.island.restart().await
    }

    fn held(&self) -> Option<usize> {
        self.island.held()
    }
}

impl Subject for Framed {
    type Service = FramedTcp;
    type Server = Running;

    fn name(&self) -> &str {
        "framed TCP"
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        use Ability::{Codes, Deadline, Line, Metadata, RequestId, Status};

        let frame =
            [Metadata, RequestId, Codes, Status, Deadline].map(|each| (each, "a frame has room for a payload alone"));
        let others = [
            (Line, "there are 64 places, and nobody is told who waits for one"),
            (Ability::Fault(Fault::Unavailable), "a reply has no status"),
            (Ability::Fault(Fault::Refuses), "whoever connects is told"),
            (Ability::Fault(Fault::InvalidUtf8), "an answer is bytes, and its reader's to read"),
            (Ability::Fault(Fault::WrongId), "a connection has one call, and no ids"),
        ];
        [&frame[..], &others].concat()
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Running, BoxError> {
        let port = Island::port()?;
        let address = port.local_addr()?;
        let island = Island::start(move || {
            let plugin = plugin.clone();
            async move { Ok(tokio::spawn(server::serve(Island::listen(address)?, plugin))) }
        });
        Ok(Running { island: island.await?, port })
    }

    async fn connect(&self, server: &Running, settings: &Settings) -> Result<PluginInstance<FramedTcp>, BoxError> {
        at(server.address()?, settings).await
    }

    async fn faulty(&self, fault: Fault, settings: &Settings) -> Result<Option<Faulty<FramedTcp>>, BoxError> {
        let port = Island::port()?;
        let (address, most) = (port.local_addr()?, settings.max_reply);
        let island = Island::start(move || async move {
            let listener = Island::listen(address)?;
            Ok(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(broken(fault, most, stream));
                }
            }))
        });
        let peer = Running { island: island.await?, port };
        Ok(Some(Faulty::new(at(address, settings).await?, peer)))
    }
}

async fn at(address: SocketAddr, settings: &Settings) -> Result<PluginInstance<FramedTcp>, BoxError> {
    let dead = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 10), address.port()));
    let addresses = if settings.has_dead_address { vec![dead, address] } else { vec![address] };
    let resolver = Resolver::new(move |_, _| {
        let addresses = addresses.clone();
        async move { Ok(addresses) }
    });
    let dialer = Dialer::new("scripted.example", address.port()).with_resolver(resolver);
    let max = settings.max_request.min(settings.max_reply).min(frame::MAX);
    Ok(transport::connect_by("scripted", &address.to_string(), dialer, max).await?)
}

/// A peer that does this in place of an answer.
async fn broken(fault: Fault, most: usize, mut stream: TcpStream) -> Result<(), BoxError> {
    loop {
        let request = frame::read(&mut stream, frame::MAX).await?;
        let value = serde_json::from_slice::<Value>(&request)?["value"].take();
        let answer = [&[frame::DONE], value.to_string().as_bytes()].concat();
        match fault {
            Fault::Garbage => frame::write(&mut stream, b"what?").await?,
            Fault::Truncated => frame::write(&mut stream, b"").await?,
            Fault::Reset => {
                stream.write_all(b"\0\0\0\x64\0[1,").await?;
                return Ok(());
            }
            Fault::HalfClosed => stream.shutdown().await?,
            Fault::SlowLoris => {
                for byte in [&[0, 0, 3, 0, frame::DONE], &[b' '; 763][..]].concat() {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Fault::Twice => {
                frame::write(&mut stream, &answer).await?;
                frame::write(&mut stream, &answer).await?;
            }
            Fault::Oversized => frame::write(&mut stream, &vec![frame::DONE; most + (64 << 10)]).await?,
            _ => std::future::pending().await,
        }
    }
}
