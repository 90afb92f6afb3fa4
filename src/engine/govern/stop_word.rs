//! Words by which people answer that they want nothing more, as carriers of messages know them.

/// The longest of them in bytes, with room for what people put around it.
const TEXT_BYTES_MAX: usize = 64;

/// In capitals. Only a message that is nothing else counts: "please stop the delivery" is a wish of
/// another kind, and for a person to read.
const WORDS: [&str; 27] = [
    "STOP",
    "STOPALL",
    "STOP ALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "OPT OUT",
    "OPT-OUT",
    "REMOVE",
    "STOPP",
    "ABMELDEN",
    "AFMELDEN",
    "ARRET",
    "ARRÊT",
    "BAJA",
    "ALTO",
    "CANCELAR",
    "停",
    "停止",
    "退订",
    "退訂",
    "取消订阅",
    "TD",
    "配信停止",
];

/// Whether a reply is one of these words, whatever case, space or punctuation is around it.
pub fn asks_to_stop(text: &str) -> bool {
    if TEXT_BYTES_MAX < text.len() {
        return false;
    }
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    let spoken = bare.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    WORDS.contains(&spoken.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_alone_stops_and_a_word_within_a_sentence_does_not() {
        for text in
            ["STOP", " stop. ", "Stop!", "stop  all", "退订", "退订。", "“停”", "arrêt", "td"]
        {
            assert!(asks_to_stop(text), "{text}");
        }
        for text in ["", "!", "please stop the delivery", "don't stop", "stopped", "不停", "yes"]
        {
            assert!(!asks_to_stop(text), "{text}");
        }
        assert!(!asks_to_stop(&"stop ".repeat(100)));
    }
}
