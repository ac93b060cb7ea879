//! The error that a caller gets for a fault of the connection.

use std::sync::Arc;

use plugin_core::{Code, PluginError, Rejected, Sent, deadline::cut::AttemptTime};

use super::link::LinkState;
use crate::{
    lines::{
        client::{Failure, Loss},
        codec::Fault,
    },
    wire::plugin_errors,
};

/// What a call waited for whose plugin answers that its time is up.
const WAITING: &str = "waiting for the plugin";

pub(super) fn failed(failure: Failure, shared: &LinkState) -> PluginError {
    let error = match failure {
        Failure::Lost(loss, Sent::Nothing) => return shared.too_late(&loss.why),
        // Whoever asked for that did it, and not the plugin: what judges the plugin by its calls ignores a refusal.
        Failure::Lost(Loss { why, on_request: true }, Sent::Maybe) => {
            let text = format!("the plugin's process {why} before it had answered");
            let rejected = Rejected::new(Code::Draining).with_sent(Sent::Maybe);
            PluginError::refused(rejected, text).with_sent(Sent::Maybe).with_retryable(true)
        }
        Failure::Lost(Loss { why, .. }, Sent::Maybe) => {
            let text = format!("the plugin's process was lost during the call: it {why}");
            let error = PluginError::new(Code::ExecTransport, text).with_retryable(true);
            match shared.retry_after() {
                Some(after) => error.with_retry_after(after),
                None => error,
            }
        }
        Failure::Closing => return shared.too_late("is being stopped"),
        Failure::Unreadable(why) => {
            let why = shared.confidential.hide_in(why);
            PluginError::new(Code::ExecTransport, format!("the plugin's reply cannot be read: {why}"))
        }
        Failure::LimitExceeded(beyond) => {
            PluginError::reply_too_large(format!("the plugin's reply is not passed on: {beyond}"))
        }
        Failure::ReplyTooLarge(limit) => {
            PluginError::reply_too_large(format!("the reply is longer than a line may be, {limit} bytes"))
        }
        Failure::QueueFull(_) => Rejected::new(Code::QueueFull).into(),
        Failure::TooMany(_) => Rejected::new(Code::ConcurrencyExceeded).into(),
    };
    error.with_plugin(shared.name.clone())
}

/// The plugin answered, with an error.
pub(super) fn answered(fault: Fault, time: Option<&AttemptTime>, shared: &LinkState) -> PluginError {
    let is_out_of_time = fault.code == Code::Timeout;
    let error = plugin_errors::error(fault.code, shared.confidential.hide_in(fault.text), fault.again);
    let error = match time {
        Some(time) if is_out_of_time => plugin_errors::out_of_time(error, time, WAITING),
        _ => error,
    };
    error.with_plugin(shared.name.clone())
}

pub(super) fn not_json(flaw: &crate::json::JsonFault, plugin: &Arc<str>) -> PluginError {
    crate::json::refused(flaw).with_plugin(plugin.clone())
}

pub(super) fn too_large(size: usize, limit: usize, plugin: &Arc<str>) -> PluginError {
    PluginError::new(Code::PayloadTooLarge, format!("the request has {size} bytes, and a line may have {limit}"))
        .with_plugin(plugin.clone())
        .with_sent(Sent::Nothing)
}
