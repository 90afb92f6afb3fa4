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
use crate::engine::drift::{DRIFTED, DUE, LEARNED, REARM_SHARE, SETTLED};
use crate::engine::health;
use crate::engine::id::CustomerId;
use crate::engine::time::Timestamp;
use crate::engine::value::{Value, ValueRef};
use crate::log::appender::Appender;
use crate::worker::Workers;
use crate::worker::shard::Shard;

/// The trait of a model that holds what was said.
const TOLD: &str = "drift";

/// The scores of a model.
pub(super) const SCORE: &str = "score";
/// How long what a model knows is ago; no feature is called so.
pub(super) const AGE: &str = "@age";

/// A model, as it is told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) model: &'a str,
    pub(super) owner: Option<&'a str>,
    /// All that can be told of it.
    pub(super) names: &'a [&'a str],
}

/// Where something of a model stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// `score`, or a feature's name.
    pub(super) of: String,
    /// Its population stability index; of an age, days.
    pub(super) psi: f64,
    /// Beyond which it is to be told.
    pub(super) most: f64,
}

/// What was said of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// How often it has drifted.
    times: u32,
    is_beyond: bool,
}

impl Measured {
    /// Whether it has come back far enough to be told again. An age does not waver.
    fn is_back(&self) -> bool {
        let share = if self.of == AGE { 1.0 } else { REARM_SHARE };
        self.psi < share * self.most
    }
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
    own: &Own<'_>,
    measured: &[Measured],
) {
    if measured.is_empty() {
        return;
    }
    let model = own.model;
    let id = CustomerId::of_model(model);
    let Ok(mut told) = workers.inspect(id.as_str(), told).await else {
        return;
    };
    // Of features that are no more, nothing is kept.
    told.retain(|of, _| own.names.contains(&&**of));
    let mut records = Vec::new();
    for news in news(&told, measured) {
        // Each says what has been said with it: one that is lost is said again.
        told.insert(news.of.of.clone(), news.stands);
        let event_id = format!("{}:{model}:{}:{}", news.event, news.of.of, news.stands.times);
        let json = event(&id, &event_id, now, own, &news, &told);
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
fn news(told: &BTreeMap<String, Told>, measured: &[Measured]) -> Vec<News> {
    let mut all = Vec::new();
    for of in measured {
        let known = told.get(&of.of).copied().unwrap_or(Told { times: 0, is_beyond: false });
        let next = match known.is_beyond {
            false if of.most < of.psi => {
                Told { times: known.times.saturating_add(1), is_beyond: true }
            }
            true if of.is_back() => Told { is_beyond: false, ..known },
            true | false => continue,
        };
        let event = match (next.is_beyond, &*of.of) {
            (true, AGE) => DUE,
            (false, AGE) => LEARNED,
            (true, _) => DRIFTED,
            (false, _) => SETTLED,
        };
        all.push(News { event, of: of.clone(), stands: next });
    }
    all
}

/// The event, as any sender would write it. The model was not there: no session begins.
fn event(
    id: &CustomerId,
    event_id: &str,
    now: Timestamp,
    own: &Own<'_>,
    news: &News,
    told: &BTreeMap<String, Told>,
) -> Json {
    let all = told
        .iter()
        .map(|(of, told)| (of.clone(), json!({"times": told.times, "now": told.is_beyond})));
    let News { event, of: Measured { of, psi, most }, .. } = news;
    let (model, owner, value) = (own.model, own.owner, health::rounded(*psi));
    let with = if of == AGE {
        json!({"model": model, "days": value, "every": most, "owner": owner})
    } else {
        json!({"model": model, "of": of, "psi": value, "line": most, "owner": owner})
    };
    json!({
        "customer": id.as_str(),
        "event": event,
        "id": event_id,
        "at": now.to_string(),
        "context": {"active": false},
        "with": with,
        "traits": {"name": format!("model {model}"), "owner": owner,
                   TOLD: all.collect::<serde_json::Map<_, _>>()},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::declare::{Source, SourceKind, load};
    use crate::engine::catalog::{Catalog, Sending};
    use crate::engine::decision::VerdictKind;
    use crate::worker::shard::Stepped;

    /// Triggers that would concern the model if it were a customer, and one that does.
    fn catalog() -> Arc<Catalog> {
        let file =
            |kind, path: &str, text: &str| Source { kind, path: path.into(), text: text.into() };
        let trigger = |name: &str, kind: &str, when: &str| {
            let text = format!(
                "trigger: {name}\nkind: {kind}\nabout: a\nowner: a@b.example\nwhen: {when}\n\
                 task: {{in: tasks, title: x}}\n"
            );
            file(SourceKind::Trigger, &format!("{name}.yaml"), &text)
        };
        let sources = [
            trigger("a", "lifecycle", "{schedule: daily}"),
            trigger("b", "status", "{event: Outage, affects: \"customer.name != 'x'\"}"),
            trigger("c", "status", "{changes: customer.owner}"),
            trigger("d", "behavior", "{session: started}"),
            trigger("e", "status", "{event: Model Drifted}"),
            file(SourceKind::Policy, "policy.yaml", "holdout: 100%\n"),
            file(
                SourceKind::Model,
                "m.yaml",
                "model: health\ntype: scorecard\nabout: a\nmeasures: \
                 {n: {weight: 1, value: 'count(\"A\", \"7d\")', scale: {0: 0, 1: 100}}}\n",
            ),
        ];
        Arc::new(load(&sources, Sending::On).unwrap().catalog)
    }

    #[test]
    fn a_model_is_heard_of_and_is_no_customer() {
        let mut shard = Shard::new(catalog());
        let now = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
        let id = CustomerId::of_model("churn");
        let stands = Told { times: 1, is_beyond: true };
        let own = Own { model: "churn", owner: Some("ann"), names: &[] };
        let mut all = BTreeMap::from([("score".to_owned(), stands)]);
        let [of, _] = <[Measured; 2]>::try_from(at(0.3)).unwrap();
        let news = News { event: DRIFTED, of, stands };
        let json = event(&id, "e1", now, &own, &news, &all).to_string();
        let broadcast = "{\"broadcast\":true,\"event\":\"Outage\",\"id\":\"o\"}";
        let records =
            [(Subject::Customer(id.as_str()), "e1", &*json), (Subject::Everyone, "o", broadcast)];
        let mut stepped = (1..).zip(records).map(|(position, (subject, id, json))| {
            let record = Record::Event(EventRecord {
                subject,
                id,
                occurred_at: now,
                received_at: now,
                shape: Shape::Own,
                call: Call::Track,
                freshness: Freshness::Live,
                json,
            });
            shard.apply(&record, now, position).unwrap()
        });
        let Some(Stepped::One(_, decision)) = stepped.next() else { panic!() };
        let ruled: Vec<_> = decision.rulings.iter().map(|ruling| ruling.verdict.kind()).collect();
        assert_eq!(ruled, [VerdictKind::Task], "its own event alone, and in no holdout");
        assert!(stepped.next().unwrap().iter().next().is_none(), "an outage does not concern it");
        drop(stepped);
        let state = shard.find(id.as_str()).unwrap();
        assert_eq!((state.timers.len(), state.rare.scores.len()), (0, 0));
        assert_eq!(told(&shard, Some(state)), all, "what was said is known");
        all.clear();
        assert_eq!(told(&shard, None), all);
    }

    fn at(psi: f64) -> Vec<Measured> {
        let logins = Measured { of: "logins".to_owned(), psi: 0.0, most: 0.2 };
        vec![Measured { of: "score".to_owned(), psi, most: 0.25 }, logins]
    }

    #[test]
    fn it_is_told_once_until_it_has_come_back_far_enough() {
        let mut told = BTreeMap::new();
        let mut seen = |psi: f64| -> Vec<String> {
            let news = news(&told, &at(psi));
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

    #[test]
    fn a_model_is_due_once_and_then_learned() {
        let mut told = BTreeMap::new();
        let mut seen = |days: f64| -> Vec<&str> {
            let age = Measured { of: AGE.to_owned(), psi: days, most: 30.0 };
            let news = news(&told, &[age]);
            told.extend(news.iter().map(|new| (new.of.of.clone(), new.stands)));
            news.iter().map(|new| new.event).collect()
        };
        assert_eq!(seen(29.0), Vec::<&str>::new());
        assert_eq!(seen(31.0), ["Model Due"]);
        assert_eq!(seen(45.0), Vec::<&str>::new());
        // Learned from what was known until a while ago, and yet anew.
        assert_eq!(seen(28.0), ["Model Learned"]);
        assert_eq!(seen(31.0), ["Model Due"]);
    }
}
