//! A message of a topic of events as a line of JSON, whichever of its modes `CloudEvents` came in.

use std::borrow::Cow;

use crate::decode::{self, Attributes, Refusal};

/// What the headers of the binary mode begin with.
const ATTRIBUTE: &str = "ce_";
/// The attributes without which headers are no event.
const MANDATORY: [&str; 4] = ["ce_specversion", "ce_id", "ce_source", "ce_type"];

/// The line that a message stands for. Attributes in headers (the binary mode of `CloudEvents`) are
/// put around the value.
///
/// # Errors
/// When there are such attributes around something that is no JSON.
pub fn line<'v>(headers: &[(String, Vec<u8>)], value: &'v [u8]) -> Result<Cow<'v, [u8]>, Refusal> {
    let is_binary = MANDATORY
        .iter()
        .all(|name| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name)));
    // Said to be structured: what stands in headers as well is a copy.
    let is_structured = headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type")
            && value
                .get(..23)
                .is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/cloudevents"))
    });
    if !is_binary || is_structured {
        return Ok(Cow::Borrowed(value));
    }
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if let Some(name) = name.strip_prefix(ATTRIBUTE)
            && let Ok(value) = std::str::from_utf8(value)
        {
            attributes.pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    decode::structured(attributes, value).map(|json| Cow::Owned(json.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    const BINARY: [(&str, &str); 5] = [
        ("ce_specversion", "1.0"),
        ("CE_id", "e1"),
        ("ce_source", "/shop"),
        ("ce_type", "Order Placed"),
        ("ce_subject", "ada"),
    ];

    #[test]
    fn attributes_in_headers_are_put_around_the_data() {
        let line = line(&headers(&BINARY), b"{\"total\":9}").unwrap();
        let told: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0", "id": "e1", "source": "/shop", "type": "Order Placed",
            "subject": "ada", "data": {"total": 9},
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_structured_or_no_event_of_that_kind_stays_as_it_is() {
        let structured = [("content-type", "application/CloudEvents+json; charset=UTF-8")];
        let both: Vec<_> = BINARY.iter().chain(&structured).copied().collect();
        for headers in [headers(&both), headers(&BINARY[1..]), headers(&[])] {
            assert_eq!(*line(&headers, b"{}").unwrap(), *b"{}");
        }
    }

    #[test]
    fn data_that_is_no_json_is_refused_and_not_wrapped() {
        assert!(line(&headers(&BINARY), b"{\"total\":9}, \"id\":\"x\"").is_err());
    }
}
