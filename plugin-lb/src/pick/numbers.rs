//! What strategies make of the numbers that they are given.

/// Scales a random 64-bit number to `0..n`, and gives back what randomness is left in it.
///
/// Multiply-shift, after Lemire, "Fast Random Integer Generation in an Interval" (2019). The bias is below n / 2^64.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are what is wanted")]
pub(super) fn scale(random: u64, n: usize) -> (usize, u64) {
    let product = u128::from(random) * n as u128;
    ((product >> 64) as usize, product as u64)
}

/// The finisher of SplitMix64: makes an independent-looking number of another one.
#[inline]
pub(crate) const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// FNV-1a over 64 bits, which is fixed by its authors, with a finisher since its low bits are weak.
pub(super) fn hash_name(name: &str) -> u64 {
    mix(name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}
