//! The forms that a report is read from and written in.

use super::{base64, json, report::LoadReport, text, wire};

impl LoadReport {
    /// The report in a header's value: `TEXT` with `name=value` and commas between, `JSON` with an object, or `BIN`
    /// with base64, as Envoy reads them. `None` where it is none of these, or one of the numbers cannot be: one that is
    /// below 0, above 10^12, or not finite. Other names are passed over.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (form, rest) = value.trim().split_once(' ')?;
        match form {
            "TEXT" => text::read(rest),
            "JSON" => json::read(rest),
            "BIN" => Self::from_base64(rest.as_bytes()),
            _ => None,
        }
    }

    /// The report in a message `xds.data.orca.v3.OrcaLoadReport`. `None` where it is none, or a number cannot be, as in
    /// [`parse`](Self::parse).
    #[must_use]
    pub fn from_bytes(message: &[u8]) -> Option<Self> {
        wire::read(&mut message.iter().copied())
    }

    /// The same in base64, with padding or without.
    pub(crate) fn from_base64(text: &[u8]) -> Option<Self> {
        let mut bytes = base64::Decoded::new(text);
        let report = wire::read(&mut bytes)?;
        bytes.is_whole().then_some(report)
    }

    /// A message `xds.data.orca.v3.OrcaLoadReport`, for [`BINARY_HEADER`](Self::BINARY_HEADER).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::write(self)
    }

    /// The value of [`HEADER`](Self::HEADER), in the form `TEXT`.
    #[must_use]
    pub fn to_header_value(&self) -> String {
        text::write(self)
    }
}
