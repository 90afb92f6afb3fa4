//! Writes the header of a record.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;

use super::{
    EventRecord, Freshness, Kind, KnownAs, ListingRecord, PreferenceRecord, ReceiptRecord, Record,
    Subject, key, preference, result,
};
use crate::engine::desk::{DeskNote, Said};
use crate::engine::input::{Answer, Delivery, Outcome};
use crate::engine::operation::Operation;
use crate::engine::pool::{PoolAnswer, PoolNote, PoolSaid, PoolWord};
use crate::engine::task::{Instruction, Wish};
use crate::engine::time::Timestamp;

/// Appends the header of a record.
pub(super) fn header(record: &Record<'_>, out: &mut Vec<u8>) -> Written {
    Header(Encoder::new(out)).write(record)
}

pub(super) type Written = Result<(), Error<Infallible>>;

struct Header<'o>(Encoder<&'o mut Vec<u8>>);

impl Header<'_> {
    fn write(&mut self, record: &Record<'_>) -> Written {
        match record {
            Record::Event(event) => self.event(event),
            Record::Score(score) => {
                self.begin(Kind::Score, 5, Subject::Customer(score.customer))?;
                self.text(key::ID, score.id)?;
                self.text(key::MODEL, score.model)?;
                self.0.u8(key::VALUE)?.f64(score.value)?;
                Ok(())
            }
            Record::Outcome { customer, outcome, known_as } => {
                self.outcome(customer, outcome, known_as.as_ref())
            }
            Record::Receipt(receipt) => self.receipt(receipt),
            Record::Task { customer, instruction } => self.instruction(customer, instruction),
            Record::Desk { desk, note } => self.note(desk, note),
            Record::Pool { pool, note } => self.pool_note(pool, note),
            Record::PoolWord { customer, word } => self.pool_word(customer, word),
            Record::Preference { customer, preference } => self.preference(customer, preference),
            Record::Erasure { customer } => {
                self.begin(Kind::Erasure, 2, Subject::Customer(customer))
            }
            Record::Operation(operation) => self.operation(operation),
            Record::Listing(listing) => self.listing(listing),
        }
    }

    fn begin(&mut self, kind: Kind, fields: u64, subject: Subject<'_>) -> Written {
        self.0.map(fields)?;
        self.code(key::KIND, kind.code())?;
        match subject {
            Subject::Customer(customer) => self.text(key::CUSTOMER, customer),
            Subject::Everyone => Ok(()),
        }
    }

    fn event(&mut self, event: &EventRecord<'_>) -> Written {
        let customers = u64::from(event.subject != Subject::Everyone);
        let historical = u64::from(event.freshness == Freshness::Historical);
        self.begin(Kind::Event, 6 + customers + historical, event.subject)?;
        self.text(key::ID, event.id)?;
        self.0.u8(key::OCCURRED_MS)?.i64(event.occurred_at.as_millis())?;
        self.0.u8(key::RECEIVED_MS)?.i64(event.received_at.as_millis())?;
        self.code(key::SHAPE, event.shape.code())?;
        self.code(key::CALL, event.call.code())?;
        match event.freshness {
            Freshness::Live => Ok(()),
            Freshness::Historical => self.code(key::HISTORICAL, 1),
        }
    }

    fn outcome(
        &mut self,
        customer: &str,
        outcome: &Outcome,
        known_as: Option<&KnownAs<'_>>,
    ) -> Written {
        let (result, why) = match &outcome.result {
            Delivery::Delivered => (result::DELIVERED, None),
            Delivery::Rejected { why } => (result::REJECTED, Some(&**why)),
            Delivery::Unknown { why } => (result::UNKNOWN, Some(&**why)),
            Delivery::Expired => (result::EXPIRED, None),
            Delivery::Refused { reason, .. } => (result::REFUSED, Some(reason.as_str())),
        };
        let known = known_as.map_or(0, |known| {
            2 + u64::from(known.id.is_some()) + u64::from(known.address.is_some())
        });
        let detail = match &outcome.result {
            Delivery::Refused { detail, .. } => detail.as_deref(),
            _ => None,
        };
        let fields = 5 + u64::from(why.is_some()) + u64::from(detail.is_some()) + known;
        self.begin(Kind::Outcome, fields, Subject::Customer(customer))?;
        self.0.u8(key::DECISION)?.bytes(outcome.decision.as_bytes())?;
        self.0.u8(key::ATTEMPT)?.u32(outcome.attempt)?;
        self.code(key::RESULT, result)?;
        self.optional(key::WHY, why)?;
        self.optional(key::DETAIL, detail)?;
        let Some(known) = known_as else { return Ok(()) };
        self.text(key::CHANNEL, known.channel)?;
        self.text(key::PURPOSE, known.purpose)?;
        self.optional(key::EXTERNAL_ID, known.id)?;
        self.optional(key::ADDRESS, known.address)
    }

    fn receipt(&mut self, receipt: &ReceiptRecord<'_>) -> Written {
        let address = u64::from(receipt.address.is_some());
        self.begin(Kind::Receipt, 8 + address, Subject::Customer(receipt.customer))?;
        self.text(key::ID, receipt.id)?;
        self.0.u8(key::DECISION)?.bytes(receipt.decision.as_bytes())?;
        self.code(key::TOLD, receipt.told.code())?;
        self.text(key::CHANNEL, receipt.channel)?;
        self.text(key::PURPOSE, receipt.purpose)?;
        self.optional(key::ADDRESS, receipt.address)?;
        self.text(key::TEXT, receipt.text)
    }

    fn instruction(&mut self, customer: &str, instruction: &Instruction) -> Written {
        let Instruction { task, id, by, note, what } = instruction;
        let to = match what {
            Wish::Done(outcome) => Some(outcome.as_str()),
            Wish::Reassign(to) | Wish::Goes(to) => Some(&**to),
            Wish::Ack | Wish::Claim | Wish::Reopen | Wish::Note | Wish::Waits | Wish::Freed => None,
        };
        let optional = u64::from(to.is_some()) + u64::from(note.is_some());
        self.begin(Kind::Task, 6 + optional, Subject::Customer(customer))?;
        self.0.u8(key::DECISION)?.bytes(task.as_bytes())?;
        self.text(key::ID, id)?;
        self.text(key::BY, by)?;
        self.text(key::WISH, what.as_str())?;
        self.optional(key::WHY, note.as_deref())?;
        self.optional(key::TO, to)
    }

    fn note(&mut self, desk: &str, note: &DeskNote) -> Written {
        let skills = match &note.what {
            Said::Asks(request) => Some(request.skills.join("\n")).filter(|all| !all.is_empty()),
            Said::Has(_) | Said::Over => None,
        };
        let more = match &note.what {
            Said::Asks(request) => {
                let texts =
                    [skills.as_deref(), request.language.as_deref(), request.owner.as_deref()];
                3 + texts.into_iter().flatten().count() as u64
            }
            Said::Has(_) => 1,
            Said::Over => 0,
        };
        self.begin(Kind::Desk, 5 + more, Subject::Customer(desk))?;
        self.0.u8(key::DECISION)?.bytes(note.task.as_bytes())?;
        self.text(key::OF, note.customer.as_str())?;
        match &note.what {
            Said::Asks(request) => {
                self.text(key::WISH, "asks")?;
                self.code(key::PRIORITY, request.priority)?;
                self.0.u8(key::VALUE)?.f64(request.worth)?;
                self.0.u8(key::OCCURRED_MS)?.i64(request.opened_at.as_millis())?;
                self.optional(key::SKILLS, skills.as_deref())?;
                self.optional(key::LANGUAGE, request.language.as_deref())?;
                self.optional(key::OWNER, request.owner.as_deref())
            }
            Said::Has(person) => {
                self.text(key::WISH, "has")?;
                self.text(key::TO, person)
            }
            Said::Over => self.text(key::WISH, "over"),
        }
    }

    fn pool_note(&mut self, pool: &str, note: &PoolNote) -> Written {
        let more = match &note.what {
            PoolSaid::Asks(_) => 9,
            PoolSaid::Took(_) => 1,
            PoolSaid::Over | PoolSaid::Undone => 0,
        };
        self.begin(Kind::Pool, 5 + more, Subject::Customer(pool))?;
        self.0.u8(key::DECISION)?.bytes(note.decision.as_bytes())?;
        self.text(key::OF, note.customer.as_str())?;
        match &note.what {
            PoolSaid::Asks(request) => {
                self.text(key::WISH, "asks")?;
                self.text(key::TRIGGER, &request.trigger)?;
                self.text(key::PURPOSE, &request.purpose)?;
                self.text(key::CHANNEL, &request.channel)?;
                self.0.u8(key::MICROS)?.u64(request.micros)?;
                self.0.u8(key::RANK)?.i32(request.priority)?;
                self.0.u8(key::VALUE)?.f64(request.worth)?;
                self.instant(key::OCCURRED_MS, request.since)?;
                self.instant(key::UNTIL_MS, request.expires_at)?;
                self.instant(key::RECEIVED_MS, request.asked_at)
            }
            PoolSaid::Took(at) => {
                self.text(key::WISH, "took")?;
                self.instant(key::OCCURRED_MS, *at)
            }
            PoolSaid::Over => self.text(key::WISH, "over"),
            PoolSaid::Undone => self.text(key::WISH, "undone"),
        }
    }

    fn pool_word(&mut self, customer: &str, word: &PoolWord) -> Written {
        let (wish, until) = match word.what {
            PoolAnswer::Granted => ("granted", None),
            PoolAnswer::Waits(until) => ("waits", until),
            PoolAnswer::Freed => ("freed", None),
        };
        let fields = 7 + u64::from(until.is_some());
        self.begin(Kind::PoolWord, fields, Subject::Customer(customer))?;
        self.text(key::POOL, word.pool.as_str())?;
        self.0.u8(key::DECISION)?.bytes(word.decision.as_bytes())?;
        self.instant(key::RECEIVED_MS, word.asked_at)?;
        self.text(key::WISH, wish)?;
        self.text(key::WHY, &word.why)?;
        until.map_or(Ok(()), |until| self.instant(key::UNTIL_MS, until))
    }

    fn instant(&mut self, key: u8, at: Timestamp) -> Written {
        self.0.u8(key)?.i64(at.as_millis())?;
        Ok(())
    }

    fn preference(&mut self, customer: &str, preference: &PreferenceRecord<'_>) -> Written {
        let subject = Subject::Customer(customer);
        match *preference {
            PreferenceRecord::Consent { purpose, channel, answer, source, evidence, about } => {
                let optional = [purpose, channel, evidence];
                let optional =
                    optional.into_iter().map(|one| u64::from(one.is_some())).sum::<u64>();
                let optional = optional + u64::from(about.is_some());
                self.begin(Kind::Preference, 5 + optional, subject)?;
                self.code(key::PREFERENCE, preference::CONSENT)?;
                self.optional(key::PURPOSE, purpose)?;
                self.optional(key::CHANNEL, channel)?;
                self.code(key::GRANTED, u8::from(answer == Answer::Granted))?;
                self.text(key::SOURCE, source)?;
                if let Some(about) = about {
                    self.0.u8(key::DECISION)?.bytes(about.as_bytes())?;
                }
                self.optional(key::EVIDENCE, evidence)
            }
            PreferenceRecord::Profiling { answer, source, evidence } => {
                self.begin(Kind::Preference, 5 + u64::from(evidence.is_some()), subject)?;
                self.code(key::PREFERENCE, preference::PROFILING)?;
                self.code(key::GRANTED, u8::from(answer == Answer::Granted))?;
                self.text(key::SOURCE, source)?;
                self.optional(key::EVIDENCE, evidence)
            }
            PreferenceRecord::PauseUntil(until) => {
                self.begin(Kind::Preference, 3 + u64::from(until.is_some()), subject)?;
                self.code(key::PREFERENCE, preference::PAUSE)?;
                if let Some(until) = until {
                    self.0.u8(key::UNTIL_MS)?.i64(until.as_millis())?;
                }
                Ok(())
            }
            PreferenceRecord::PreferredChannel(channel) => {
                self.begin(Kind::Preference, 3 + u64::from(channel.is_some()), subject)?;
                self.code(key::PREFERENCE, preference::PREFERRED_CHANNEL)?;
                self.optional(key::CHANNEL, channel)
            }
        }
    }

    fn operation(&mut self, operation: &Operation) -> Written {
        let Operation { id, order, scope, until, by, why } = operation;
        self.begin(Kind::Operation, 7, Subject::Everyone)?;
        self.text(key::ID, id)?;
        self.text(key::ORDER, order.as_str())?;
        self.text(key::SCOPE, &scope.to_string())?;
        self.0.u8(key::UNTIL_MS)?.i64(until.as_millis())?;
        self.text(key::SOURCE, by)?;
        self.text(key::WHY, why)
    }

    fn listing(&mut self, listing: &ListingRecord<'_>) -> Written {
        let ListingRecord { channel, purpose, hash, cause, by, at, off } = *listing;
        self.begin(Kind::Listing, 7 + u64::from(purpose.is_some()), Subject::Everyone)?;
        self.text(key::CHANNEL, channel)?;
        self.optional(key::PURPOSE, purpose)?;
        self.text(key::ID, hash)?;
        self.text(key::WHY, cause)?;
        self.text(key::SOURCE, by)?;
        self.0.u8(key::OCCURRED_MS)?.i64(at.as_millis())?;
        self.code(key::GRANTED, u8::from(off))
    }

    fn code(&mut self, key: u8, code: u8) -> Written {
        self.0.u8(key)?.u8(code)?;
        Ok(())
    }

    fn text(&mut self, key: u8, text: &str) -> Written {
        self.0.u8(key)?.str(text)?;
        Ok(())
    }

    fn optional(&mut self, key: u8, text: Option<&str>) -> Written {
        text.map_or(Ok(()), |text| self.text(key, text))
    }
}
