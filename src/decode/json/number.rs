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
    let Some((value, digits, mut at)) = short_digits(bytes, whole) else {
        return scan_any(json, from);
    };
    let (mut mantissa, mut power) = (value, 1.0);
    if digits == 0 || (1 < digits && bytes.get(whole) == Some(&b'0')) {
        return Err(Fault { kind: FaultKind::BadNumber, at: whole });
    }
    if bytes.get(at) == Some(&b'.') {
        let Some((value, digits, after)) = short_digits(bytes, at + 1) else {
            return scan_any(json, from);
        };
        if digits == 0 {
            return Err(Fault { kind: FaultKind::BadNumber, at: after });
        }
        let shift = WHOLE_POWERS.get(digits).copied().unwrap_or_default();
        // Seven digits and seven are far from the end of either type.
        mantissa = mantissa.wrapping_mul(shift).wrapping_add(value);
        (power, at) = (shift as f64, after);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        return scan_any(json, from);
    }
    // Both are exact, so one division rounds once: to the nearest.
    let number = mantissa as f64 / power;
    Ok((if negative && mantissa != 0 { -number } else { number }, at))
}

/// Passes a number that begins at `from` without working it out: the place after it.
#[inline]
pub(super) fn pass(json: &str, from: usize) -> Result<usize, Fault> {
    let bytes = json.as_bytes();
    let whole = from + usize::from(bytes.get(from) == Some(&b'-'));
    let any = || scan_any(json, from).map(|(_, after)| after);
    let Some((_, digits, mut at)) = short_digits(bytes, whole) else { return any() };
    if digits == 0 || (1 < digits && bytes.get(whole) == Some(&b'0')) {
        return Err(Fault { kind: FaultKind::BadNumber, at: whole });
    }
    if bytes.get(at) == Some(&b'.') {
        let Some((_, digits, after)) = short_digits(bytes, at + 1) else { return any() };
        if digits == 0 {
            return Err(Fault { kind: FaultKind::BadNumber, at: after });
        }
        at = after;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) { any() } else { Ok(at) }
}

/// Ten to the power of the index.
const WHOLE_POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Up to seven digits from `at` on: their value, how many there are, and the place after them.
/// `None` when there are more, or when less than eight bytes are left to look at.
#[inline(always)]
fn short_digits(bytes: &[u8], at: usize) -> Option<(u64, usize, usize)> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const ABOVE_NINE: u64 = u64::from_le_bytes([0x7F - 9; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    const PAIRS: u64 = 0x0000_00FF_0000_00FF;
    let chunk = bytes.get(at..)?.first_chunk()?;
    // A digit becomes 0 to 9, and everything else more.
    let word = u64::from_le_bytes(*chunk) ^ ZEROS;
    // Carries reach later bytes only, and only the first that is no digit is used.
    let others = (word | word.wrapping_add(ABOVE_NINE)) & HIGHS;
    if others == 0 {
        return None;
    }
    let count = others.trailing_zeros() / 8;
    // Zeros before the digits, so that there are eight: then pairs are added up, and pairs of those.
    // Shifted in two steps, because there may be no digit at all.
    let digits = (word << 8) << (56 - 8 * count);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let upper = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let lower = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    Some((upper.wrapping_add(lower) >> 32, count as usize, at + count as usize))
}

/// Passes any number.
#[inline(never)]
fn scan_any(json: &str, from: usize) -> Result<(f64, usize), Fault> {
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
