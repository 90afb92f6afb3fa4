//! Messages in Avro and Protocol Buffers as JSON, by the schema that a registry has for each.

use std::collections::BTreeMap;
use std::time::Duration;

use apache_avro::util::max_allocation_bytes;
use prost_reflect::{DynamicMessage, SerializeOptions, Value as Field};
use schema_registry_converter::blocking::avro::AvroDecoder;
use schema_registry_converter::blocking::proto_decoder::ProtoDecoder;
use schema_registry_converter::blocking::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_guid_and_type, get_schema_by_id_and_type,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, RegisteredSchema, SchemaType};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use super::{Unread, avro};
use crate::clock::Stopwatch;
use crate::config::{Login, RegistryConfig, SourceFormat};
use crate::decode::{Refusal, Refused};
use crate::kafka::Error;
use crate::kafka::reading::Seen;

/// How long a registry may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a schema that the registry did not have counts as missing.
const MISSING: Duration = Duration::from_secs(60);
/// Schemas that are kept; past it all are asked for anew.
const SCHEMAS_MAX: usize = 1_024;
/// Schemas that one may refer to, directly and through others.
const REFERENCES_MAX: usize = 64;
/// Most bytes that one value of a message may claim for itself.
const VALUE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The header that names the schema where the message itself does not.
const HEADER: &str = "__value_schema_id";

/// Asks a registry, and remembers.
pub(super) struct Schemas {
    settings: SrSettings,
    address: String,
    avro: AvroDecoder,
    protobuf: ProtoDecoder,
    /// Schemas that were asked for, with what speaks against them.
    known: BTreeMap<Id, Option<Refusal>>,
    forgotten: Stopwatch,
}

/// What names a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Number(u32),
    Guid(Uuid),
}

/// A message and what stands before it.
struct Framed<'m> {
    id: Id,
    /// The id as the header has it, where it is not before the message as the decoders read it.
    header: Option<Vec<u8>>,
    message: &'m [u8],
}

impl Schemas {
    /// # Errors
    /// When what the file says about the registry makes no request.
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, Error> {
        let (first, others) = config
            .addresses
            .split_first()
            .ok_or_else(|| Error::Registry("it has no address".to_owned()))?;
        let mut builder = SrSettings::new_builder(first.clone());
        for other in others {
            builder.add_url(other.clone());
        }
        match &config.login {
            Login::None => {}
            Login::Basic { user, password } => {
                builder.set_basic_authorization(user, Some(password.expose_secret()));
            }
            Login::Token(token) => {
                builder.set_token_authorization(token.expose_secret());
            }
        }
        // Another part of the process may have installed it before: it is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let settings = builder
            .set_timeout(ANSWER)
            .build()
            .map_err(|error| Error::Registry(error.to_string()))?;
        // The first to say so in the process decides; nobody else here reads Avro.
        max_allocation_bytes(VALUE_BYTES_MAX);
        Ok(Self {
            avro: AvroDecoder::new(settings.clone()),
            protobuf: ProtoDecoder::new(settings.clone()),
            settings,
            address: first.clone(),
            known: BTreeMap::new(),
            forgotten: Stopwatch::start(),
        })
    }

    /// The message with its value in JSON; `None` when it needs no schema.
    pub(super) fn in_json(
        &mut self,
        format: SourceFormat,
        seen: &Seen,
    ) -> Result<Option<Seen>, Unread> {
        let Some(value) = seen.value.as_deref().filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let json = match format {
            SourceFormat::Avro => self.avro(seen, value)?,
            SourceFormat::Protobuf => self.protobuf(seen, value)?,
            SourceFormat::Json
            | SourceFormat::JsonSchema
            | SourceFormat::Segment
            | SourceFormat::PostHog
            | SourceFormat::CloudEvents => return Ok(None),
        };
        Ok(Some(Seen { value: Some(json.to_string().into_bytes()), ..seen.clone() }))
    }

    /// A message in Avro as JSON.
    fn avro(&mut self, seen: &Seen, value: &[u8]) -> Result<Value, Unread> {
        let framed = framed(seen, value)?;
        self.vet(&framed.id)?;
        let header = framed.header.as_deref();
        let decoded = self
            .avro
            .decode_with_schema_with_header_id(header, Some(framed.message))
            .map_err(|error| self.unread(&error))?
            .ok_or_else(|| unfit("the message is empty"))?;
        avro::json(&decoded.value, &decoded.schema.parsed).map_err(|what| unfit(what).into())
    }

    /// A message in Protocol Buffers as JSON, its fields called as in the schema.
    fn protobuf(&mut self, seen: &Seen, value: &[u8]) -> Result<Value, Unread> {
        let framed = framed(seen, value)?;
        self.forget();
        self.known.insert(framed.id, None);
        let (header, message) = match framed.header {
            // The message's place in its schema follows the id, wherever that is.
            Some(header) if !is_in_header(seen) => {
                let (place, message) = places(framed.message)?;
                (Some([&header, place].concat()), message)
            }
            header => (header, framed.message),
        };
        let decoded = self.protobuf.decode_with_header_id(header.as_deref(), Some(message));
        match decoded.map_err(|error| self.unread(&error))? {
            Field::Message(message) => told(&message),
            _ => Err(unfit("there is no message behind the number of its schema").into()),
        }
    }

    /// Refuses schemas that refer to themselves: messages of theirs nest as deeply as their
    /// sender likes.
    fn vet(&mut self, id: &Id) -> Result<(), Unread> {
        self.forget();
        let against = match self.known.get(id) {
            Some(against) => against.clone(),
            None => {
                let against = match self.look_at(id) {
                    Ok(()) => None,
                    Err(Unread::Refused(refusal)) => Some(refusal),
                    Err(later @ Unread::Later(_)) => return Err(later),
                };
                self.known.insert(id.clone(), against.clone());
                against
            }
        };
        against.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    fn look_at(&self, id: &Id) -> Result<(), Unread> {
        let schema = match id {
            Id::Number(number) => {
                get_schema_by_id_and_type(*number, &self.settings, SchemaType::Avro)
            }
            Id::Guid(guid) => {
                get_schema_by_guid_and_type(&guid.to_string(), &self.settings, SchemaType::Avro)
            }
        };
        let mut waiting = vec![schema.map_err(|error| self.unread(&error))?];
        let mut seen = 0;
        while let Some(RegisteredSchema { schema, references, .. }) = waiting.pop() {
            seen += 1;
            if REFERENCES_MAX < seen {
                let what = format!("its schema refers to more than {REFERENCES_MAX} others");
                return Err(unfit(what).into());
            }
            if avro::refers_to_itself(&schema) {
                let what = "its schema refers to itself: events do not nest without bound";
                return Err(unfit(what).into());
            }
            for reference in references {
                let schema = get_referenced_schema(&self.settings, &reference);
                waiting.push(schema.map_err(|error| self.unread(&error))?);
            }
        }
        Ok(())
    }

    /// Forgets what was missing after a while, and everything when there is too much of it.
    fn forget(&mut self) {
        if SCHEMAS_MAX <= self.known.len() {
            self.avro = AvroDecoder::new(self.settings.clone());
            self.protobuf = ProtoDecoder::new(self.settings.clone());
            self.known.clear();
        } else if MISSING < self.forgotten.elapsed() {
            self.forget_failures();
            self.known.retain(|_, against| against.is_none());
            self.forgotten = Stopwatch::start();
        }
    }

    fn forget_failures(&self) {
        self.avro.remove_errors_from_cache();
        self.protobuf.remove_errors_from_cache();
    }

    /// Whether the registry is to be asked again, or the message is to blame.
    fn unread(&self, error: &SRCError) -> Unread {
        let why = match &error.cause {
            Some(cause) => format!("{}: {cause}", error.error),
            None => error.error.clone(),
        };
        if is_of_the_registry(error) {
            self.forget_failures();
            let why = format!("the schema registry `{}`: {why}", self.address);
            return Unread::Later(Error::Failed { doing: "asking for a schema", why });
        }
        unfit(why).into()
    }
}

/// Whether an error says something about the registry and nothing about the message: it does not
/// answer, not to us, or not as one.
fn is_of_the_registry(error: &SRCError) -> bool {
    /// What a registry says of a schema that it does not have.
    const MISSING: std::ops::RangeInclusive<u32> = 40_400..=40_499;
    let source = std::error::Error::source(error);
    let answer = source.and_then(|source| source.downcast_ref::<RawError>());
    let transport = source.is_some_and(|source| source.is::<reqwest::Error>());
    error.retriable || transport || answer.is_some_and(|told| !MISSING.contains(&told.error_code))
}

fn unfit(what: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Refused::UnknownSchema, what)
}

fn header(seen: &Seen) -> Option<&[u8]> {
    seen.headers.iter().find(|(name, _)| name == HEADER).map(|(_, id)| id.as_slice())
}

fn is_in_header(seen: &Seen) -> bool {
    header(seen).is_some()
}

/// Finds the id: in the header, else before the message.
fn framed<'m>(seen: &Seen, value: &'m [u8]) -> Result<Framed<'m>, Refusal> {
    if let Some(header) = header(seen) {
        let id = match header {
            [0, a, b, c, d, ..] => Id::Number(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => Id::Guid(guid(header).ok_or_else(|| unfit(BAD_HEADER))?),
        };
        return Ok(Framed { id, header: Some(header.to_vec()), message: value });
    }
    if let [0, a, b, c, d, ..] = value {
        let id = Id::Number(u32::from_be_bytes([*a, *b, *c, *d]));
        return Ok(Framed { id, header: None, message: value });
    }
    let id = guid(value).ok_or_else(|| unfit(NO_NUMBER))?;
    let (header, message) = value.split_at(17);
    Ok(Framed { id: Id::Guid(id), header: Some(header.to_vec()), message })
}

const BAD_HEADER: &str = "the header `__value_schema_id` holds no id of a schema";
const NO_NUMBER: &str = "the message does not begin with the number of its schema, as serializers \
                         with a registry write it";

fn guid(bytes: &[u8]) -> Option<Uuid> {
    let (first, rest) = bytes.split_first()?;
    let id = rest.get(..16).filter(|_| *first == 1)?;
    Uuid::from_slice(id).ok()
}

/// Parts the list of places that leads to a message's type in its schema from the message: a count
/// and so many numbers, each of variable length, or a zero for the first type.
fn places(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let cut = || unfit("the message ends within its place in the schema");
    let (count, mut at) = varint(bytes).ok_or_else(cut)?;
    // Zigzag: the count is never negative.
    for _ in 0..(count >> 1).min(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
        let (_, length) = bytes.get(at..).and_then(varint).ok_or_else(cut)?;
        at += length;
    }
    bytes.split_at_checked(at).ok_or_else(cut)
}

/// A number of variable length, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

fn told(message: &DynamicMessage) -> Result<Value, Unread> {
    // Numbers stay numbers, and a field that was left at its default says so.
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| unfit(error.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Timestamp;
    use crate::kafka::reading::StampedBy;

    fn seen(headers: &[(&str, &[u8])]) -> Seen {
        Seen {
            partition: 0,
            offset: 0,
            at: Some(Timestamp::from_millis(0)),
            stamped_by: StampedBy::Producer,
            key: None,
            value: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                .collect(),
        }
    }

    #[test]
    fn the_id_is_found_in_the_header_first_then_before_the_message() {
        let guid: Vec<u8> = [&[1][..], &[7; 16]].concat();
        let by_header = seen(&[(HEADER, &guid)]);
        let found = framed(&by_header, b"\0\0\0\0\x09x").unwrap();
        assert_eq!((found.id, found.message.len()), (Id::Guid(Uuid::from_bytes([7; 16])), 6));
        let found = framed(&seen(&[]), b"\0\0\0\x01\x02x").unwrap();
        assert_eq!((found.id, found.header, found.message.len()), (Id::Number(258), None, 6));
        let value = [&guid[..], b"x"].concat();
        let found = framed(&seen(&[]), &value).unwrap();
        assert_eq!((found.header, found.message), (Some(guid), &b"x"[..]));
        for value in [&b""[..], b"{}", b"\0\0\0\0", b"\x01\0\0"] {
            assert!(framed(&seen(&[]), value).is_err(), "{value:?}");
        }
        assert!(framed(&seen(&[(HEADER, b"x")]), b"\0\0\0\0\x01").is_err());
    }

    #[test]
    fn places_are_parted_from_the_message_and_never_run_past_its_end() {
        assert_eq!(places(b"\0rest").unwrap(), (&b"\0"[..], &b"rest"[..]));
        assert_eq!(places(b"\x04\x02\x80\x01rest").unwrap().1, b"rest");
        for cut in [&b""[..], b"\x80", b"\x04\x02", &[0xff; 12]] {
            assert!(places(cut).is_err(), "{cut:?}");
        }
    }
}
