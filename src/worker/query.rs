//! Lists of customers: a page of one shard, ordered by a column, and how pages of shards are put
//! together. However many customers there are, only a page of them is read and told.

use std::collections::BinaryHeap;

use super::customers::CustomerNumber;
use super::page;
use super::shard::{Shard, score_of_rank};
use crate::engine::health;
use crate::store::view::{CustomerFilter, CustomerLine, CustomerSort};
use crate::store::{Error, Page, Store};

/// Customers looked at in one go, when a filter must see their states.
const LOOK_AT_ONCE: usize = 512;
/// Customers whose states are looked at for one page of one shard; past it the page is short.
const LOOK_MAX: usize = 8_192;

/// A part of the list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Which customers.
    pub filter: CustomerFilter,
    /// In which order.
    pub sort: CustomerSort,
    /// After this one.
    pub after: Option<Place>,
    /// How many.
    pub limit: usize,
}

/// A place in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// By a column, then by shard and number, which last as long as the process.
    Ranked(u32, u16, u32),
    /// By id.
    Id(String),
}

/// A page of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// Lines with their places, in order.
    pub lines: Vec<(Place, CustomerLine)>,
    /// Everything up to here was looked at; `None` when that is everything.
    pub looked_up_to: Option<Place>,
}

impl Place {
    /// As a cursor.
    pub fn to_cursor(&self) -> String {
        match self {
            Self::Ranked(rank, shard, number) => format!("r{rank:08x}.{shard:04x}.{number:08x}"),
            Self::Id(id) => format!("i{id}"),
        }
    }

    /// From a cursor.
    ///
    /// # Errors
    /// When no list gave it out.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refused = || Error::Cursor(text.chars().take(64).collect());
        if let Some(id) = text.strip_prefix('i') {
            return Ok(Self::Id(id.to_owned()));
        }
        let ranked = text.strip_prefix('r').ok_or_else(refused)?;
        let mut parts = ranked.split('.');
        let mut part = || u32::from_str_radix(parts.next()?, 16).ok();
        let (Some(rank), Some(shard), Some(number)) = (part(), part(), part()) else {
            return Err(refused());
        };
        let shard = u16::try_from(shard).map_err(|_| refused())?;
        Ok(Self::Ranked(rank, shard, number))
    }
}

/// A page of a shard.
///
/// # Errors
/// When the store, which knows the order of ids, cannot be read.
pub fn list(
    shard: &Shard,
    number: u16,
    store: &Store,
    query: &ListQuery,
) -> Result<ListPage, Error> {
    match query.sort {
        CustomerSort::Risk | CustomerSort::LastSeen => Ok(by_column(shard, number, query)),
        CustomerSort::Id => by_id(shard, number, store, query),
    }
}

fn by_column(shard: &Shard, number: u16, query: &ListQuery) -> ListPage {
    let limit = query.limit.max(1);
    let needs_states = !query.filter.is_column_only();
    let at_once = if needs_states { LOOK_AT_ONCE.max(limit) } else { limit };
    let mut page = ListPage::default();
    let mut after = query.after.clone();
    let mut looked_at = 0;
    loop {
        let candidates = first_after(shard, number, query, after.as_ref(), at_once);
        let complete = candidates.len() < at_once;
        for (place, customer) in candidates {
            looked_at += 1;
            if page::passes(shard, customer, &query.filter)
                && let Some(line) = page::line(shard, customer)
            {
                page.lines.push((place.clone(), line));
            }
            after = Some(place);
            if limit <= page.lines.len() {
                page.looked_up_to = after;
                return page;
            }
        }
        if complete {
            return page;
        }
        if LOOK_MAX <= looked_at {
            page.looked_up_to = after;
            return page;
        }
    }
}

/// The first customers after a place, as far as the columns can tell who passes.
fn first_after(
    shard: &Shard,
    number: u16,
    query: &ListQuery,
    after: Option<&Place>,
    count: usize,
) -> Vec<(Place, CustomerNumber)> {
    let score = shard
        .health()
        .and_then(|(slot, end)| shard.catalog().scores.get(slot.index()).map(|score| (score, end)));
    let in_band = |rank: u32| {
        let Some(wanted) = &query.filter.band else { return true };
        let Some((score, end)) = score else { return false };
        let value = score_of_rank(rank, end);
        let band = value.and_then(|value| health::band(score, value));
        band.is_some_and(|band| **band == **wanted)
    };
    let (after_rank, after_rest) = match after {
        Some(Place::Ranked(rank, shard, number)) => (*rank, Some((*shard, *number))),
        Some(Place::Id(_)) | None => (0, None),
    };
    let mut best: BinaryHeap<(u32, CustomerNumber)> = BinaryHeap::with_capacity(count + 1);
    for (customer, columns) in shard.customers().numbers().zip(shard.customers().columns()) {
        let rank = match query.sort {
            CustomerSort::Risk | CustomerSort::Id => columns.risk,
            CustomerSort::LastSeen => columns.seen,
        };
        if rank < after_rank {
            continue;
        }
        let key = (rank, customer);
        if count <= best.len() && best.peek().is_some_and(|last| *last <= key) {
            continue;
        }
        let is_after =
            rank != after_rank || after_rest.is_none_or(|rest| rest < (number, customer.get()));
        if is_after && in_band(columns.risk) && shard.state(customer).is_some() {
            best.push(key);
            if count < best.len() {
                best.pop();
            }
        }
    }
    let sorted = best.into_sorted_vec().into_iter();
    sorted.map(|(rank, customer)| (Place::Ranked(rank, number, customer.get()), customer)).collect()
}

fn by_id(shard: &Shard, number: u16, store: &Store, query: &ListQuery) -> Result<ListPage, Error> {
    let limit = query.limit.max(1);
    let mut page = ListPage::default();
    let mut after = match &query.after {
        Some(Place::Id(id)) => Some(id.clone()),
        Some(Place::Ranked(..)) | None => None,
    };
    let mut looked_at = 0;
    loop {
        let ids = store.customer_ids(number, after.as_deref(), LOOK_AT_ONCE)?;
        let complete = ids.len() < LOOK_AT_ONCE;
        for id in ids {
            looked_at += 1;
            if let Some(customer) = shard.customers().find(&id)
                && page::passes(shard, customer, &query.filter)
                && let Some(line) = page::line(shard, customer)
            {
                page.lines.push((Place::Id(id.clone()), line));
            }
            if limit <= page.lines.len() {
                page.looked_up_to = Some(Place::Id(id));
                return Ok(page);
            }
            after = Some(id);
        }
        if complete {
            return Ok(page);
        }
        if LOOK_MAX <= looked_at {
            page.looked_up_to = after.map(Place::Id);
            return Ok(page);
        }
    }
}

/// One page of the pages of all shards.
pub fn merge(pages: Vec<ListPage>, limit: usize) -> Page<CustomerLine> {
    // What lies behind the place that some shard has not looked beyond may not be shown yet.
    let bound = pages.iter().filter_map(|page| page.looked_up_to.clone()).min();
    let mut lines: Vec<_> = pages.into_iter().flat_map(|page| page.lines).collect();
    lines.retain(|(place, _)| bound.as_ref().is_none_or(|bound| place <= bound));
    lines.sort_by(|(left, _), (right, _)| left.cmp(right));
    let limit = limit.max(1);
    let next = if limit < lines.len() {
        lines.truncate(limit);
        lines.last().map(|(place, _)| place.clone())
    } else {
        bound
    };
    Page {
        next: next.as_ref().map(Place::to_cursor),
        items: lines.into_iter().map(|(_, line)| line).collect(),
    }
}

impl CustomerFilter {
    /// Whether the columns alone can tell who passes.
    pub fn is_column_only(&self) -> bool {
        self.owner.is_none() && self.trigger.is_none() && self.search.is_none()
    }
}

#[cfg(test)]
mod tests;
