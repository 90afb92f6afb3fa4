//! Tells the log when something of a model has drifted, and when it has come back: once each, as an
//! event of the model itself, which a trigger can hand to whoever answers for it.
//!
//! What was said before is a trait of the model, which the event sets: it goes through the log as
//! all that is known does. So it outlives restarts and moves, and two nodes that say the same give
//! it the same id.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::decode::{Call, EventRecord, Freshness, Record, Shape, Subject, shard_of};
use crate::engine::customer::CustomerState;
use crate::engine::drift::{DRIFTED, REARM_SHARE, SETTLED};
use crate::engine::health;
use crate::engine::id::CustomerId;
use crate::engine::time::Timestamp;
use crate::engine::value::{Value, ValueRef};
use crate::log::appender::Appender;
use crate::worker::Workers;
use crate::worker::shard::Shard;

/// The trait of a model that holds what was said.
const TOLD: &str = "drift";

/// Where something of a model stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// `score`, or a feature's name.
    pub(super) of: String,
    /// Its population stability index.
    pub(super) psi: f64,
    /// From where on it has drifted.
    pub(super) most: f64,
}

/// What was said of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// How often it has drifted.
    times: u32,
    is_beyond: bool,
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq)]
struct News {
    event: &'static str,
    of: Measured,
    /// What was said of it, once this is.
    stands: Told,
}

/// Tells what is new of a model. Whoever does not have the model's shard says nothing.
pub(super) async fn tell(
    (workers, appender): (&Workers, &Appender),
    now: Timestamp,
    model: &str,
    owner: &Option<String>,
    measured: Vec<Measured>,
) {
    if measured.is_empty() {
        return;
    }
    let id = CustomerId::of_model(model);
    let Ok(mut told) = workers.inspect(id.as_str(), |shard, state| told(shard, state)).await else {
        return;
    };
    // Of features that are no more, nothing is kept.
    told.retain(|of, _| measured.iter().any(|own| own.of == *of));
    let mut records = Vec::new();
    for news in news(&told, measured) {
        // Each says what has been said with it: one that is lost is said again.
        told.insert(news.of.of.clone(), news.stands);
        let event_id = format!("{}:{model}:{}:{}", news.event, news.of.of, news.stands.times);
        let json = event(&id, &event_id, now, (model, owner.as_deref()), &news, &told);
        let record = Record::Event(EventRecord {
            subject: Subject::Customer(id.as_str()),
            id: &event_id,
            occurred_at: now,
            received_at: now,
            shape: Shape::Own,
            call: Call::Track,
            freshness: Freshness::Live,
            json: &json.to_string(),
        });
        records.push(record.to_bytes());
    }
    if records.is_empty() {
        return;
    }
    let shard = shard_of(id.as_str(), appender.log().shards());
    if let Err(error) = appender.append(shard, records).await {
        // It stands nowhere that it was said: the next look says it.
        tracing::warn!(%error, model, "that a model has drifted cannot be told");
    }
}

/// What was said of a model.
fn told(shard: &Shard, state: Option<&CustomerState>) -> BTreeMap<String, Told> {
    let traits = state.map_or(&[][..], |state| state.traits.as_slice());
    let found = traits.iter().find(|(slot, _)| shard.names().trait_text(*slot) == TOLD);
    let Some((_, Value::Map(all))) = found else { return BTreeMap::new() };
    all.iter().filter_map(|(of, value)| Some((of.to_string(), read(value.as_ref())?))).collect()
}

fn read(value: ValueRef<'_>) -> Option<Told> {
    let (ValueRef::Num(times), ValueRef::Bool(is_beyond)) =
        (value.member("times"), value.member("now"))
    else {
        return None;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "we counted it")]
    let times = times as u32;
    Some(Told { times, is_beyond })
}

/// What is new.
fn news(told: &BTreeMap<String, Told>, measured: Vec<Measured>) -> Vec<News> {
    let mut all = Vec::new();
    for of in measured {
        let known = told.get(&of.of).copied().unwrap_or(Told { times: 0, is_beyond: false });
        let next = match known.is_beyond {
            false if of.most < of.psi => {
                Told { times: known.times.saturating_add(1), is_beyond: true }
            }
            true if of.psi < REARM_SHARE * of.most => Told { is_beyond: false, ..known },
            true | false => continue,
        };
        let event = if next.is_beyond { DRIFTED } else { SETTLED };
        all.push(News { event, of, stands: next });
    }
    all
}

/// The event, as any sender would write it. The model was not there: no session begins.
fn event(
    id: &CustomerId,
    event_id: &str,
    now: Timestamp,
    (model, owner): (&str, Option<&str>),
    news: &News,
    told: &BTreeMap<String, Told>,
) -> Json {
    let all = told.iter().map(|(of, told)| {
        (of.clone(), json!({"times": told.times, "now": told.is_beyond}))
    });
    let News { event, of: Measured { of, psi, most }, .. } = news;
    json!({
        "customer": id.as_str(),
        "event": event,
        "id": event_id,
        "at": now.to_string(),
        "context": {"active": false},
        "with": {"model": model, "of": of, "psi": health::rounded(*psi), "line": most, "owner": owner},
        "traits": {"name": format!("model {model}"), "owner": owner,
                   TOLD: all.collect::<serde_json::Map<_, _>>()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(psi: f64) -> Vec<Measured> {
        let logins = Measured { of: "logins".to_owned(), psi: 0.0, most: 0.2 };
        vec![Measured { of: "score".to_owned(), psi, most: 0.25 }, logins]
    }

    #[test]
    fn it_is_told_once_until_it_has_come_back_far_enough() {
        let mut told = BTreeMap::new();
        let mut seen = |psi: f64| {
            let news = news(&told, at(psi));
            told.extend(news.iter().map(|new| (new.of.of.clone(), new.stands)));
            let say = |new: &News| format!("{} {} {}", new.event, new.of.of, new.stands.times);
            news.iter().map(say).collect()
        };
        let nothing: Vec<String> = Vec::new();
        assert_eq!(seen(0.25), nothing, "the line itself is not beyond it");
        assert_eq!(seen(0.26), ["Model Drifted score 1"]);
        assert_eq!(seen(0.9), nothing);
        assert_eq!(seen(0.24), nothing, "below the line, and not yet far enough");
        assert_eq!(seen(0.26), nothing);
        assert_eq!(seen(0.19), ["Model Settled score 1"]);
        assert_eq!(seen(0.19), nothing);
        assert_eq!(seen(0.3), ["Model Drifted score 2"]);
    }
}
