//! Sizes such as `10MiB`.

/// Units, with what each stands for. `kB` is as common as `KB`.
const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a whole or decimal number with a unit, with or without a blank between: `10MiB`, `1.5 GB`, `512B`.
///
/// # Errors
///
/// Says what is wrong and what would be right.
pub(super) fn parse(text: &str) -> Result<u64, &'static str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err("expected a size such as \"10MiB\", or a number of bytes");
    }
    if unit.is_empty() {
        return Err("a size in quotes needs a unit, such as \"10MiB\"");
    }
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let unit = unit.ok_or("the units of a size are B, KiB, MiB, GiB, TiB (of 1024) and KB, MB, GB, TB (of 1000)")?;
    let too_large = "the size does not fit in 64 bits";
    let bytes = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(unit)).ok_or(too_large)?;
    if fraction.is_empty() {
        return Ok(bytes);
    }
    // A terabyte has thirteen digits: further ones of the fraction are less than a byte.
    let digits = &fraction[..fraction.len().min(18)];
    let above = digits.parse::<u128>().map_err(|_| too_large)? * u128::from(unit);
    let below = 10_u128.pow(u32::try_from(digits.len()).map_err(|_| too_large)?);
    let extra = u64::try_from(above / below).map_err(|_| too_large)?;
    bytes.checked_add(extra).ok_or(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0B", 0),
            ("10MiB", 10 << 20),
            ("10 MB", 10_000_000),
            ("512KiB", 512 << 10),
            ("1kB", 1_000),
            ("1.5GiB", 3 << 29),
            ("0.1MiB", 104_857),
            ("1.9999999999999999999999B", 1),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_what_would_be_right() {
        for (text, problem) in [
            ("", "expected a size"),
            ("MiB", "expected a size"),
            ("-1MiB", "expected a size"),
            ("1.MiB", "expected a size"),
            ("1.2.3MiB", "expected a size"),
            ("10", "needs a unit"),
            ("10mb", "the units of a size"),
            ("10Mb", "the units of a size"),
            ("10  MB", "the units of a size"),
            ("16777216TiB", "64 bits"),
            ("99999999999999999999B", "64 bits"),
        ] {
            assert!(parse(text).unwrap_err().contains(problem), "{text}: {:?}", parse(text));
        }
    }
}
