//! Carries what subjects have to tell each other into the log, once it is committed that they do.
//!
//! What is lost on the way, because the process ended or there was no room, is said again by whoever
//! waits for an answer.

use tokio::sync::mpsc;

use super::books::encoded;
use crate::decode::{Record, shard_of};
use crate::engine::decision::{Errand, Note};
use crate::log::Group;
use crate::log::appender::Appender;

/// Commits whose errands wait at most.
const WAITING_MAX: usize = 1_024;
/// Errands appended in one go.
const AT_ONCE: usize = 512;

/// The way to the courier.
#[derive(Clone, Debug)]
pub(super) struct Courier(mpsc::Sender<Vec<Errand>>);

impl Courier {
    /// Takes errands along, if there is room.
    pub(super) fn take(&self, errands: Vec<Errand>) {
        if !errands.is_empty() && self.0.try_send(errands).is_err() {
            tracing::warn!("desks of teams are behind: what was said to them is said again later");
        }
    }
}

/// A courier, and their work: it ends when nobody can give them anything any more.
pub(super) fn pair(appender: Appender, shards: u16) -> (Courier, impl Future<Output = ()>) {
    let (sender, mut errands) = mpsc::channel(WAITING_MAX);
    let work = async move {
        let mut waiting: Vec<Vec<Errand>> = Vec::new();
        while 0 < errands.recv_many(&mut waiting, AT_ONCE).await {
            let groups = waiting.drain(..).flatten().map(|errand| group(&errand, shards));
            if let Err(error) = appender.append_groups(groups.collect()).await {
                tracing::warn!(%error, "what tasks and desks tell each other waits");
            }
        }
    };
    (Courier(sender), work)
}

fn group(errand: &Errand, shards: u16) -> Group {
    let to = errand.to.as_str();
    let record = match &errand.what {
        Note::Desk(note) => encoded(&Record::Desk { desk: to, note: note.clone() }),
        Note::Task(instruction) => {
            encoded(&Record::Task { customer: to, instruction: instruction.clone() })
        }
    };
    Group { shard: shard_of(to, shards), records: vec![record] }
}
