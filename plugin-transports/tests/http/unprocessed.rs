//! What a host knows of a request that a plugin did not take over HTTP/2.

use plugin_core::{AnyError, Classify, Code, Sent};
use plugin_transports::http::{HttpConfig, HttpVersion};

use crate::{
    refusing::{REFUSALS, serve},
    support::{call, connect, within},
};

#[tokio::test]
async fn a_stream_that_was_refused_or_came_after_a_goaway_was_never_sent() {
    for (refusal, is_unsent) in REFUSALS {
        let address = within(serve(refusal)).await;
        let config = HttpConfig::builder("p", format!("http://{address}/run")).with_version(HttpVersion::Http2);
        let error = call(&connect(config), "1").await.expect_err("it is not taken");
        let sent = if is_unsent { Sent::Nothing } else { Sent::Maybe };
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, sent), "{refusal:?}: {error:?}");
        assert_eq!(AnyError.classify(Err::<&(), _>(&error)).sent(), sent, "{refusal:?}, as it is judged");
    }
}
