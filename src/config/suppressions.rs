//! What `suppressions:` says: the list of addresses that are not written to.

use secrecy::SecretString;

use super::node::Node;
use super::table::Reading;

/// Reads `suppressions:`: the key with which addresses are hashed. Another key makes another list.
pub(super) fn key(node: Node, reading: &mut Reading<'_>) -> Option<SecretString> {
    let mut table = reading.table(node);
    let key = table.take("key").and_then(|node| reading.key(&node));
    table.end(reading);
    key
}
