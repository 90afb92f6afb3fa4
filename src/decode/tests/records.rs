//! Records of the log, and the shards they belong to.

use super::*;
use crate::engine::decision::Reason;
use crate::engine::desk::{DeskNote, Request, Said};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::{Answer, Delivery, Outcome, Told};
use crate::engine::operation::{Operation, Order, Scope};
use crate::engine::pool::{PoolAnswer, PoolNote, PoolRequest, PoolSaid, PoolWord};
use crate::engine::task::{Instruction, TaskOutcome, Wish};
use crate::engine::time::Span;

#[test]
fn every_record_is_read_back_as_it_was_written() {
    let outcome = |result| Record::Outcome {
        customer: "c",
        outcome: Outcome { decision: DecisionId::from_bytes([7; 16]), attempt: 3, result },
        known_as: None,
    };
    let preference = |preference| Record::Preference { customer: "c", preference };
    let event = EventRecord {
        subject: Subject::Customer("c"),
        id: "1",
        occurred_at: noon(),
        received_at: at("2026-03-01T12:00:01Z"),
        shape: Shape::PostHog,
        call: Call::Page,
        freshness: Freshness::Live,
        json: r#"{"a":"é"}"#,
    };
    let records = [
        Record::Event(event),
        Record::Event(EventRecord {
            subject: Subject::Everyone,
            freshness: Freshness::Historical,
            shape: Shape::Own,
            call: Call::Alias,
            ..event
        }),
        Record::Score(ScoreRecord { customer: "c", id: "1", model: "churn", value: 0.25 }),
        outcome(Delivery::Delivered),
        outcome(Delivery::Rejected { why: "no such mailbox".into() }),
        outcome(Delivery::Unknown { why: "timed out".into() }),
        outcome(Delivery::Expired),
        outcome(Delivery::Refused { reason: Reason::OptedOut, detail: None }),
        preference(PreferenceRecord::Consent {
            purpose: Some("marketing"),
            channel: None,
            answer: Answer::Denied,
            source: "page",
            evidence: Some("form-7"),
            about: Some(DecisionId::from_bytes([9; 16])),
        }),
        preference(PreferenceRecord::Consent {
            purpose: None,
            channel: Some("email"),
            answer: Answer::Granted,
            source: "",
            evidence: None,
            about: None,
        }),
        preference(PreferenceRecord::PauseUntil(Some(noon()))),
        preference(PreferenceRecord::PauseUntil(None)),
        preference(PreferenceRecord::PreferredChannel(Some("sms"))),
        preference(PreferenceRecord::PreferredChannel(None)),
        Record::Erasure { customer: "c" },
        Record::Operation(Operation {
            id: "op-1".into(),
            order: Order::Pause,
            scope: Scope::Purpose("marketing".into()),
            until: Timestamp::from_millis(1_772_366_400_000),
            by: "ann".into(),
            why: "a wrong price".into(),
        }),
    ];
    check_all(&records);
}

#[test]
fn what_is_said_of_profiles_and_addresses_is_read_back_as_it_was_written() {
    let outcome = |result| Record::Outcome {
        customer: "c",
        outcome: Outcome { decision: DecisionId::from_bytes([7; 16]), attempt: 3, result },
        known_as: None,
    };
    let preference = |preference| Record::Preference { customer: "c", preference };
    let records = [
        outcome(Delivery::Refused { reason: Reason::Listed, detail: Some("since then".into()) }),
        preference(PreferenceRecord::Profiling {
            answer: Answer::Denied,
            source: "page",
            evidence: None,
        }),
        preference(PreferenceRecord::Profiling {
            answer: Answer::Granted,
            source: "page",
            evidence: Some("click 3"),
        }),
        Record::Listing(ListingRecord {
            channel: "email",
            purpose: Some("marketing"),
            hash: "0a",
            cause: "added",
            by: "ops",
            at: noon(),
            off: true,
        }),
        Record::Listing(ListingRecord {
            channel: "email",
            purpose: None,
            hash: "0b",
            cause: "bounced",
            by: "",
            at: noon(),
            off: false,
        }),
    ];
    check_all(&records);
}

#[test]
fn what_is_said_to_pools_and_by_them_is_read_back_as_it_was_written() {
    let decision = DecisionId::from_bytes([7; 16]);
    let note = |what| Record::Pool {
        pool: "heedful:pool:account:acme",
        note: PoolNote { decision, customer: CustomerId::new("c"), what },
    };
    let word = |what, why: &str| Record::PoolWord {
        customer: "c",
        word: PoolWord {
            pool: CustomerId::of_budget_pool("marketing"),
            decision,
            asked_at: noon(),
            what,
            why: why.into(),
        },
    };
    check_all(&[
        note(PoolSaid::Over),
        note(PoolSaid::Undone),
        note(PoolSaid::Took(noon())),
        note(PoolSaid::Asks(PoolRequest {
            trigger: "t".into(),
            purpose: "marketing".into(),
            channel: "sms".into(),
            micros: 50_000,
            priority: -3,
            worth: 12.5,
            since: noon(),
            expires_at: noon() + Span::HOUR,
            asked_at: noon() + Span::SECOND,
        })),
        word(PoolAnswer::Granted, ""),
        word(PoolAnswer::Waits(None), "it is never free"),
        word(PoolAnswer::Waits(Some(noon())), "two before it"),
        word(PoolAnswer::Freed, ""),
    ]);
}

#[test]
fn what_is_said_of_tasks_is_read_back_as_it_was_written() {
    let note = |what| Record::Desk {
        desk: "heedful:desk:success",
        note: DeskNote {
            task: DecisionId::from_bytes([7; 16]),
            customer: CustomerId::new("c"),
            what,
        },
    };
    let wish = |what, note: Option<&str>| Record::Task {
        customer: "c",
        instruction: Instruction {
            task: DecisionId::from_bytes([7; 16]),
            id: "w1".into(),
            by: "mei".into(),
            note: note.map(Into::into),
            what,
        },
    };
    let records = [
        wish(Wish::Ack, None),
        wish(Wish::Claim, Some("mine")),
        wish(Wish::Done(TaskOutcome::NoAnswer), Some("rang twice")),
        wish(Wish::Reopen, None),
        wish(Wish::Reassign("eva@shop.example".into()), None),
        wish(Wish::Note, Some("is on holiday")),
        wish(Wish::Goes("mei".into()), Some("the only one free who can")),
        wish(Wish::Waits, None),
        wish(Wish::Freed, None),
        note(Said::Over),
        note(Said::Has("mei".into())),
        note(Said::Asks(Request::default())),
        note(Said::Asks(Request {
            priority: 3,
            worth: 0.25,
            opened_at: noon(),
            skills: ["billing", "tax"].map(Box::from).into_iter().collect(),
            language: Some("zh".into()),
            owner: Some("tom".into()),
        })),
    ];
    check_all(&records);
}

fn check_all(records: &[Record<'_>]) {
    for record in records {
        let bytes = record.to_bytes();
        assert_eq!(Record::parse(&bytes).as_ref(), Ok(record));
        for cut in 0..bytes.len() {
            if let Ok(shorter) = Record::parse(&bytes[..cut]) {
                assert!(matches!(shorter, Record::Event(_)), "{shorter:?}");
            }
        }
    }
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let mut bytes = vec![1, 0xA3, 0x00, 0x04, 0x01, 0x61, b'c'];
    bytes.extend([0x18, 200, 0x63, b'n', b'e', b'w']);
    assert_eq!(Record::parse(&bytes), Ok(Record::Erasure { customer: "c" }));
    let mut nested = vec![1, 0xA3, 0x00, 0x04, 0x01, 0x61, b'c', 0x18, 200];
    nested.extend(vec![0x81; 100_000]);
    assert_eq!(Record::parse(&nested).unwrap_err().reason, Refused::BadRecord);
    nested.push(0);
    assert_eq!(Record::parse(&nested), Ok(Record::Erasure { customer: "c" }));
}

#[test]
fn a_record_written_by_the_first_version_stays_readable() {
    let bytes = b"\x01\xa7\x00\x00\x01\x62u1\x02\x62m1\x03\x1b\x00\x00\x01\x9c\xa9\x23\xfc\x00\x04\x1b\x00\x00\x01\x9c\xa9\x23\xff\xe8\x05\x00\x06\x00{}";
    let Record::Event(event) = Record::parse(bytes).unwrap() else { panic!() };
    assert_eq!(event.id, "m1");
    assert_eq!(event.subject, Subject::Customer("u1"));
    assert_eq!(event.json, "{}");
    assert_eq!(Record::Event(event).to_bytes(), &bytes[..]);
}

#[test]
fn what_providers_tell_is_read_back_as_it_was_written() {
    let known_as = KnownAs { channel: "sms", purpose: "service", id: Some("SM1"), address: None };
    let receipt = ReceiptRecord {
        customer: "c",
        id: "r1",
        decision: DecisionId::from_bytes([7; 16]),
        told: Told::Bounced,
        channel: "sms",
        purpose: "service",
        address: Some("+31"),
        text: "",
    };
    let records = [
        Record::Outcome {
            customer: "c",
            outcome: Outcome {
                decision: DecisionId::from_bytes([7; 16]),
                attempt: 1,
                result: Delivery::Delivered,
            },
            known_as: Some(known_as),
        },
        Record::Receipt(receipt),
        Record::Receipt(ReceiptRecord {
            told: Told::Replied,
            text: "no é",
            address: None,
            ..receipt
        }),
    ];
    check_all(&records);
}
