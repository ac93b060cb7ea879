//! The fuzz targets of what all transports over connections read.

use std::{
    convert::Infallible,
    io::Read,
    task::{Context, Waker},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use super::{
    body::{self, Unread},
    endpoint::{ENDPOINT, Endpoint, HTTP, Place},
    interim::FinalAnswer,
    socket_path::SocketPath,
    spoken::{ENOUGH, Heard, Spoken},
    tapped::Tap,
};

/// An endpoint is a place and a path, is read once more as it is shown, and shows no query.
pub fn endpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let endpoint = match Endpoint::parse(ENDPOINT, text, &HTTP) {
        Ok(endpoint) => endpoint,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(endpoint.path.path().starts_with('/'), "{endpoint:?}");
    match &endpoint.place {
        Place::Host { host, port } => {
            assert!(!host.is_empty() && *port > 0);
            let again = Endpoint::parse(ENDPOINT, &endpoint.uri().to_string(), &HTTP).expect("our own URL");
            assert_eq!((again.uri(), again.place), (endpoint.uri(), endpoint.place.clone()));
        }
        Place::Socket(_) => assert!(endpoint.is_local() && !endpoint.tls),
    }
    assert!(!endpoint.host_header().is_empty());
    let shown = if endpoint.path.query().is_some() { "?***" } else { "" };
    assert_eq!(format!("{endpoint:?}"), endpoint.without_query() + shown);
    let health = endpoint.health("").expect("a path");
    assert!(endpoint.same_origin(&health));
    let _any = endpoint.health(text.rsplit(' ').next().unwrap_or_default());
}

/// The address of a socket fits the system, and is read once more as it is shown.
pub fn socket_path(bytes: &[u8]) {
    let Some(Ok(path)) = std::str::from_utf8(bytes).ok().map(SocketPath::parse) else { return };
    assert!((1..=108).contains(&path.as_path().as_os_str().len()));
    assert_eq!(SocketPath::parse(&path.to_string()).as_ref(), Ok(&path));
}

/// What is kept of a body is within its bound, compressed or not, and does not depend on how it is cut. The first byte says
/// how long its pieces are.
pub fn http_body(bytes: &[u8]) {
    const MOST: usize = 256;
    let Some((size, bytes)) = bytes.split_first() else { return };
    let read = |size: usize, gzip: bool| {
        let frames =
            bytes.chunks(size.max(1)).map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk))));
        let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        match futures_util::FutureExt::now_or_never(body::read(body, MOST, gzip)).expect("all of it is there") {
            Ok(body) => Some(body),
            Err(Unread::TooLarge | Unread::NotGzip(_)) => None,
            Err(Unread::Broken(never)) => match never {},
        }
    };
    for gzip in [false, true] {
        let whole = read(bytes.len(), gzip);
        assert_eq!(whole, read(usize::from(*size), gzip), "in pieces");
        assert!(whole.is_none_or(|body| body.len() <= MOST));
    }
    assert_eq!(read(bytes.len(), false).is_some(), bytes.len() <= MOST);
    let mut unfolded = Vec::new();
    let reader = flate2::read::MultiGzDecoder::new(bytes).take(2 * MOST as u64);
    let is_gzip = { reader }.read_to_end(&mut unfolded).is_ok();
    if is_gzip && unfolded.len() <= MOST {
        assert_eq!(read(bytes.len(), true).as_deref(), Some(&unfolded[..]));
    }
}

/// How far a head has come does not depend on how it is cut. The first byte says how long its pieces are.
pub fn http_interim(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let read = |size: usize| {
        let mut answer = FinalAnswer::default();
        let mut cx = Context::from_waker(Waker::noop());
        for piece in bytes.chunks(size.max(1)) {
            answer.read(&mut cx, piece.len(), Ok(piece)).expect("few bytes");
        }
        format!("{answer:?}")
    };
    assert_eq!(read(bytes.len()), read(usize::from(*size)));
}

/// What is spoken is known by its first few bytes, however few come at a time, and what comes behind them changes nothing.
pub fn first_words(bytes: &[u8]) {
    let said: Vec<_> = (0..=bytes.len()).map(|length| Spoken::of(&bytes[..length])).collect();
    assert_eq!(said[0], Heard::TooLittle);
    for (length, pair) in said.windows(2).enumerate() {
        assert!(pair[0] == Heard::TooLittle || pair[0] == pair[1], "{pair:?} after {length} bytes of {bytes:?}");
    }
    assert!(said.get(ENOUGH).is_none_or(|said| *said != Heard::TooLittle));
}

#[cfg(test)]
fuzz_twins::twins!(endpoint, socket_path, http_body, http_interim, first_words);
