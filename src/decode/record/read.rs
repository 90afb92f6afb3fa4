//! Reads records back, whatever the bytes.

use minicbor::Decoder;

use super::{
    Call, EventRecord, Freshness, Kind, KnownAs, ListingRecord, PreferenceRecord, ReceiptRecord,
    Record, ScoreRecord, Shape, Subject, key, preference, result, unknown,
};
use crate::decode::json;
use crate::decode::refusal::Refusal;
use crate::engine::decision::Reason;
use crate::engine::desk::{DeskNote, Request, Said};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::{Answer, Delivery, Outcome, Told};
use crate::engine::operation::{Operation, Order, Scope};
use crate::engine::pool::{PoolAnswer, PoolNote, PoolRequest, PoolSaid, PoolWord};
use crate::engine::task::{Instruction, TaskOutcome, Wish};
use crate::engine::time::Timestamp;

/// Reads a record after its first byte.
pub(super) fn record(bytes: &[u8]) -> Result<Record<'_>, Refusal> {
    Fields::read(bytes)?.into_record()
}

/// A header taken apart.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<u8>,
    customer: Option<&'a str>,
    id: Option<&'a str>,
    occurred_ms: Option<i64>,
    received_ms: Option<i64>,
    shape: Option<u8>,
    call: Option<u8>,
    historical: Option<u8>,
    model: Option<&'a str>,
    value: Option<f64>,
    decision: Option<&'a [u8]>,
    attempt: Option<u32>,
    result: Option<u8>,
    why: Option<&'a str>,
    preference: Option<u8>,
    purpose: Option<&'a str>,
    channel: Option<&'a str>,
    granted: Option<u8>,
    source: Option<&'a str>,
    until_ms: Option<i64>,
    external_id: Option<&'a str>,
    address: Option<&'a str>,
    told: Option<u8>,
    text: Option<&'a str>,
    evidence: Option<&'a str>,
    detail: Option<&'a str>,
    order: Option<&'a str>,
    scope: Option<&'a str>,
    by: Option<&'a str>,
    wish: Option<&'a str>,
    to: Option<&'a str>,
    of: Option<&'a str>,
    priority: Option<u8>,
    skills: Option<&'a str>,
    language: Option<&'a str>,
    owner: Option<&'a str>,
    pool: Option<&'a str>,
    trigger: Option<&'a str>,
    micros: Option<u64>,
    rank: Option<i32>,
    rest: &'a [u8],
}

impl From<minicbor::decode::Error> for Refusal {
    fn from(_: minicbor::decode::Error) -> Self {
        unknown("the record's header is damaged")
    }
}

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut decoder = Decoder::new(bytes);
        let mut fields = Self::default();
        let count = decoder.map()?.ok_or_else(|| unknown("the record's header is damaged"))?;
        for _ in 0..count {
            fields.field(&mut decoder)?;
        }
        fields.rest = bytes.get(decoder.position()..).unwrap_or_default();
        Ok(fields)
    }

    fn field(&mut self, decoder: &mut Decoder<'a>) -> Result<(), Refusal> {
        match decoder.u8()? {
            key::KIND => self.kind = Some(decoder.u8()?),
            key::CUSTOMER => self.customer = Some(decoder.str()?),
            key::ID => self.id = Some(decoder.str()?),
            key::OCCURRED_MS => self.occurred_ms = Some(decoder.i64()?),
            key::RECEIVED_MS => self.received_ms = Some(decoder.i64()?),
            key::SHAPE => self.shape = Some(decoder.u8()?),
            key::CALL => self.call = Some(decoder.u8()?),
            key::HISTORICAL => self.historical = Some(decoder.u8()?),
            key::MODEL => self.model = Some(decoder.str()?),
            key::VALUE => self.value = Some(decoder.f64()?),
            key::DECISION => self.decision = Some(decoder.bytes()?),
            key::ATTEMPT => self.attempt = Some(decoder.u32()?),
            key::RESULT => self.result = Some(decoder.u8()?),
            key::WHY => self.why = Some(decoder.str()?),
            key::PREFERENCE => self.preference = Some(decoder.u8()?),
            key::PURPOSE => self.purpose = Some(decoder.str()?),
            key::CHANNEL => self.channel = Some(decoder.str()?),
            key::GRANTED => self.granted = Some(decoder.u8()?),
            key::SOURCE => self.source = Some(decoder.str()?),
            key::UNTIL_MS => self.until_ms = Some(decoder.i64()?),
            key::EXTERNAL_ID => self.external_id = Some(decoder.str()?),
            key::ADDRESS => self.address = Some(decoder.str()?),
            key::TOLD => self.told = Some(decoder.u8()?),
            key::TEXT => self.text = Some(decoder.str()?),
            key::EVIDENCE => self.evidence = Some(decoder.str()?),
            key::DETAIL => self.detail = Some(decoder.str()?),
            key::ORDER => self.order = Some(decoder.str()?),
            key::SCOPE => self.scope = Some(decoder.str()?),
            key::BY => self.by = Some(decoder.str()?),
            key::WISH => self.wish = Some(decoder.str()?),
            key::TO => self.to = Some(decoder.str()?),
            key::OF => self.of = Some(decoder.str()?),
            key::PRIORITY => self.priority = Some(decoder.u8()?),
            key::SKILLS => self.skills = Some(decoder.str()?),
            key::LANGUAGE => self.language = Some(decoder.str()?),
            key::OWNER => self.owner = Some(decoder.str()?),
            key::POOL => self.pool = Some(decoder.str()?),
            key::TRIGGER => self.trigger = Some(decoder.str()?),
            key::MICROS => self.micros = Some(decoder.u64()?),
            key::RANK => self.rank = Some(decoder.i32()?),
            // A field of a later version.
            _ => decoder.skip()?,
        }
        Ok(())
    }

    fn into_record(self) -> Result<Record<'a>, Refusal> {
        Ok(match Kind::from_code(must(self.kind)?)? {
            Kind::Event => Record::Event(self.into_event()?),
            Kind::Score => Record::Score(ScoreRecord {
                customer: must(self.customer)?,
                id: must(self.id)?,
                model: must(self.model)?,
                value: self.value.filter(|value| value.is_finite()).ok_or_else(missing)?,
            }),
            Kind::Outcome => Record::Outcome {
                customer: must(self.customer)?,
                known_as: self.known_as(),
                outcome: self.into_outcome()?,
            },
            Kind::Receipt => Record::Receipt(self.into_receipt()?),
            Kind::Preference => Record::Preference {
                customer: must(self.customer)?,
                preference: self.into_preference()?,
            },
            Kind::Task => Record::Task {
                customer: must(self.customer)?,
                instruction: self.into_instruction()?,
            },
            Kind::Desk => Record::Desk { desk: must(self.customer)?, note: self.into_note()? },
            Kind::Pool => Record::Pool { pool: must(self.customer)?, note: self.into_pool_note()? },
            Kind::PoolWord => {
                Record::PoolWord { customer: must(self.customer)?, word: self.into_pool_word()? }
            }
            Kind::Erasure => Record::Erasure { customer: must(self.customer)? },
            Kind::Operation => Record::Operation(self.into_operation()?),
            Kind::Listing => Record::Listing(ListingRecord {
                channel: must(self.channel)?,
                purpose: self.purpose,
                hash: must(self.id)?,
                cause: must(self.why)?,
                by: self.source.unwrap_or_default(),
                at: Timestamp::from_millis(must(self.occurred_ms)?),
                off: self.granted == Some(1),
            }),
        })
    }

    fn into_event(self) -> Result<EventRecord<'a>, Refusal> {
        Ok(EventRecord {
            subject: self.customer.map_or(Subject::Everyone, Subject::Customer),
            id: must(self.id)?,
            occurred_at: Timestamp::from_millis(must(self.occurred_ms)?),
            received_at: Timestamp::from_millis(must(self.received_ms)?),
            shape: Shape::from_code(must(self.shape)?)?,
            call: Call::from_code(must(self.call)?)?,
            freshness: match self.historical {
                None | Some(0) => Freshness::Live,
                Some(_) => Freshness::Historical,
            },
            json: json::text(self.rest)?,
        })
    }

    fn into_outcome(self) -> Result<Outcome, Refusal> {
        let decision = must(self.decision)?.try_into().map_err(|_| missing())?;
        let why = || Box::from(self.why.unwrap_or_default());
        let result = match must(self.result)? {
            result::DELIVERED => Delivery::Delivered,
            result::REJECTED => Delivery::Rejected { why: why() },
            result::UNKNOWN => Delivery::Unknown { why: why() },
            result::EXPIRED => Delivery::Expired,
            result::REFUSED => Delivery::Refused {
                reason: Reason::parse(must(self.why)?)
                    .ok_or_else(|| unknown("the reason is not known to this version"))?,
                detail: self.detail.map(Into::into),
            },
            _ => return Err(unknown("the result is not known to this version")),
        };
        let decision = DecisionId::from_bytes(decision);
        Ok(Outcome { decision, attempt: must(self.attempt)?, result })
    }

    fn known_as(&self) -> Option<KnownAs<'a>> {
        let (channel, purpose) = self.channel.zip(self.purpose)?;
        Some(KnownAs { channel, purpose, id: self.external_id, address: self.address })
    }

    fn into_receipt(self) -> Result<ReceiptRecord<'a>, Refusal> {
        let told = Told::from_code(must(self.told)?);
        Ok(ReceiptRecord {
            customer: must(self.customer)?,
            id: must(self.id)?,
            decision: DecisionId::from_bytes(
                must(self.decision)?.try_into().map_err(|_| missing())?,
            ),
            told: told.ok_or_else(|| unknown("what was told is not known to this version"))?,
            channel: must(self.channel)?,
            purpose: must(self.purpose)?,
            address: self.address,
            text: self.text.unwrap_or_default(),
        })
    }

    fn into_operation(self) -> Result<Operation, Refusal> {
        let order = Order::parse(must(self.order)?);
        let scope = Scope::parse(must(self.scope)?);
        Ok(Operation {
            id: must(self.id)?.into(),
            order: order.ok_or_else(|| unknown("the order is not known to this version"))?,
            scope: scope
                .ok_or_else(|| unknown("the order's scope is not known to this version"))?,
            until: Timestamp::from_millis(must(self.until_ms)?),
            by: self.source.unwrap_or_default().into(),
            why: self.why.unwrap_or_default().into(),
        })
    }

    fn into_instruction(self) -> Result<Instruction, Refusal> {
        let wish = match must(self.wish)? {
            "ack" => Wish::Ack,
            "claim" => Wish::Claim,
            "done" => Wish::Done(TaskOutcome::parse(must(self.to)?).ok_or_else(missing)?),
            "reopen" => Wish::Reopen,
            "reassign" => Wish::Reassign(must(self.to)?.into()),
            "note" => Wish::Note,
            "goes" => Wish::Goes(must(self.to)?.into()),
            "waits" => Wish::Waits,
            "freed" => Wish::Freed,
            _ => return Err(unknown("the wish is not known to this version")),
        };
        Ok(Instruction {
            task: DecisionId::from_bytes(must(self.decision)?.try_into().map_err(|_| missing())?),
            id: must(self.id)?.into(),
            by: must(self.by)?.into(),
            note: self.why.map(Into::into),
            what: wish,
        })
    }

    fn into_note(self) -> Result<DeskNote, Refusal> {
        let what = match must(self.wish)? {
            "asks" => Said::Asks(Request {
                priority: must(self.priority)?,
                worth: self.value.filter(|value| value.is_finite()).ok_or_else(missing)?,
                opened_at: Timestamp::from_millis(must(self.occurred_ms)?),
                skills: self
                    .skills
                    .iter()
                    .flat_map(|all| all.split('\n'))
                    .map(Into::into)
                    .collect(),
                language: self.language.map(Into::into),
                owner: self.owner.map(Into::into),
            }),
            "has" => Said::Has(must(self.to)?.into()),
            "over" => Said::Over,
            _ => return Err(unknown("the note is not known to this version")),
        };
        Ok(DeskNote {
            task: DecisionId::from_bytes(must(self.decision)?.try_into().map_err(|_| missing())?),
            customer: CustomerId::new(must(self.of)?),
            what,
        })
    }

    fn into_pool_note(self) -> Result<PoolNote, Refusal> {
        let instant = |ms: Option<i64>| must(ms).map(Timestamp::from_millis);
        let what = match must(self.wish)? {
            "asks" => PoolSaid::Asks(PoolRequest {
                trigger: must(self.trigger)?.into(),
                purpose: must(self.purpose)?.into(),
                channel: must(self.channel)?.into(),
                micros: must(self.micros)?,
                priority: must(self.rank)?,
                worth: self.value.filter(|value| value.is_finite()).ok_or_else(missing)?,
                since: instant(self.occurred_ms)?,
                expires_at: instant(self.until_ms)?,
                asked_at: instant(self.received_ms)?,
            }),
            "took" => PoolSaid::Took(instant(self.occurred_ms)?),
            "over" => PoolSaid::Over,
            "undone" => PoolSaid::Undone,
            _ => return Err(unknown("the note is not known to this version")),
        };
        Ok(PoolNote {
            decision: self.decision_id()?,
            customer: CustomerId::new(must(self.of)?),
            what,
        })
    }

    fn into_pool_word(self) -> Result<PoolWord, Refusal> {
        let what = match must(self.wish)? {
            "granted" => PoolAnswer::Granted,
            "waits" => PoolAnswer::Waits(self.until_ms.map(Timestamp::from_millis)),
            "freed" => PoolAnswer::Freed,
            _ => return Err(unknown("the word is not known to this version")),
        };
        Ok(PoolWord {
            pool: CustomerId::new(must(self.pool)?),
            decision: self.decision_id()?,
            asked_at: Timestamp::from_millis(must(self.received_ms)?),
            what,
            why: self.why.unwrap_or_default().into(),
        })
    }

    fn decision_id(&self) -> Result<DecisionId, Refusal> {
        let bytes = must(self.decision)?.try_into().map_err(|_| missing())?;
        Ok(DecisionId::from_bytes(bytes))
    }

    fn answer(&self) -> Result<Answer, Refusal> {
        Ok(match must(self.granted)? {
            1 => Answer::Granted,
            _ => Answer::Denied,
        })
    }

    fn into_preference(self) -> Result<PreferenceRecord<'a>, Refusal> {
        Ok(match must(self.preference)? {
            preference::CONSENT => PreferenceRecord::Consent {
                purpose: self.purpose,
                channel: self.channel,
                answer: self.answer()?,
                source: self.source.unwrap_or_default(),
                evidence: self.evidence,
                about: match self.decision {
                    Some(bytes) => {
                        Some(DecisionId::from_bytes(bytes.try_into().map_err(|_| missing())?))
                    }
                    None => None,
                },
            },
            preference::PROFILING => PreferenceRecord::Profiling {
                answer: self.answer()?,
                source: self.source.unwrap_or_default(),
                evidence: self.evidence,
            },
            preference::PAUSE => {
                PreferenceRecord::PauseUntil(self.until_ms.map(Timestamp::from_millis))
            }
            preference::PREFERRED_CHANNEL => PreferenceRecord::PreferredChannel(self.channel),
            _ => return Err(unknown("the preference is not known to this version")),
        })
    }
}

fn must<T>(field: Option<T>) -> Result<T, Refusal> {
    field.ok_or_else(missing)
}

fn missing() -> Refusal {
    unknown("the record's header lacks a field")
}
