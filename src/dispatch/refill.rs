//! A lane that had no room for some of its rows takes them from the outbox when it has room again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::seam::{Ledger, Page, Trouble};
use crate::store::record::OutboxRow;

/// Rows read from the outbox at a time.
pub(super) const PAGE_ROWS: usize = 512;

/// Whether rows of a lane found no room, and stayed in the outbox.
#[derive(Debug, Default)]
pub(super) struct Left(AtomicBool);

impl Left {
    /// Some did.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Which rows are a lane's.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// Those of one channel.
    Of(String),
    /// Those of all channels but these.
    AllBut(BTreeSet<String>),
}

impl Whose {
    pub(super) fn has(&self, row: &OutboxRow) -> bool {
        match self {
            Self::Of(channel) => *channel == row.channel,
            Self::AllBut(channels) => !channels.contains(&row.channel),
        }
    }
}

/// Passes through the outbox, each as far as there is room, and on from there: the rows of a channel
/// that is down are passed once for many rows of another, not for each.
pub(super) struct Refill {
    ledger: Arc<dyn Ledger>,
    left: Arc<Left>,
    pass: Pass,
    /// Behind which row the rows in hand begin.
    behind: Option<String>,
}

enum Pass {
    /// None is under way.
    None,
    /// It goes on behind this row, or begins.
    Behind(Option<String>),
    /// The next rows are being read.
    Reads(BoxFuture<'static, Result<Page, Trouble>>),
}

impl std::fmt::Debug for Refill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refill").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Refill {
    pub(super) fn new(ledger: Arc<dyn Ledger>, left: Arc<Left>) -> Self {
        Self { ledger, left, pass: Pass::None, behind: None }
    }

    /// Begins to read the next rows, if there are any for which there was no room.
    pub(super) fn go_on(&mut self) {
        let behind = match &mut self.pass {
            Pass::Reads(_) => return,
            Pass::Behind(row) => row.take(),
            Pass::None if self.left.take() => None,
            Pass::None => return,
        };
        self.behind.clone_from(&behind);
        let ledger = Arc::clone(&self.ledger);
        self.pass = Pass::Reads(Box::pin(async move { ledger.page(behind, PAGE_ROWS).await }));
    }

    /// Whether rows are being read.
    pub(super) const fn is_reading(&self) -> bool {
        matches!(self.pass, Pass::Reads(_))
    }

    /// The rows that are being read. May be given up and asked again.
    pub(super) async fn page(&mut self) -> Page {
        let read = match &mut self.pass {
            Pass::Reads(page) => page.await,
            Pass::None | Pass::Behind(_) => Ok(Page::default()),
        };
        self.pass = Pass::None;
        read.unwrap_or_else(|trouble| {
            tracing::warn!(%trouble, "the outbox cannot be read; the next scan finds what is left");
            Page::default()
        })
    }

    /// There was room for all of them: the next ones begin behind this row, if there are any.
    pub(super) fn went_to(&mut self, row: Option<String>) {
        self.pass = row.map_or(Pass::None, |row| Pass::Behind(Some(row)));
    }

    /// There was room up to this row, or for none of them.
    pub(super) fn stay_behind(&mut self, row: Option<String>) {
        self.pass = Pass::Behind(row.or_else(|| self.behind.take()));
    }
}
