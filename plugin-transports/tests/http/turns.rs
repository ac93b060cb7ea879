//! Who opens the first connections to an origin that may speak HTTP/2.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use plugin_core::{Call, Code};
use plugin_transports::{auth::AuthConfig, http::HttpConfig, tls::ServerTlsConfig};
use tokio::{
    io::AsyncWriteExt,
    sync::{Barrier, Notify},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    support::{call, connect, connection, listener, ok, read_message, settle, within},
    test_files::Files,
};

#[tokio::test]
async fn who_waited_for_a_first_connection_that_speaks_http1_opens_one_beside_the_others() {
    const CALLS: usize = 4;
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files").with_protocols(&[b"http/1.1"]);
    let acceptor = TlsAcceptor::from(tls.current());
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        // The first is answered alone, and each of the others when all have come.
        let others = Arc::new(Barrier::new(CALLS - 1));
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (acceptor, others) = (acceptor.clone(), Arc::clone(&others));
            tokio::spawn(async move {
                if number > 0 {
                    others.wait().await;
                }
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                // One call each, so that none is had by two.
                if read_message(&mut stream).await.is_some() {
                    let _ = stream.write_all(&ok("{}")).await;
                }
            });
        }
    });
    let config = HttpConfig::builder("p", format!("https://localhost:{}/", address.port()));
    let instance = connect(config.with_auth(AuthConfig::none().with_ca_file(files.ca())));
    for reply in join_all((0..CALLS).map(|_| call(&instance, "1"))).await {
        reply.expect("a reply");
    }
}

#[tokio::test]
async fn callers_of_an_origin_that_says_nothing_wait_for_it_side_by_side() {
    const CALLS: usize = 5;
    let (listener, address) = listener().await;
    let (accepted, changed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, change) = (Arc::clone(&accepted), Arc::clone(&changed));
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            silent.push(stream);
            count.fetch_add(1, Ordering::SeqCst);
            change.notify_waiters();
        }
    });
    let until = async |connections: usize| {
        within(async {
            loop {
                let change = changed.notified();
                if accepted.load(Ordering::SeqCst) >= connections {
                    return;
                }
                change.await;
            }
        })
        .await;
    };
    // Less than an attempt may take.
    let limit = Duration::from_secs(20);
    let config = HttpConfig::builder("p", format!("https://{address}/"))
        .with_connection(connection(|config| config.with_connection_timeout(limit)));
    let instance = connect(config);
    let mut calls: FuturesUnordered<_> =
        (0..CALLS).map(|_| instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")))).collect();
    tokio::select! {
        _ = calls.next() => panic!("nobody answers"),
        () = until(1) => {}
    }
    settle().await;
    // One at a time, as long as it may be one connection for all.
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    tokio::time::pause();
    tokio::time::advance(limit).await;
    tokio::time::resume();
    let first = within(calls.next()).await.expect("a call").expect_err("no connection");
    assert_eq!(first.code(), Code::ConnectionFailed);
    tokio::select! {
        _ = calls.next() => panic!("nobody answers"),
        () = until(CALLS) => {}
    }
}
