//! Ids as this host writes them: 16 lower-case hexadecimal digits.

pub(crate) const DIGITS: usize = 16;

/// Writes an id over the digits of another.
#[cfg(any(test, all(feature = "process", target_os = "linux")))]
pub(crate) fn write(digits: &mut [u8], id: u64) {
    let mut left = id;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(left & 15) as usize];
        left >>= 4;
    }
}

#[cfg(any(test, all(feature = "process", target_os = "linux")))]
pub(crate) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.len() != DIGITS {
        return None;
    }
    digits.iter().try_fold(0_u64, |id, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(id << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_lower_case_digits_are_an_id() {
        assert_eq!(parse(b"00000000000000ff"), Some(255));
        assert_eq!(parse(b"00000000000000FF"), None);
        assert_eq!(parse(b"ff"), None);
        assert_eq!(parse(b"000000000000000ff"), None, "one digit more");
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(id in any::<u64>()) {
            let mut digits = [0; DIGITS];
            write(&mut digits, id);
            prop_assert_eq!(parse(&digits), Some(id));
        }
    }
}
