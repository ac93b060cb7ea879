//! What a word without quotes means, by the core schema of YAML 1.2 (section 10.3.2).
//!
//! `yes`, `no`, `on` and `off` are strings, `010` is ten and `1_000` is a string.

use super::node::Value;

/// The value of a word without quotes.
///
/// # Errors
///
/// Says why when it is a number that no key could hold.
pub(super) fn resolve(word: &str) -> Result<Value, String> {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(word, ".nan" | ".NaN" | ".NAN") {
        return Err(not_finite(word));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = word.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return integer(word, digits, radix);
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return integer(word, word, 10);
    }
    if is_decimal(unsigned) { float(word) } else { Ok(Value::Str(word.to_owned())) }
}

/// `digits` in `radix`, when 64 bits hold it; `written` is what to call it otherwise.
pub(super) fn integer(written: &str, digits: &str, radix: u32) -> Result<Value, String> {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    let value = i128::from_str_radix(digits, radix).ok().filter(|value| range.contains(value));
    value.map(Value::Int).ok_or_else(|| format!("the integer {} does not fit in 64 bits", cut(written)))
}

/// A decimal number with a point or an exponent.
pub(super) fn float(written: &str) -> Result<Value, String> {
    let value = written.parse::<f64>().ok().filter(|value| value.is_finite());
    value.map(Value::Float).ok_or_else(|| format!("the number {} is too large", cut(written)))
}

/// What to say of an infinity, or of what is no number.
pub(super) fn not_finite(written: &str) -> String {
    format!("{written} is not a number that a configuration can hold")
}

/// Whether this is `1.5`, `1.`, `.5`, `1e9` or the like, without a sign.
fn is_decimal(word: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (word, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && whole.len() + fraction.len() > 0
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

fn cut(written: &str) -> String {
    if written.chars().count() <= 24 {
        written.to_owned()
    } else {
        written.chars().take(24).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_the_core_schema_says() {
        for (word, value) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("-17", Value::Int(-17)),
            ("+17", Value::Int(17)),
            ("010", Value::Int(10)),
            ("0o17", Value::Int(15)),
            ("0xfF", Value::Int(255)),
            ("18446744073709551615", Value::Int(i128::from(u64::MAX))),
            ("1.5", Value::Float(1.5)),
            ("-.5", Value::Float(-0.5)),
            ("1.", Value::Float(1.0)),
            ("1e3", Value::Float(1000.0)),
            ("1.5E-3", Value::Float(0.0015)),
        ] {
            assert_eq!(resolve(word).unwrap(), value, "{word}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_and_near_numbers_are_strings() {
        for word in [
            "yes", "No", "on", "off", "y", "tRue", "1_000", "0b1", "0x", "0xg", "-0x1", ".", "-", "+", "e3", "1e",
            "1e+", "1.2.3", "12:30", "inf", "nan", "infinity", "NaN", "30s", "++1", "１",
        ] {
            assert_eq!(resolve(word).unwrap(), Value::Str(word.to_owned()));
        }
    }

    #[test]
    fn numbers_that_no_key_can_hold_are_refused() {
        for (word, problem) in [
            ("18446744073709551616", "the integer 18446744073709551616 does not fit in 64 bits"),
            ("-9223372036854775809", "the integer -9223372036854775809 does not fit in 64 bits"),
            (
                "0xffffffffffffffffffffffffffffffffffffff",
                "the integer 0xffffffffffffffffffffff... does not fit in 64 bits",
            ),
            ("1e999", "the number 1e999 is too large"),
            ("-.inf", "-.inf is not a number that a configuration can hold"),
            (".nan", ".nan is not a number that a configuration can hold"),
        ] {
            assert_eq!(resolve(word).unwrap_err(), problem);
        }
    }
}
