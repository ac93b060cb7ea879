//! A payload that is known to be JSON is not looked at again.

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Seal, Sent};

use super::{JsonFault, Limits};

/// The payload is one JSON value.
static JSON: Seal = Seal::new("JSON");

/// The payload is one JSON value, and has no line break, not even between tokens.
static JSON_ON_ONE_LINE: Seal = Seal::new("JSON on one line");

/// Checks the payload once, at the door, so that no transport behind it does so at each attempt: that it is one JSON value,
/// within the default [`Limits`]. The bytes stay as they are. [`typed`](super::typed) marks what it writes in the same
/// way, and the gateway what it is sent.
///
/// A transport that is given a call without this checks it by itself. A copy of the payload, as a retry makes one, does
/// not allocate afterwards.
///
/// # Errors
///
/// `PLUGIN_1206`, with nothing sent, when the payload is not JSON, and says where, or is beyond a limit.
pub fn checked(call: Call<Bytes>) -> Result<Call<Bytes>, PluginError> {
    checked_within(call, Limits::new())
}

/// Like [`checked`], within other limits. A call that was checked before is not checked again.
///
/// # Errors
///
/// Those of [`checked`].
pub fn checked_within(call: Call<Bytes>, limits: Limits) -> Result<Call<Bytes>, PluginError> {
    if is_checked(&call) {
        return Ok(call);
    }
    match limits.check(call.payload()) {
        Ok(()) => Ok(sealed(call)),
        Err(flaw) => Err(refused(&flaw)),
    }
}

/// The error about a payload that is not the JSON that it must be.
#[cold]
pub(crate) fn refused(flaw: &JsonFault) -> PluginError {
    let message = match flaw {
        JsonFault::Syntax(error) => format!("the payload is not JSON: {error}"),
        JsonFault::LimitExceeded(_) => format!("the payload is not accepted: {flaw}"),
    };
    PluginError::new(Code::InvalidPayload, message).with_sent(Sent::Nothing)
}

/// Marks a call whose payload is known to be JSON.
pub(super) fn sealed(call: Call<Bytes>) -> Call<Bytes> {
    // Bytes that were made of a vector become shared when they are first copied, which allocates: here, and not in a retry.
    drop(call.payload().clone());
    let lines = memchr::memchr2(b'\n', b'\r', call.payload()).is_some();
    call.with_seal(if lines { &JSON } else { &JSON_ON_ONE_LINE })
}

/// Whether the payload is known to be JSON.
pub(crate) fn is_checked(call: &Call<Bytes>) -> bool {
    call.has_seal(&JSON_ON_ONE_LINE) || call.has_seal(&JSON)
}

/// The payload on one line, looked at only as far as it is not known.
#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) fn on_one_line(call: &Call<Bytes>, limits: Limits) -> Result<std::borrow::Cow<'_, [u8]>, JsonFault> {
    use super::flat::flat;

    if call.has_seal(&JSON_ON_ONE_LINE) {
        return Ok(call.payload()[..].into());
    }
    if !call.has_seal(&JSON) {
        limits.check(call.payload())?;
    }
    Ok(flat(call.payload()))
}

#[cfg(test)]
mod tests {
    #[cfg(any(feature = "http", feature = "grpc"))]
    use tower::ServiceExt;

    use super::*;
    use crate::json::check::CHECKS;

    fn checks(run: impl FnOnce()) -> usize {
        let before = CHECKS.with(std::cell::Cell::get);
        run();
        CHECKS.with(std::cell::Cell::get) - before
    }

    #[test]
    fn a_payload_is_checked_once_and_a_line_break_between_tokens_is_remembered() {
        let call = |text: &str| Call::new(Bytes::from(text.to_owned()));
        let once = checks(|| {
            let call = checked(call("{\"a\": 1}")).expect("JSON");
            let again = checked(call.clone()).expect("it is known to be");
            assert!(is_checked(&again) && again.has_seal(&JSON_ON_ONE_LINE));
        });
        assert_eq!(once, 1);
        let lines = checked(call("[1,\r2]")).expect("JSON");
        assert!(is_checked(&lines) && !lines.has_seal(&JSON_ON_ONE_LINE));
        for bad in ["", "nul", "{}{}", "NaN"] {
            let error = checked(call(bad)).expect_err(bad);
            assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, Sent::Nothing));
        }
        let deep = checked(call(&("[".repeat(129) + &"]".repeat(129)))).expect_err("too deep");
        assert_eq!((deep.code(), deep.sent()), (Code::InvalidPayload, Sent::Nothing));
        assert!(deep.message().contains("`max_json_depth`, which is 128"), "{deep}");
        let long = checked(call(&"9".repeat(4001))).expect_err("more digits than Python reads");
        assert!(long.message().contains("a number of more than 4000 characters"), "{long}");
        let own = Limits::new().with_max_depth(129).with_max_digits(4001);
        assert!(checked_within(call(&("[".repeat(129) + &"9".repeat(4001) + &"]".repeat(129))), own).is_ok());
        let error = checked(Call::new(Bytes::from_static(b"\"\xe9\""))).expect_err("Latin-1");
        assert_eq!(error.code(), Code::InvalidPayload);
    }

    #[cfg(any(feature = "http", feature = "grpc"))]
    #[tokio::test]
    async fn attempts_over_http_do_not_check_again_what_was_checked_at_the_door() {
        let config = crate::http::HttpConfig::builder("p", "http://127.0.0.1:1/").build().expect("valid");
        let plugin = crate::http::HttpPlugin::connect(config).expect("nothing to read");
        let mut counts = Vec::new();
        for call in
            [Call::new(Bytes::from_static(b"[1]")), checked(Call::new(Bytes::from_static(b"[1]"))).expect("JSON")]
        {
            let before = CHECKS.with(std::cell::Cell::get);
            for _ in 0..3 {
                let error = plugin.service().clone().oneshot(call.clone()).await.expect_err("nobody listens there");
                assert_eq!(error.code(), Code::ConnectionFailed);
            }
            counts.push(CHECKS.with(std::cell::Cell::get) - before);
        }
        assert_eq!(counts, [3, 0]);
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    #[test]
    fn a_payload_for_a_process_is_put_on_one_line_and_checked_unless_it_was() {
        let lines = || Call::new(Bytes::from_static(b"[1,\n2]"));
        for (call, checks) in [(lines(), 1), (checked(lines()).expect("JSON"), 0)] {
            let before = CHECKS.with(std::cell::Cell::get);
            assert_eq!(on_one_line(&call, Limits::new()).expect("JSON"), &b"[1, 2]"[..]);
            assert_eq!(CHECKS.with(std::cell::Cell::get) - before, checks);
        }
        on_one_line(&Call::new(Bytes::from_static(b"[1,\n2")), Limits::new()).expect_err("no end");
    }

    #[test]
    fn a_copy_of_a_checked_payload_does_not_allocate() {
        let copies =
            |call: &Call<Bytes>| allocation_counter::measure(|| drop(std::hint::black_box(call.clone()))).count_total;
        let heap = || Call::new(Bytes::from(b"\"a heap payload\"".to_vec()));
        assert_eq!(copies(&checked(heap()).expect("JSON")), 0);
        assert_eq!(
            copies(&heap()),
            1,
            "if this is 0 too, bytes are shared from the start and `checked` need not see to it"
        );
    }
}
