//! Decisions, sends, their outcomes, exposures and scores as messages.

use serde::Serialize;

use super::Message;
use super::envelope::Envelope;
use crate::engine::input::{Delivery, Outcome};
use crate::engine::time::Timestamp;
use crate::store::Error;
use crate::store::record::{DecisionRecord, ExposureRecord, OutboxRow};
use crate::store::view::NamedScore;

/// Makes messages of records, in the name of one group of nodes.
#[derive(Clone, Debug)]
pub struct Writer {
    source: String,
}

/// What became of a send or a task.
#[derive(Debug, Serialize)]
struct DeliveryRecord<'a> {
    decision: String,
    customer: &'a str,
    attempt: u32,
    /// `delivered`, `rejected`, `unknown`, `expired`, `refused`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    at: &'a str,
}

/// The scores of a customer: all of them, because the newest message of a key stands for it.
#[derive(Debug, Serialize)]
struct ScoresRecord<'a> {
    customer: &'a str,
    at: &'a str,
    scores: &'a [NamedScore],
}

impl Writer {
    /// In the name of a consumer group.
    pub fn new(group: &str) -> Self {
        let mut source = String::from("/heedful/");
        // A reference by RFC 3986: what a group may be called and a path may not, is escaped.
        for byte in group.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    source.push(char::from(byte));
                }
                _ => source.push_str(&format!("%{byte:02X}")),
            }
        }
        Self { source }
    }

    /// A decision as it stands. One that is ruled again is another message about the same id.
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn decision(&self, record: &DecisionRecord) -> Result<Message, Error> {
        let id = format!("{}/{}/{}", record.id, record.verdict, record.ruled_at);
        self.about("heedful.decision", &id, &record.ruled_at, &record.customer).around(record)
    }

    /// Something to be sent.
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn outreach(&self, row: &OutboxRow) -> Result<Message, Error> {
        let at = Timestamp::from_millis(row.decided_at_ms).to_string();
        self.about("heedful.outreach", &row.decision, &at, &row.customer).around(row)
    }

    /// What became of it.
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn delivery(
        &self,
        customer: &str,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<Message, Error> {
        let (result, why) = match &outcome.result {
            Delivery::Delivered => ("delivered", None),
            Delivery::Rejected { why } => ("rejected", Some(&**why)),
            Delivery::Unknown { why } => ("unknown", Some(&**why)),
            Delivery::Expired => ("expired", None),
            Delivery::Refused { reason, .. } => ("refused", Some(reason.as_str())),
        };
        let (decision, at) = (outcome.decision.to_string(), at.to_string());
        let id = format!("{decision}/{}/{result}", outcome.attempt);
        let attempt = outcome.attempt;
        let record = DeliveryRecord { decision, customer, attempt, result, why, at: &at };
        self.about("heedful.delivery", &id, &at, customer).around(&record)
    }

    /// A unit that was exposed to an arm.
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn exposure(&self, record: &ExposureRecord) -> Result<Message, Error> {
        let id = format!("{}/{}", record.experiment, record.unit);
        self.about("heedful.exposure", &id, &record.at, &record.unit).around(record)
    }

    /// All scores of a customer, after one of them has changed.
    ///
    /// # Errors
    /// When they cannot be told in JSON.
    pub fn scores(
        &self,
        customer: &str,
        scores: &[NamedScore],
        at: Timestamp,
    ) -> Result<Message, Error> {
        let at = at.to_string();
        let id = format!("{customer}/{at}");
        let record = ScoresRecord { customer, at: &at, scores };
        self.about("heedful.scores", &id, &at, customer).around(&record)
    }

    fn about<'a>(
        &'a self,
        kind: &'static str,
        id: &'a str,
        time: &'a str,
        subject: &'a str,
    ) -> Envelope<'a> {
        Envelope { id, kind, source: &self.source, time, subject }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::id::DecisionId;

    fn told(message: &Message) -> serde_json::Value {
        serde_json::from_slice(message.value.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn an_outcome_names_its_decision_and_says_why() {
        let why = "the address is gone".into();
        let outcome = Outcome {
            decision: DecisionId::from_bytes([1; 16]),
            attempt: 2,
            result: Delivery::Rejected { why },
        };
        let at = Timestamp::from_millis(1_000);
        let message = Writer::new("shop eu").delivery("ada", &outcome, at).unwrap();
        let decision = "01".repeat(16);
        assert_eq!(message.key, b"ada");
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", &*format!("{decision}/2/rejected")),
            ("ce_type", "heedful.delivery"),
            ("ce_source", "/heedful/shop%20eu"),
            ("ce_time", "1970-01-01T00:00:01.000Z"),
            ("ce_subject", "ada"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(message.header(name), Some(value));
        }
        assert_eq!(
            told(&message),
            serde_json::json!({
                "decision": decision, "customer": "ada", "attempt": 2, "result": "rejected",
                "why": "the address is gone", "at": "1970-01-01T00:00:01.000Z",
            })
        );
    }

    #[test]
    fn the_same_exposure_and_the_same_scores_have_the_same_id() {
        let writer = Writer::new("heedful");
        let text = |text: &str| text.to_owned();
        let mut record = ExposureRecord {
            experiment: text("cart"),
            unit: text("ada"),
            arm: text("holdout"),
            at: text("2026-03-01T00:00:00.000Z"),
        };
        let first = writer.exposure(&record).unwrap();
        record.at = text("2026-03-02T00:00:00.000Z");
        let second = writer.exposure(&record).unwrap();
        assert_eq!(first.header("ce_id"), second.header("ce_id"));
        assert_eq!(told(&first)["arm"], "holdout");

        let score = NamedScore { model: text("churn"), value: 0.25, band: None };
        let scores = writer.scores("ada", &[score], Timestamp::from_millis(0)).unwrap();
        assert_eq!(
            (&*scores.key, told(&scores)["scores"][0]["value"].as_f64()),
            (b"ada".as_slice(), Some(0.25))
        );
        assert_eq!(Message::tombstone("ada").value, None);
    }

    #[test]
    fn a_decision_ruled_again_is_another_message_and_a_send_is_the_same() {
        let mut record: DecisionRecord = serde_json::from_value(serde_json::json!({
            "id": "d1", "customer": "ada", "trigger": "t", "occurrence": "o",
            "caused_at": "2026-03-01T00:00:00.000Z", "decided_at": "2026-03-01T00:00:00.000Z",
            "ruled_at": "2026-03-01T00:00:00.000Z", "verdict": "deferred", "why": "",
            "versions": {"trigger": "", "policy": "", "catalog": "", "engine": ""}, "dry_run": false,
        }))
        .unwrap();
        let writer = Writer::new("heedful");
        let deferred = writer.decision(&record).unwrap();
        record.verdict = "sent".to_owned();
        let sent = writer.decision(&record).unwrap();
        assert_ne!(deferred.header("ce_id"), sent.header("ce_id"));
        assert_eq!(told(&sent)["verdict"], "sent");

        let row: OutboxRow = serde_json::from_value(serde_json::json!({
            "decision": "d1", "shard": 0, "customer": "ada", "trigger": "t", "channel": "email",
            "address": null, "purpose": "marketing", "decided_at_ms": 0, "expires_at_ms": 1,
            "offer": null, "arm": null, "locale": "en", "content": [], "attempt": 1,
            "in_flight": true, "next_at_ms": 0,
        }))
        .unwrap();
        let outreach = writer.outreach(&row).unwrap();
        assert_eq!(outreach.header("ce_id"), Some("d1"));
        assert_eq!(serde_json::from_value::<OutboxRow>(told(&outreach)).unwrap(), row);
    }
}
