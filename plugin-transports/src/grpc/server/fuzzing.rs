//! The fuzz target of a whole request: its head, and the message in it.

use bytes::Bytes;
use plugin_core::clock;

use super::{options::Settings, request};
use crate::{
    fuzzing::{MOST_SAID, behind_headers, headers},
    grpc::{
        proto::ExecuteRequest,
        status::{INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED},
    },
    net::body::Parts,
};

/// A request is a call whose payload is JSON, or is refused with a status that blames its caller and a few words. What stands
/// behind the head is the message, which is framed here.
pub fn grpc_request(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let settings = Settings { max_message: 512, ..Settings::default() };
    let (head, message) = (headers(bytes), Bytes::copy_from_slice(behind_headers(bytes)));
    let is_long = message.len() > settings.max_message;
    let length = u32::try_from(message.len()).expect("short");
    let framed = Parts::behind(&Bytes::from([&[0][..], &length.to_be_bytes()].concat()), message);
    let read = runtime.block_on(request::read::<ExecuteRequest, _>(&head, framed, &settings));
    let read = read.and_then(|message| Ok(request::call(&head, message, &settings, clock::now())?));
    match read {
        Ok(call) => {
            assert!(!is_long);
            settings.json.check(call.payload()).expect("JSON");
        }
        Err(refused) => {
            let status = refused.status;
            assert!([INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED].contains(&status.number), "{status:?}");
            assert!((1..MOST_SAID).contains(&status.message.len()), "{} {status:?}", status.message.len());
            assert!(!status.details.is_empty());
        }
    }
}

#[cfg(test)]
fuzz_twins::twins!(grpc_request);
