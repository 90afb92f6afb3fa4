//! Carries what subjects have to tell each other into the log, once it is committed that they do.
//!
//! What is lost on the way, because the process ended or there was no room, is said again by whoever
//! waits for an answer.

use tokio::sync::mpsc;

use super::books::encoded;
use super::heard::Nodes;
use super::listings;
use crate::decode::{Record, shard_of};
use crate::engine::decision::Errand;
use crate::log::Group;
use crate::log::appender::Appender;
use crate::store::listed::Listed;

/// Commits whose errands wait at most.
const WAITING_MAX: usize = 1_024;
/// Errands appended in one go.
const AT_ONCE: usize = 512;

/// The way to the courier.
#[derive(Clone, Debug)]
pub(super) struct Courier {
    sender: mpsc::Sender<Vec<Group>>,
    shards: u16,
    nodes: Nodes,
}

impl Courier {
    /// Takes along what a commit of a shard has to tell others, if there is room. What one machine has is
    /// known to all of its shards.
    pub(super) fn take(&self, shard: u16, errands: &[Errand], listed: &[Listed]) {
        let errands = errands.iter().map(|errand| group(errand, self.shards));
        let others = match self.nodes {
            Nodes::One => 0..0,
            Nodes::Many => 0..self.shards,
        };
        let listed: Vec<_> = listed.iter().map(listings::record).collect();
        let told = others
            .filter(|other| *other != shard && !listed.is_empty())
            .map(|shard| Group { shard, records: listed.clone() });
        let groups: Vec<Group> = errands.chain(told).collect();
        if !groups.is_empty() && self.sender.try_send(groups).is_err() {
            tracing::warn!("desks and pools are behind: what was said to them is said again later");
        }
    }
}

/// A courier, and their work: it ends when nobody can give them anything any more.
pub(super) fn pair(
    appender: Appender,
    shards: u16,
    nodes: Nodes,
) -> (Courier, impl Future<Output = ()>) {
    let (sender, mut errands) = mpsc::channel(WAITING_MAX);
    let work = async move {
        let mut waiting: Vec<Vec<Group>> = Vec::new();
        while 0 < errands.recv_many(&mut waiting, AT_ONCE).await {
            let groups = waiting.drain(..).flatten().collect();
            if let Err(error) = appender.append_groups(groups).await {
                tracing::warn!(%error, "what desks, pools and others tell each other waits");
            }
        }
    };
    (Courier { sender, shards, nodes }, work)
}

fn group(errand: &Errand, shards: u16) -> Group {
    let to = errand.to.as_str();
    Group { shard: shard_of(to, shards), records: vec![encoded(&Record::of_errand(errand))] }
}
