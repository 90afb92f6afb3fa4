//! Carries what happens in the shop to the log, by the same records as every other source.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::decode::{self, Arrival, Home};
use crate::engine::time::Timestamp;
use crate::log;
use crate::log::Group;
use crate::log::appender::Appender;

use super::shop::Happening;

/// Whether the shop's past or its present is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// It updates what is known and causes nothing.
    Past,
    /// It is happening.
    Present,
}

/// Appends what happened; answers once it is durable.
///
/// # Errors
/// When the log does not take it.
pub async fn append(
    appender: &Appender,
    happened: &[Happening],
    telling: Telling,
    now: Timestamp,
) -> Result<(), log::Error> {
    let shards = appender.log().shards();
    let arrival = match telling {
        Telling::Past => Arrival::historical(now),
        Telling::Present => Arrival::live(now),
    };
    let mut by_shard: BTreeMap<u16, Vec<Bytes>> = BTreeMap::new();
    for one in happened {
        let line = one.json.to_string();
        // The shop writes every id itself, and nothing that a door could refuse.
        let Ok(Some(accepted)) = decode::line(line.as_bytes(), arrival, shards, String::new) else {
            continue;
        };
        let homes = match accepted.home {
            Home::Shard(shard) => shard..shard.saturating_add(1),
            Home::Everywhere => 0..shards,
        };
        for shard in homes {
            by_shard.entry(shard).or_default().push(accepted.record.clone());
        }
    }
    if by_shard.is_empty() {
        return Ok(());
    }
    let groups = by_shard.into_iter().map(|(shard, records)| Group { shard, records }).collect();
    appender.append_groups(groups).await.map(|_| ())
}
