//! The fuzz target of a whole request: its head and its body.

use plugin_core::{Code, clock};

use super::{options::Settings, request::decode};
use crate::{
    fuzzing::{behind_headers, headers},
    net::body::{self, Parts},
};

/// A request is a call whose payload is JSON, or is refused with a problem document that blames its caller.
pub fn http_call(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let settings = Settings { max_body: 512, ..Settings::default() };
        let body = bytes::Bytes::copy_from_slice(behind_headers(bytes));
        let is_long = body.len() > settings.max_body;
        match decode(&headers(bytes), Parts::from(body), &settings, clock::now()).await {
            Ok(decoded) => {
                assert!(!is_long);
                settings.json.check(decoded.call.payload()).expect("JSON");
                assert_eq!(decoded.request_id, decoded.call.context().request_id().to_string());
            }
            Err(refusal) => {
                assert!(refusal.status().is_client_error(), "{}", refusal.status());
                let Ok(document) = body::read(refusal.into_body(), 64 << 10, false).await else { panic!("a document") };
                let document: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
                assert!(document["code"].as_str().and_then(Code::parse).is_some(), "{document}");
            }
        }
    });
}

#[cfg(test)]
fuzz_twins::twins!(http_call);
