//! Bytes in base64, one after the other, so that nothing is allocated for them.

/// The bytes of a text in the alphabet of RFC 4648, with padding or without, as gRPC has binary metadata.
pub(super) struct Decoded<'t> {
    text: std::slice::Iter<'t, u8>,
    /// Bits that were read and not given out, and how many.
    bits: u32,
    count: u32,
    is_broken: bool,
}

impl<'t> Decoded<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let end = text.len() - text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        Self { text: text[..end].iter(), bits: 0, count: 0, is_broken: false }
    }

    /// Whether what has ended was base64 to its end.
    pub(super) fn is_whole(&self) -> bool {
        // One letter more than whole bytes is none.
        !self.is_broken && self.text.len() == 0 && self.count < 6
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.count < 8 {
            let letter = *self.text.next()?;
            let Some(six) = value(letter) else {
                self.is_broken = true;
                return None;
            };
            self.bits = (self.bits << 6 | u32::from(six)) & 0xffff;
            self.count += 6;
        }
        self.count -= 8;
        let [.., byte] = (self.bits >> self.count).to_be_bytes();
        Some(byte)
    }
}

fn value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
