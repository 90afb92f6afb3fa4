//! The baseline of every speed goal: a bare `serde_json` decode of the same lines.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Bare<'a> {
    #[serde(rename = "messageId")]
    message_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(rename = "userId")]
    user_id: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow)]
    context: &'a RawValue,
}

/// Decodes all lines and says how many it could.
pub(crate) fn decode(lines: &[&str]) -> usize {
    let good = |line: &&&str| black_box(serde_json::from_str::<Bare<'_>>(line)).is_ok();
    lines.iter().filter(good).count()
}
