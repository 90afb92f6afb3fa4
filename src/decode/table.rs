//! The properties that some file refers to, found by name and filled while the scan passes them.

use std::sync::Arc;

use hashbrown::HashMap;

use super::item::{Field, Item, SPECIAL, Sink};
use super::json::{Between, Fault, Raw, Scanner};
use crate::engine::value::Property;

/// Names to look for at one level of an event's properties.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    // Only looked up, never iterated: its order cannot reach a decision.
    by_name: HashMap<Box<str>, NodeNumber, foldhash::fast::FixedState>,
    /// A bit for each pair of length and first byte that occurs: most properties are not asked for,
    /// and this tells without a hash.
    seen: [u64; 4],
}

/// The place of a node in its tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeNumber(usize);

/// What becomes of a property.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Nobody asks for it.
    Nowhere,
    /// It is filled into this place of the table, and is perhaps this field.
    Slot(usize, Option<Field>),
    /// It is filled into its own place, and into the one of its name without `$`.
    Nodes {
        /// Its own.
        own: Option<NodeNumber>,
        /// Without `$`.
        bare: Option<NodeNumber>,
    },
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Index into the table.
    slot: Option<usize>,
    special: Option<Field>,
    /// Names below it.
    below: Tree,
}

impl Tree {
    /// Builds the tree of the catalog's paths (`shipment_id`, `address.city`).
    pub(super) fn new(paths: &[Arc<str>]) -> Self {
        let mut tree = Self::default();
        for (slot, path) in paths.iter().enumerate() {
            let (mut names, mut node) = (path.split('.'), &mut Node::default());
            if let Some(first) = names.next() {
                node = tree.node(first);
            }
            for name in names {
                node = node.below.node(name);
            }
            node.slot = Some(slot);
        }
        for (name, field) in SPECIAL {
            tree.node(name).special = Some(field);
        }
        tree
    }

    /// The slot of a name without anything above it.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.find(name)?.slot
    }

    fn node(&mut self, name: &str) -> &mut Node {
        let (word, bit) = place_of(name);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen |= bit;
        }
        let next = NodeNumber(self.nodes.len());
        let NodeNumber(place) = *self.by_name.entry(name.into()).or_insert(next);
        if place == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.nodes[place]
    }

    fn number(&self, name: &str) -> Option<NodeNumber> {
        let (word, bit) = place_of(name);
        if self.seen.get(word)? & bit == 0 { None } else { self.by_name.get(name).copied() }
    }

    fn at(&self, number: NodeNumber) -> Option<&Node> {
        self.nodes.get(number.0)
    }

    fn find(&self, name: &str) -> Option<&Node> {
        self.at(self.number(name)?)
    }

    fn wanted(&self, name: &str) -> Wanted {
        let bare = name.strip_prefix('$').and_then(|bare| self.number(alias(bare)));
        let own = self.number(name);
        match (own, bare) {
            (None, None) => Wanted::Nowhere,
            (Some(node), None) => match self.at(node) {
                Some(Node { slot: Some(slot), special, below }) if below.nodes.is_empty() => {
                    Wanted::Slot(*slot, *special)
                }
                _ => Wanted::Nodes { own, bare },
            },
            _ => Wanted::Nodes { own, bare },
        }
    }
}

/// A word and a bit in it for the length and first byte of a name.
fn place_of(name: &str) -> (usize, u64) {
    let first = name.as_bytes().first().copied().unwrap_or_default();
    let place = usize::from(first).wrapping_add(name.len().wrapping_mul(37)) % 256;
    (place / 64, 1 << (place % 64))
}

/// The table while one event is scanned.
#[derive(Debug)]
pub(super) struct Filling<'t, 'a> {
    pub tree: &'t Tree,
    pub table: &'t mut [Property<'a>],
}

impl<'t, 'a> Sink<'a> for Filling<'t, 'a> {
    type Wanted = Wanted;
    type Words = &'t Tree;

    fn words(&self) -> &'t Tree {
        self.tree
    }

    fn wanted(tree: &'t Tree, key: &str) -> Wanted {
        tree.wanted(key)
    }

    #[inline]
    fn text(&mut self, wanted: Wanted, text: Between<'a>, item: &mut Item<'a>) {
        match wanted {
            Wanted::Nowhere => {}
            Wanted::Slot(slot, special) => {
                if let Some(field) = special {
                    item.put(field, text.raw());
                }
                if let Some(property) = self.table.get_mut(slot) {
                    *property = Property::Str(text.cut());
                }
            }
            // Only an object could be at fault.
            Wanted::Nodes { own, bare } => {
                self.nodes((own, bare), text.raw(), item).unwrap_or_default();
            }
        }
    }

    #[inline]
    fn property(
        &mut self,
        wanted: Wanted,
        scanner: &mut Scanner<'a>,
        item: &mut Item<'a>,
    ) -> Result<(), Fault> {
        match wanted {
            Wanted::Nowhere => scanner.skip(),
            Wanted::Slot(slot, special) => {
                let raw = scanner.value()?;
                if let Some(field) = special {
                    item.put(field, raw);
                }
                if let Some(property) = self.table.get_mut(slot) {
                    *property = raw.to_property();
                }
                Ok(())
            }
            Wanted::Nodes { own, bare } => self.nodes((own, bare), scanner.value()?, item),
        }
    }

    fn restart(&mut self) {
        self.table.fill(Property::Missing);
    }
}

impl<'a> Filling<'_, 'a> {
    fn nodes(
        &mut self,
        (own, bare): (Option<NodeNumber>, Option<NodeNumber>),
        raw: Raw<'a>,
        item: &mut Item<'a>,
    ) -> Result<(), Fault> {
        let tree = self.tree;
        if let Some(node) = own.and_then(|own| tree.at(own)) {
            self.put(node, raw)?;
            if let Some(found) = node.special {
                item.put(found, raw);
            }
        }
        // PostHog's own properties can be asked for without their `$`, where nothing else stands.
        match bare.and_then(|bare| tree.at(bare)) {
            Some(bare) if self.lacks(bare) => self.put(bare, raw),
            _ => Ok(()),
        }
    }

    /// Passes an object of properties that stands elsewhere.
    pub(super) fn object(&mut self, json: &'a str) -> Result<(), Fault> {
        let mut item = Item::default();
        let tree = self.tree;
        Scanner::new(json)
            .object(|scanner, key| self.property(tree.wanted(key), scanner, &mut item))
    }

    /// Sets a property unless the event has it already.
    pub(super) fn beside(&mut self, name: &str, raw: Raw<'a>) {
        if let Some(slot) = self.tree.slot(name)
            && let Some(property @ Property::Missing) = self.table.get_mut(slot)
        {
            *property = raw.to_property();
        }
    }

    fn lacks(&self, node: &Node) -> bool {
        node.slot.and_then(|slot| self.table.get(slot)) == Some(&Property::Missing)
    }

    fn put(&mut self, node: &Node, raw: Raw<'a>) -> Result<(), Fault> {
        if let Some(property) = node.slot.and_then(|slot| self.table.get_mut(slot)) {
            *property = raw.to_property();
        }
        if node.below.nodes.is_empty() {
            return Ok(());
        }
        self.clear(&node.below);
        let Raw::Object(json) = raw else { return Ok(()) };
        Scanner::new(json).object(|scanner, key| match node.below.find(key) {
            Some(node) => self.put(node, scanner.value()?),
            None => scanner.skip(),
        })
    }

    /// A later member of one name replaces all that stood below the earlier.
    fn clear(&mut self, below: &Tree) {
        for node in &below.nodes {
            if let Some(property) = node.slot.and_then(|slot| self.table.get_mut(slot)) {
                *property = Property::Missing;
            }
            self.clear(&node.below);
        }
    }
}

/// The usual names of what PostHog calls otherwise.
fn alias(bare: &str) -> &str {
    match bare {
        "current_url" => "url",
        "pathname" => "path",
        bare => bare,
    }
}

/// Empties a table and lends it for other bytes. The collection is done in place, so a table is
/// allocated once for all events.
pub(super) fn relend<'b>(mut table: Vec<Property<'_>>) -> Vec<Property<'b>> {
    table.clear();
    table.into_iter().map(|_| Property::Missing).collect()
}
