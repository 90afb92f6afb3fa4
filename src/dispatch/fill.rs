//! Puts the customer's own link where a message asks for one: only who holds the key can make it,
//! and a decision's record must not hold it.

use std::borrow::Cow;

use crate::engine::message::UNSUBSCRIBE_URL;
use crate::engine::time::Timestamp;
use crate::links::Links;
use crate::store::record::{Field, OutboxRow};

/// The field by which channels know the link of a message that has one.
pub(super) const FIELD: &str = "unsubscribe_url";

/// The row as its channel gets it: the same at every attempt.
///
/// # Errors
/// When there is no link to put in.
pub(super) fn fill<'r>(row: &'r OutboxRow, links: &Links) -> Result<Cow<'r, OutboxRow>, String> {
    if !row.content.iter().any(|field| field.text.contains(UNSUBSCRIBE_URL)) {
        return Ok(Cow::Borrowed(row));
    }
    let whose = (&*row.customer, &*row.purpose, &*row.channel, &*row.decision);
    let decided_at = Timestamp::from_millis(row.decided_at_ms);
    let Some(link) = links.unsubscribe(whose, decided_at) else {
        return Err("it prints `unsubscribe_url`, and nobody knows where customers reach this \
                    service: set `unsubscribe: {url: https://...}`"
            .to_owned());
    };
    let mut filled = row.clone();
    for field in &mut filled.content {
        field.text = field.text.replace(UNSUBSCRIBE_URL, &link);
    }
    filled.content.push(Field { name: FIELD.into(), text: link });
    Ok(Cow::Owned(filled))
}

/// What a receipt about a row brings back: the same at every attempt.
pub(super) fn reference(row: &OutboxRow, links: &Links) -> String {
    let whose = (&*row.customer, &*row.purpose, &*row.channel, &*row.decision);
    links.reference(whose, Timestamp::from_millis(row.decided_at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::row;
    use crate::engine::time::Span;

    fn saying(text: &str) -> OutboxRow {
        OutboxRow { content: vec![Field { name: "html".into(), text: text.into() }], ..row() }
    }

    #[test]
    fn a_link_stands_where_it_is_asked_for_and_beside_the_message() {
        let links = Links::new(&[1; 32], Some("https://care.example"), Span::DAY).unwrap();
        let row = saying(&format!("<a href=\"{UNSUBSCRIBE_URL}\">stop</a>"));
        let filled = fill(&row, &links).unwrap();
        let [html, link] = filled.content.as_slice() else { panic!("{filled:?}") };
        assert_eq!(&*link.name, "unsubscribe_url");
        assert_eq!(&*html.text, &format!("<a href=\"{}\">stop</a>", link.text));
        let token = link.text.strip_prefix("https://care.example/u/").unwrap();
        let claim = links.read(token, Timestamp::from_millis(row.decided_at_ms)).unwrap();
        assert_eq!((&*claim.customer, &*claim.decision), ("ada", &*row.decision));
    }

    #[test]
    fn nothing_is_put_where_nothing_was_asked_for() {
        let links = Links::new(&[1; 32], None, Span::DAY).unwrap();
        assert!(matches!(fill(&saying("hello"), &links), Ok(Cow::Borrowed(_))));
        let why = fill(&saying(UNSUBSCRIBE_URL), &links).unwrap_err();
        assert!(why.contains("unsubscribe: {url"), "{why}");
    }
}
