//! JSON numbers as Cedar can hold them: exactly, or not at all.
//!
//! A whole number becomes a `Long` however it is written (`100`, `100.0`, `1e2`), a number with at
//! most four fraction digits a `decimal`. Nothing is rounded: what a rule compares is what is sent.

/// A finite decimal number: `digits × 10^-scale`, without trailing zeros in `digits`.
struct Exact {
    digits: i128,
    scale: i32,
}

/// The value of a JSON number if it is a whole number that fits 64 bits.
pub(crate) fn long(text: &str) -> Option<i64> {
    let Exact { digits, scale } = exact(text)?;
    let power = u32::try_from(scale.checked_neg()?).ok()?;
    let value = digits.checked_mul(10_i128.checked_pow(power)?)?;
    i64::try_from(value).ok()
}

/// The text of a Cedar decimal if a JSON number is one exactly: 64 bits with four fraction digits.
pub(crate) fn decimal(text: &str) -> Option<String> {
    let Exact { digits, scale } = exact(text)?;
    let power = u32::try_from(4_i32.checked_sub(scale)?).ok()?;
    let value = digits.checked_mul(10_i128.checked_pow(power)?)?;
    let value = i64::try_from(value).ok()?;
    let (whole, rest) = (value.unsigned_abs() / 10_000, value.unsigned_abs() % 10_000);
    let sign = if value < 0 { "-" } else { "" };
    Some(format!("{sign}{whole}.{rest:04}"))
}

fn exact(text: &str) -> Option<Exact> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if digits == 0 {
        return Some(Exact { digits, scale: 0 });
    }
    while digits % 10 == 0 && scale > 0 {
        digits /= 10;
        scale -= 1;
    }
    Some(Exact { digits, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_exact_however_they_are_written() {
        for (text, expected) in [
            ("100", Some(100)),
            ("100.0", Some(100)),
            ("1e2", Some(100)),
            ("1000e-1", Some(100)),
            ("-0", Some(0)),
            ("0e999999999", Some(0)),
            ("-0.0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e30", None),
            ("1e-99999999999", None),
            ("99.5", None),
        ] {
            assert_eq!(long(text), expected, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_absent() {
        for (text, expected) in [
            ("240", Some("240.0000")),
            ("0.5", Some("0.5000")),
            ("-0.0001", Some("-0.0001")),
            ("1.23450", Some("1.2345")),
            ("1.23456", None),
            ("12345e-4", Some("1.2345")),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("922337203685477.5808", None),
            ("1e400", None),
        ] {
            assert_eq!(decimal(text).as_deref(), expected, "{text}");
        }
    }
}
