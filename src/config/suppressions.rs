//! What `suppressions:` says: the list of addresses that are not written to.

use secrecy::{ExposeSecret as _, SecretString};

use super::node::Node;
use super::table::Reading;

/// Shortest key, in characters.
const KEY_CHARS_MIN: usize = 32;

/// Reads `suppressions:`: the key with which addresses are hashed. Another key makes another list.
pub(super) fn key(node: Node, reading: &mut Reading<'_>) -> Option<SecretString> {
    let mut table = reading.table(node);
    let key = table.take("key").and_then(|node| {
        let key = reading.secret(&node)?;
        if KEY_CHARS_MIN <= key.expose_secret().chars().count() {
            return Some(key);
        }
        let help = "make one with `openssl rand -hex 32`".to_owned();
        reading.fault(&node, format!("a key has at least {KEY_CHARS_MIN} characters"), Some(help));
        None
    });
    table.end(reading);
    key
}
