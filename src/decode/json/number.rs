//! Numbers inside JSON, read to the nearest `f64`.

use super::{Fault, FaultKind};

/// Integers up to here are exact as `f64`.
const EXACT_MAX: u64 = 1 << 53;
/// So many digits cannot overflow a `u64`.
const DIGITS_MAX: usize = 19;
/// Powers of ten that are exact as `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Passes a number that begins at `from`: its value and the place after it.
#[inline]
pub(super) fn scan(json: &str, from: usize) -> Result<(f64, usize), Fault> {
    let bytes = json.as_bytes();
    let negative = bytes.get(from) == Some(&b'-');
    let whole = from + usize::from(negative);
    let (mut mantissa, mut at) = digits(bytes, whole, 0);
    let mut count = at - whole;
    if count == 0 || (1 < count && bytes.get(whole) == Some(&b'0')) {
        return Err(Fault { kind: FaultKind::BadNumber, at: whole });
    }
    let mut exponent = 0_i32;
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        (mantissa, at) = digits(bytes, fraction, mantissa);
        if at == fraction {
            return Err(Fault { kind: FaultKind::BadNumber, at });
        }
        count += at - fraction;
        exponent = i32::try_from(at - fraction).map_or(i32::MIN, |digits| -digits);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at = pass_exponent(bytes, at + 1)?;
        return slow(json, from, at);
    }
    let power = usize::try_from(-i64::from(exponent)).ok().and_then(|power| POWERS.get(power));
    match power {
        Some(power) if count <= DIGITS_MAX && mantissa <= EXACT_MAX => {
            // Both are exact, so one division rounds once: to the nearest.
            let number = mantissa as f64 / power;
            Ok((if negative && mantissa != 0 { -number } else { number }, at))
        }
        _ => slow(json, from, at),
    }
}

/// Adds the digits from `at` on to `mantissa`, which may wrap: the caller counts them.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mut mantissa: u64) -> (u64, usize) {
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (mantissa, at)
}

fn pass_exponent(bytes: &[u8], from: usize) -> Result<usize, Fault> {
    let signed = matches!(bytes.get(from), Some(b'+' | b'-'));
    let first = from + usize::from(signed);
    let (_, at) = digits(bytes, first, 0);
    if at == first { Err(Fault { kind: FaultKind::BadNumber, at }) } else { Ok(at) }
}

#[cold]
fn slow(json: &str, from: usize, to: usize) -> Result<(f64, usize), Fault> {
    let text = json.get(from..to).unwrap_or_default();
    match text.parse::<f64>() {
        // Adding zero turns -0 into 0.
        Ok(number) if number.is_finite() => Ok((number + 0.0, to)),
        Ok(_) => Err(Fault { kind: FaultKind::NotFinite, at: from }),
        Err(_) => Err(Fault { kind: FaultKind::BadNumber, at: from }),
    }
}
