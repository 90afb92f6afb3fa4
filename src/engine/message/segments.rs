//! How many short messages a text takes: GSM 7-bit where its alphabet is enough, UCS-2 where not.

/// The basic alphabet of GSM 03.38: one septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
                     ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension: two septets each.
const EXTENDED: &str = "^{}\\[~]|€\u{c}";
/// Septets of one message, and of each part of several: a part tells which one it is.
const SEPTETS: (usize, usize) = (160, 153);
/// The same in units of UTF-16.
const UNITS: (usize, usize) = (70, 67);

/// In which letters a short message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7-bit.
    Gsm,
    /// UCS-2: one letter outside of GSM's alphabet is enough.
    Ucs2,
}

/// The alphabet and the number of parts that a text takes.
pub fn segments(text: &str) -> (Alphabet, usize) {
    let septets = |letter: char| match letter {
        letter if BASIC.contains(letter) => Some(1),
        letter if EXTENDED.contains(letter) => Some(2),
        _ => None,
    };
    let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
    match gsm {
        Some(sizes) => (Alphabet::Gsm, parts(&sizes, SEPTETS)),
        None => {
            let sizes: Vec<usize> = text.chars().map(char::len_utf16).collect();
            (Alphabet::Ucs2, parts(&sizes, UNITS))
        }
    }
}

/// No letter is cut in two.
fn parts(sizes: &[usize], (alone, each): (usize, usize)) -> usize {
    let whole: usize = sizes.iter().sum();
    if whole <= alone {
        return usize::from(0 < whole);
    }
    let mut parts = 1;
    let mut filled = 0;
    for size in sizes {
        if each < filled + size {
            parts += 1;
            filled = 0;
        }
        filled += size;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_as_networks_do() {
        for (text, alphabet, parts) in [
            (String::new(), Alphabet::Gsm, 0),
            ("a".repeat(160), Alphabet::Gsm, 1),
            ("a".repeat(161), Alphabet::Gsm, 2),
            ("a".repeat(306), Alphabet::Gsm, 2),
            ("a".repeat(307), Alphabet::Gsm, 3),
            // The euro sign takes two septets, and is never cut in two.
            ("€".repeat(80), Alphabet::Gsm, 1),
            ("€".repeat(81), Alphabet::Gsm, 2),
            ("€".repeat(153), Alphabet::Gsm, 3),
            ("你".repeat(70), Alphabet::Ucs2, 1),
            ("你".repeat(71), Alphabet::Ucs2, 2),
            ("你".repeat(134), Alphabet::Ucs2, 2),
            ("你".repeat(135), Alphabet::Ucs2, 3),
            // One letter of another alphabet makes all of them wide.
            ("a".repeat(69) + "ç", Alphabet::Ucs2, 1),
            ("a".repeat(160) + "’", Alphabet::Ucs2, 3),
            // A pair of surrogates is one letter: 33 of them in 67 units.
            ("😀".repeat(35), Alphabet::Ucs2, 1),
            ("😀".repeat(66), Alphabet::Ucs2, 2),
            ("😀".repeat(67), Alphabet::Ucs2, 3),
        ] {
            assert_eq!(segments(&text), (alphabet, parts), "{} letters", text.chars().count());
        }
    }
}
