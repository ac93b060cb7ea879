//! The message `xds.data.orca.v3.OrcaLoadReport`, as far as it is read: five numbers of 64 bits. All else is passed
//! over.

use super::report::{Field, LoadReport};

/// The types of the wire: what stands behind a field's number says how long the field is.
const VARINT: u64 = 0;
const BITS_64: u64 = 1;
const LENGTH: u64 = 2;
const BITS_32: u64 = 5;

/// Reads a whole message. It holds nothing of what it passes over, so that only the length of the message bounds the
/// work.
pub(super) fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<LoadReport> {
    let mut report = LoadReport::new();
    while let Some(first) = bytes.next() {
        let tag = varint(first, bytes)?;
        let (number, kind) = (tag >> 3, tag & 0b111);
        match kind {
            _ if number == 0 => return None,
            BITS_64 => {
                let mut value = [0; 8];
                for byte in &mut value {
                    *byte = bytes.next()?;
                }
                if let Some(field) = Field::ALL.into_iter().find(|field| u64::from(field.number()) == number) {
                    report = report.with(field, f64::from_le_bytes(value))?;
                }
            }
            VARINT => {
                let first = bytes.next()?;
                varint(first, bytes)?;
            }
            LENGTH => {
                let first = bytes.next()?;
                let length = varint(first, bytes)?;
                skip(length, bytes)?;
            }
            BITS_32 => skip(4, bytes)?,
            // Groups are of no message of today.
            _ => return None,
        }
    }
    Some(report)
}

fn skip(count: u64, bytes: &mut impl Iterator<Item = u8>) -> Option<()> {
    for _ in 0..count {
        bytes.next()?;
    }
    Some(())
}

/// A number of variable length that begins with this byte: seven bits in each, the lowest first.
fn varint(first: u8, bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let (mut number, mut byte, mut shift) = (0, first, 0);
    loop {
        let bits = u64::from(byte & 0x7f);
        // What does not fit 64 bits is no number.
        if shift > 63 || (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
        byte = bytes.next()?;
        shift += 7;
    }
}

pub(super) fn write(report: &LoadReport) -> Vec<u8> {
    let mut message = Vec::with_capacity(9 * Field::ALL.len());
    for field in Field::ALL.into_iter().filter(|field| report.get(*field) != 0.0) {
        // A number below 16 and a type are one byte.
        message.push(field.number() << 3 | 1);
        message.extend_from_slice(&report.get(field).to_le_bytes());
    }
    message
}
