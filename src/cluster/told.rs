//! What others read of a commit, as messages for their topics.

use super::output::{DeadLetter, Message, Origin, Verdict, Writer};
use super::{Error, original};
use crate::decode::Refused;
use crate::kafka::topics::Names;
use crate::store::batch::{Batch, RefusedInput, Stands};

/// What to do about an event that was refused.
const MEND: &str =
    "mend the event, or its sender, and send it again: `heedful dlq replay` does that";
/// And about one whose producer chose another partition, or another key.
const KEY: &str = "key events by the customer's id and partition them by `murmur2`, or name the topic under \
                   `kafka.sources`; `heedful dlq replay` puts this one where its key belongs, and \
                   `--key` gives it another key";
/// And about one that is for everyone.
const SPREAD: &str = "send it over HTTP, or write it to a topic of `kafka.sources`: from there it \
                      reaches the customers of all partitions, once each";

/// Calls `send` with each message of a batch and its topic.
pub(super) fn each(
    writer: &Writer,
    names: &Names,
    batch: &Batch,
    mut send: impl FnMut(&str, &Message) -> Result<(), Error>,
) -> Result<(), Error> {
    for ruled in &batch.rulings {
        send(&names.decisions, &writer.decision(&ruled.record)?)?;
    }
    for row in &batch.outbox {
        send(&names.outreach, &writer.outreach(row)?)?;
    }
    for (customer, outcome, at) in &batch.outcomes {
        send(&names.deliveries, &writer.delivery(customer.as_str(), outcome, *at)?)?;
    }
    for exposure in &batch.exposures {
        send(&names.exposures, &writer.exposure(exposure)?)?;
    }
    for scored in &batch.scores {
        let of = scored.customer.as_str();
        send(&names.scores, &writer.scores(of, &scored.scores, scored.at)?)?;
    }
    for customer in &batch.forgotten {
        send(&names.scores, &Message::tombstone(customer.as_str()))?;
    }
    for refused in &batch.refused {
        send(&names.dead_letters, &letter(names, batch.shard, refused))?;
    }
    Ok(())
}

fn letter(names: &Names, shard: u16, refused: &RefusedInput) -> Message {
    let RefusedInput { letter, position, stands, input, around } = refused;
    let topic = match stands {
        Stands::InLog => &names.events,
        Stands::Beside => &names.internal,
    };
    let origin = Origin {
        topic: topic.clone(),
        partition: i32::from(shard),
        offset: i64::try_from(position.saturating_sub(1)).unwrap_or(i64::MAX),
    };
    let verdict = Verdict {
        at: letter.at.clone(),
        stage: "decode".to_owned(),
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        hint: hint(&letter.reason).to_owned(),
    };
    DeadLetter { origin, verdict, message: original::unpacked(around, input) }.into_message()
}

fn hint(reason: &str) -> &'static str {
    match Refused::parse(reason) {
        Some(Refused::WrongPartition) => KEY,
        Some(Refused::BroadcastInPartition) => SPREAD,
        _ => MEND,
    }
}
