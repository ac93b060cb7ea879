//! `server.unix`: the Unix socket of the data plane.

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Table};
use plugin_settings::Keys;
use plugin_transports::listen::{SocketPath, UnixSocketOptions};

pub(super) static TABLE: Table = Table::new(
    "server.unix",
    "A Unix socket on which the data plane serves too, without TLS.",
    &[
        Key::new(
            "path",
            Kind::Text,
            "Its path, relative to the directory of this file, or an abstract name such as `@gateway`.",
        )
        .required(),
        Key::new(
            "mode",
            Kind::Text,
            "The mode of its file, as text such as `\"0660\"`: who may not write to it may not connect. Not for an abstract name.",
        )
        .derived_default("`0600`: the gateway's own user"),
        Key::new(
            "allowed_uids",
            Kind::Names(number),
            "The users, by number, that may connect besides those of `allowed_gids`, and nobody else.",
        ),
        Key::new(
            "allowed_gids",
            Kind::Names(number),
            "The groups, by number, whose processes may connect (the first group of each), and nobody else.",
        ),
    ],
);

/// Where it is, and who may connect.
pub(super) fn read(keys: &mut Keys<'_>) -> Option<(SocketPath, UnixSocketOptions)> {
    let text = keys.text("path");
    let mode = keys.text_with("mode", Code::ConfigValue, |text| {
        mode_of(text).ok_or_else(|| {
            format!("{text:?} is no mode: it is text, a zero and three octal digits, such as \"0660\" with its quotes")
        })
    });
    let mut options = UnixSocketOptions::new()
        .with_allowed_uids(numbers(keys, "allowed_uids"))
        .with_allowed_gids(numbers(keys, "allowed_gids"));
    let text = text?;
    let path = if text.starts_with(['/', '@']) || text.starts_with("unix:") {
        text
    } else {
        keys.context().path(&text).display().to_string()
    };
    let path = path.parse::<SocketPath>().inspect_err(|error| {
        keys.fault("path", Code::ConfigValue, error.problem());
    });
    let path = path.ok()?;
    if let Some(mode) = mode {
        if path.file().is_none() {
            keys.fault(
                "mode",
                Code::ConfigValue,
                format!("{path} is an abstract name, which has no mode; `allowed_uids` says who may connect"),
            );
        }
        options = options.with_mode(mode);
    }
    Some((path, options))
}

/// The zero is asked for: a number of TOML or JSON comes without one, and in decimal digits.
fn mode_of(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix('0'))?;
    let is_octal = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    u32::from_str_radix(digits, 8).ok().filter(|_| is_octal)
}

fn number(text: &str) -> Result<(), String> {
    text.parse::<u32>().map(drop).map_err(|_| "a number, as `id` shows it".to_owned())
}

/// What is no number is a fault already.
fn numbers(keys: &mut Keys<'_>, name: &'static str) -> Vec<u32> {
    keys.texts(name).iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_in_every_format_or_a_fault() {
        for (text, mode) in [("0660", 0o660), ("0o640", 0o640), ("0000", 0)] {
            assert_eq!(mode_of(text), Some(mode), "{text}");
        }
        // 432 is what TOML makes of `0o660`.
        for text in ["432", "660", "0", "00", "0668", "01660", "0x1b0", "+660", "0+60", ""] {
            assert_eq!(mode_of(text), None, "{text}");
        }
    }
}
