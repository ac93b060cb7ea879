//! What it means when no reply comes, or one that is none.

use std::io;

use plugin_core::{Code, PluginError, Sent};

use super::{
    super::reply::{Fault, ReplyUnread},
    config::UnixConfig,
    connection::LineConnection,
};
use crate::{
    listen::SocketPath,
    net::spoken::{Heard, Spoken},
    wire::plugin_errors,
};

/// The connection broke.
pub(super) fn lost(error: io::Error, sent: Sent) -> PluginError {
    let message = match sent {
        Sent::Nothing => "the connection closed before the request was sent",
        Sent::Maybe => "the connection broke before an answer came",
    };
    PluginError::connection(message, sent).with_source(error)
}

/// The plugin closed the connection: before it said anything, or in the middle of its answer.
pub(super) fn ended(not_written: Option<io::Error>, is_silent: bool) -> PluginError {
    let message = match (is_silent, &not_written) {
        (false, _) => "the connection closed in the middle of the answer",
        (true, None) => "the connection closed before an answer came",
        (true, Some(_)) => "the connection closed before the whole request was sent",
    };
    let error = PluginError::connection(message, Sent::Maybe);
    match not_written {
        Some(source) => error.with_source(source),
        None => error,
    }
}

pub(super) fn too_long(max: usize) -> PluginError {
    PluginError::reply_too_large(format!("the plugin's answer is longer than `max_line`, which is {max} bytes"))
}

/// What came first on a connection is of another protocol. Who speaks when a call was written may have read it, whatever it says.
pub(super) fn misspoken(connection: &LineConnection, came: &[u8], socket: &SocketPath) -> Option<PluginError> {
    let Heard::Spoken(spoken) = Spoken::of(came) else { return None };
    // A page that has no head is a page of nobody knows what.
    if spoken == Spoken::Lines || connection.speaks_lines() || came.starts_with(b"<") {
        return None;
    }
    let said = spoken.instead_of(Spoken::Lines, &socket.to_string(), true);
    let error = PluginError::connection(said, Sent::Maybe).with_retryable(!spoken.is_for_good());
    Some(error.with_message_for_callers("the plugin cannot be reached"))
}

/// A line that is not the reply that was waited for.
pub(super) fn no_answer(unread: &ReplyUnread) -> PluginError {
    match unread {
        ReplyUnread::Broken(why) => {
            PluginError::new(Code::UnixTransport, format!("the plugin answered with a line that is no reply: {why}"))
        }
        ReplyUnread::Another(why) => {
            PluginError::new(Code::UnixTransport, format!("the plugin answered another request: {why}"))
        }
        ReplyUnread::LimitExceeded(beyond) => {
            PluginError::reply_too_large(format!("the plugin's reply is not passed on: {beyond}"))
        }
    }
}

/// The error that the plugin answered with.
pub(super) fn said(config: &UnixConfig, fault: Fault) -> PluginError {
    let text = config.credentials.hide_in(fault.text);
    if fault.is_stranger {
        // The configuration is at fault, and so are all calls alike.
        let message = match config.credentials.has_headers() {
            true => "the plugin does not accept the credentials in `auth`",
            false => "the plugin asks for credentials, and `auth` has none",
        };
        return PluginError::new(Code::UnixTransport, message).with_detail(text).as_no_evidence();
    }
    plugin_errors::error(fault.code, text, fault.again)
}
