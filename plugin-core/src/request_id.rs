//! The id of a call.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A call's id: 128 bits, written as 32 hexadecimal digits. The upper half is random per process, the lower counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u64; 2]);

/// Ids that a thread takes from the shared counter at a time, so that threads rarely meet.
const BLOCK: u64 = 1024;

impl RequestId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
        thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });

        let process = *PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        let number = NEXT.with(|next| {
            let mut number = next.get();
            if number % BLOCK == 0 {
                // Relaxed: blocks only have to differ.
                number = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            }
            next.set(number + 1);
            number
        });
        Self([process, number])
    }

    /// Reads 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ([high, low], []) = text.as_bytes().as_chunks::<16>() else { return None };
        Some(Self([half(high)?, half(low)?]))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u128 {
        (self.0[0] as u128) << 64 | self.0[1] as u128
    }
}

/// The number of sixteen lower-case hexadecimal digits.
fn half(digits: &[u8; 16]) -> Option<u64> {
    digits.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece, so that a text of it is allocated once.
        let bytes = self.get().to_be_bytes();
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [byte >> 4, byte & 0xf].map(|half| b"0123456789abcdef"[usize::from(half)]);
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_within_and_between_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..3000).map(|_| RequestId::generate()).collect::<Vec<_>>()))
            .collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(RequestId::parse(&ids[0].to_string()), Some(ids[0]));
        let id = RequestId([0x0123_4567_89ab_cdef, 0xf]);
        assert_eq!(id.to_string(), "0123456789abcdef000000000000000f");
        assert_eq!(RequestId::parse("0123456789abcdef000000000000000f"), Some(id));
        assert_eq!(RequestId::parse(&"f".repeat(32)).map(RequestId::get), Some(u128::MAX));
    }

    #[test]
    fn what_is_not_32_lower_case_digits_is_no_id() {
        for text in ["", "0", &"0".repeat(31), &"0".repeat(33), &"0".repeat(48), &"é".repeat(16)] {
            assert_eq!(RequestId::parse(text), None, "{text:?}");
        }
        for wrong in ['A', 'F', 'g', '+', '-', ' ', '/', ':', '`', '_'] {
            for place in [0, 15, 16, 31] {
                let mut text = "0".repeat(32);
                text.replace_range(place..=place, &wrong.to_string());
                assert_eq!(RequestId::parse(&text), None, "{text:?}");
            }
        }
    }
}
