//! Did you mean: the nearest of the words that would have been right.

/// The known word nearest to what was written, if it is near enough to be meant.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let flat = flatten(written);
    let near_enough = 2.max(flat.chars().count() / 3);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&flat, &flatten(word)), word))
        .filter(|(distance, word)| *distance <= near_enough && *distance < word.chars().count())
        .min()
        .map(|(_, word)| word)
}

/// A help line: the nearest word, else all of them, else nothing.
pub(crate) fn help<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(word) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let mut all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() {
        return None;
    }
    let more = all.len().saturating_sub(LISTED_MAX);
    all.truncate(LISTED_MAX);
    let list = all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    Some(if more == 0 {
        format!("known: {list}")
    } else {
        format!("known: {list} and {more} more")
    })
}

/// Words listed in a help line at most.
const LISTED_MAX: usize = 12;

/// `oncePer`, `once-per` and `Once Per` are all meant as `once_per`.
fn flatten(word: &str) -> String {
    word.chars()
        .take(64)
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        let known = ["once_per", "suppress", "purpose"];
        assert_eq!(nearest("oncePer", known), Some("once_per"));
        assert_eq!(nearest("purpsoe", known), Some("purpose"));
        assert_eq!(nearest("frequency", known), None);
        assert_eq!(help("x", known).unwrap(), "known: `once_per`, `suppress`, `purpose`");
    }
}
