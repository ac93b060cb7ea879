//! What a client knows of a request that a server did not take over HTTP/2.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{ByErrorType, Classify, Sent};
use tower::ServiceExt;

use super::{
    bounded,
    refusing::{REFUSALS, serve},
};

const fn sent(is_unsent: bool) -> Sent {
    if is_unsent { Sent::Nothing } else { Sent::Maybe }
}

#[tokio::test]
async fn hyper_tells_that_a_stream_was_refused_or_came_after_a_goaway() {
    for (refusal, is_unsent) in REFUSALS {
        let address = serve(refusal).await;
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let request = http::Request::post(format!("http://{address}/")).body(Full::<Bytes>::default());
        let error = bounded(client.request(request.expect("a request"))).await.expect_err("it is not taken");
        let judged = ByErrorType.classify(Err::<&(), _>(&error));
        assert_eq!(judged.sent(), sent(is_unsent), "{refusal:?}: {error:?}");
    }
}

#[tokio::test]
async fn so_does_a_channel_of_tonics() {
    for (refusal, is_unsent) in REFUSALS {
        let address = serve(refusal).await;
        let channel =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("a uri").connect_lazy();
        let request = http::Request::post("/greeter/Greet").body(tonic::body::Body::empty()).expect("a request");
        let error = bounded(channel.oneshot(request)).await.expect_err("it is not taken");
        let judged = ByErrorType.classify(Err::<&(), _>(&error));
        assert_eq!(judged.sent(), sent(is_unsent), "{refusal:?}: {error:?}");
        let judged = ByErrorType.classify(Err::<&(), _>(&tonic::Status::from_error(error.into())));
        assert_eq!(judged.sent(), sent(is_unsent), "{refusal:?}, as a status");
    }
}
