//! What a template sees: only the names it asks for, copied out of state and event.

use std::collections::BTreeMap;

use minijinja::Value as Shown;

use super::super::evaluate::{self, Scope};
use super::super::health;
use super::super::slot::{ScoreSlot, TraitSlot};
use super::super::value::{Value, ValueRef};
use super::Extras;

/// Longest text that is handed to a template; the rest is cut off, as no field could carry it.
const TEXT_BYTES_MAX: usize = super::FIELD_BYTES_MAX;
/// Most items of a list or object handed to a template.
const ITEMS_MAX: usize = 256;
/// Deepest nesting handed to a template.
const DEPTH_MAX: usize = 8;

/// Name of the zone in which filters show instants. No template can say it.
pub(super) const ZONE: &str = "$zone";
/// Name of the locale in which filters write.
pub(super) const LOCALE: &str = "$locale";

/// A tree of values under construction.
enum Node {
    Leaf(Shown),
    Members(Members),
}

type Members = BTreeMap<String, Node>;

/// Builds the root that a template with these uses needs.
pub(super) fn build(
    uses: &[Box<str>],
    locale: &str,
    scope: &Scope<'_>,
    extras: &Extras<'_>,
) -> Shown {
    let mut root = Members::new();
    let mut put = |name: &str, node: Node| root.insert(name.into(), node);
    put("customer", Node::Members(customer(uses, scope)));
    put("event", Node::Members(event(uses, scope)));
    put("score", Node::Members(scores(scope)));
    put("health", Node::Members(health(scope)));
    put("offer", Node::Members(extras.offer.map(|code| leaf("code", code)).into_iter().collect()));
    let arm = extras.arm.iter().map(|(name, value)| (name.to_string(), node(value.as_ref(), 0)));
    put("arm", Node::Members(arm.collect()));
    let reasons = extras
        .reasons
        .iter()
        .map(|plain| Node::Members([leaf("plain", plain)].into_iter().collect()).into_shown());
    put("reasons", Node::Leaf(reasons.collect()));
    put("unsubscribe_url", Node::Leaf(super::UNSUBSCRIBE_URL.into()));
    put("now", Node::Leaf(scope.now.to_string().into()));
    if let Some(days) = extras.days_left {
        put("days_left", Node::Leaf(days.into()));
    }
    let zone = evaluate::zone_of(scope.catalog, scope.state);
    let zone = zone.as_ref().unwrap_or(&scope.catalog.policy.zone).name();
    put(ZONE, Node::Leaf(zone.into()));
    put(LOCALE, Node::Leaf(locale.into()));
    complete(&mut root, uses);
    Node::Members(root).into_shown()
}

/// The traits that the template asks for; all that files refer to, if it asks for the customer.
fn customer(uses: &[Box<str>], scope: &Scope<'_>) -> Members {
    let names = scope.catalog.traits.iter().zip(0..);
    let wanted = names.filter(|(name, _)| is_used(uses, "customer", name));
    let known = wanted.filter_map(|(name, slot)| {
        let value = scope.state.trait_value(TraitSlot(slot))?;
        Some((name.to_string(), node(value.as_ref(), 0)))
    });
    let mut members: Members = known.collect();
    if is_used(uses, "customer", "id") {
        // A trait of that name says at best the same.
        members.insert("id".into(), Node::Leaf(scope.state.id.as_str().into()));
    }
    members
}

/// The event's properties by their paths: `address.city` becomes a member of `address`.
fn event(uses: &[Box<str>], scope: &Scope<'_>) -> Members {
    let mut members = Members::new();
    for (path, property) in scope.catalog.properties.iter().zip(scope.properties) {
        let value = property.as_ref();
        if !value.is_missing() && is_used(uses, "event", path) {
            insert(&mut members, path, node(value, 0));
        }
    }
    members
}

fn scores(scope: &Scope<'_>) -> Members {
    let mut members = Members::new();
    for state in &scope.state.rare.scores {
        let Some(score) = scope.catalog.scores.get(state.score.index()) else { continue };
        members.insert(score.name.to_string(), number(state.value));
        if let Some(was) = state.was {
            members.insert(format!("{}_was", score.name), number(was));
        }
        if let Some(band) = health::band(score, state.value) {
            members.insert(format!("{}_band", score.name), Node::Leaf((&**band).into()));
        }
    }
    members
}

fn health(scope: &Scope<'_>) -> Members {
    let slot: Option<ScoreSlot> = scope.catalog.find_score("health");
    let known = slot
        .and_then(|slot| Some((scope.catalog.scores.get(slot.index())?, scope.state.score(slot)?)));
    let Some((score, state)) = known else { return Members::new() };
    let band = health::band(score, state.value).map(|band| leaf("band", band));
    let trend = |days| health::trend(state, scope.now, days).map(number);
    [
        Some(("score".to_owned(), number(state.value))),
        band,
        trend(7).map(|trend| ("trend_7d".to_owned(), trend)),
        trend(28).map(|trend| ("trend_28d".to_owned(), trend)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a template asks for `root.name`, for something below it, or for something it is part
/// of.
fn is_used(uses: &[Box<str>], root: &str, name: &str) -> bool {
    uses.iter().any(|used| {
        let Some(path) = used.strip_prefix(root) else { return false };
        let Some(path) = path.strip_prefix('.') else { return path.is_empty() };
        begins(path, name) || begins(name, path)
    })
}

/// Whether a path of members begins with another.
fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Gives each name that is asked for an object to be missing from, so that
/// `customer.subscription.plan | default("none")` works for someone without a subscription.
fn complete(root: &mut Members, uses: &[Box<str>]) {
    for used in uses {
        let Some((above, _)) = used.rsplit_once('.') else { continue };
        // If the template asks for the object too, an empty one in its place would be a lie.
        if !uses.iter().any(|other| **other == *above) {
            open(root, above);
        }
    }
}

/// The members of the object at a path, made where they are missing; `None` where something else
/// stands in the way.
fn open<'a>(root: &'a mut Members, path: &str) -> Option<&'a mut Members> {
    let mut members = root;
    for part in path.split('.') {
        let node = members.entry(part.to_owned()).or_insert_with(|| Node::Members(Members::new()));
        match node {
            Node::Members(inner) => members = inner,
            Node::Leaf(_) => return None,
        }
    }
    Some(members)
}

fn insert(members: &mut Members, path: &str, node: Node) {
    let (above, name) =
        path.rsplit_once('.').map_or((None, path), |(above, name)| (Some(above), name));
    let members = match above {
        Some(above) => open(members, above),
        None => Some(members),
    };
    let Some(members) = members else { return };
    match (members.get_mut(name), node) {
        // `address` and `address.city` of one event: two views of one object.
        (Some(Node::Members(known)), Node::Members(more)) => known.extend(more),
        (_, node) => {
            members.insert(name.to_owned(), node);
        }
    }
}

fn leaf(name: &str, text: &str) -> (String, Node) {
    (name.to_owned(), node(ValueRef::Str(text), 0))
}

fn number(number: f64) -> Node {
    node(ValueRef::Num(number), 0)
}

fn node(value: ValueRef<'_>, depth: usize) -> Node {
    match value {
        ValueRef::Map(fields) if depth < DEPTH_MAX => Node::Members(
            fields
                .iter()
                .take(ITEMS_MAX)
                .map(|(key, value)| (key.to_string(), node(value.as_ref(), depth + 1)))
                .collect(),
        ),
        _ => Node::Leaf(shown(value, depth)),
    }
}

fn shown(value: ValueRef<'_>, depth: usize) -> Shown {
    match value {
        ValueRef::Missing => Shown::UNDEFINED,
        ValueRef::Bool(flag) => flag.into(),
        ValueRef::Num(number) => shown_number(number),
        ValueRef::Str(text) => text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).into(),
        ValueRef::List(items) if depth < DEPTH_MAX => items
            .iter()
            .take(ITEMS_MAX)
            .map(|item: &Value| node(item.as_ref(), depth + 1).into_shown())
            .collect(),
        ValueRef::List(_) | ValueRef::Map(_) => Shown::UNDEFINED,
    }
}

/// Whole numbers are shown without `.0`.
fn shown_number(number: f64) -> Shown {
    #[expect(clippy::cast_possible_truncation, reason = "whole and far inside the range")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        (number as i64).into()
    } else {
        number.into()
    }
}

impl Node {
    fn into_shown(self) -> Shown {
        match self {
            Self::Leaf(value) => value,
            Self::Members(members) => {
                // A sequence of pairs is a list to the crate, unless it is told otherwise.
                Shown::from_pairs(members.into_iter().map(|(name, node)| (name, node.into_shown())))
            }
        }
    }
}
