//! What `unsubscribe:` says: the links in messages by which customers ask for less.

use secrecy::SecretString;

use super::node::Node;
use super::table::Reading;
use crate::engine::time::Span;

/// How long links are good unless the file says otherwise: mail is read late.
const LIFE_DEFAULT: Span = Span::DAY.times(365);

/// The links.
#[derive(Clone, Debug)]
pub struct UnsubscribeConfig {
    /// Where customers reach this service.
    pub url: Option<String>,
    /// What links are signed with; without one, a key of the data folder.
    pub key: Option<SecretString>,
    /// How long they are good.
    pub life: Span,
}

impl Default for UnsubscribeConfig {
    fn default() -> Self {
        Self { url: None, key: None, life: LIFE_DEFAULT }
    }
}

/// Reads `unsubscribe:`.
pub(super) fn unsubscribe(node: Node, reading: &mut Reading<'_>) -> UnsubscribeConfig {
    let mut table = reading.table(node);
    let url = table.take("url").and_then(|node| {
        let text = reading.text(&node)?;
        if is_plain(&text) {
            return Some(text);
        }
        let help = "write it like `https://care.example.com`".to_owned();
        reading.fault(&node, "expected the address of this service", Some(help));
        None
    });
    let key = table.take("key").and_then(|node| reading.key(&node));
    let life = table.take("links_for").and_then(|node| reading.span(&node));
    table.end(reading);
    UnsubscribeConfig { url, key, life: life.unwrap_or(LIFE_DEFAULT) }
}

/// Whether it can stand in a page, a mail's header and a text as it is.
fn is_plain(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_~/:[]".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::super::fault::Faults;
    use super::*;

    fn read(text: &str) -> (UnsubscribeConfig, Vec<String>) {
        let root = Node::parse("heedful.yaml", text).unwrap();
        let env = |_: &str| None;
        let mut reading =
            Reading { origin: "heedful.yaml", text, env: &env, faults: Faults::default() };
        let read = unsubscribe(root, &mut reading);
        (read, reading.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_address_is_one_that_can_stand_anywhere() {
        let (good, faults) = read("url: https://care.example:8443/heedful\nlinks_for: 30d\n");
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(good.url.as_deref(), Some("https://care.example:8443/heedful"));
        assert_eq!(good.life, Span::DAY.times(30));
        for bad in
            ["care.example", "https://", "https:///x", "https://a.example/?b", "'https://a\"b'"]
        {
            let (read, faults) = read(&format!("url: {bad}\n"));
            assert_eq!((read.url, faults.len()), (None, 1), "{bad}");
        }
        let (_, faults) = read("key: short\n");
        assert!(faults[0].contains("at least 32") && !faults[0].contains("hush"), "{faults:?}");
    }
}
