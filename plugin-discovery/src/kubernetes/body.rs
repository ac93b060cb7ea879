//! Reads an answer that has an end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    connection::{too_slow, unreachable},
    failure::Failure,
};
use crate::FaultKind;

/// A whole body of at most so many bytes, within the time.
pub(super) async fn read(answer: Response<Incoming>, most: usize, limit: Duration) -> Result<Bytes, Failure> {
    let whole = async {
        let (mut body, mut bytes) = (answer.into_body(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| unreachable("an answer of the API server was cut off", &error))?;
            let piece = frame.into_data().unwrap_or_default();
            if bytes.len() + piece.len() > most {
                let message = format!("an answer of the API server is longer than {most} bytes");
                return Err(Failure::new(FaultKind::Unreadable, message));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    };
    timeout(limit, whole).await.unwrap_or_else(|_| Err(too_slow(limit)))
}
