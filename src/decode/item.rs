//! One event as its sender laid it out: the members that any shape gives a meaning, still raw.
//!
//! All shapes are scanned by the same code, because their names do not collide: what a member
//! means is judged afterwards, by the module of the shape.

use super::json::{Fault, Raw, Scanner, Text, Track};

/// The members of one event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Item<'a> {
    /// `customer`.
    pub customer: Raw<'a>,
    /// `userId`.
    pub user_id: Raw<'a>,
    /// `anonymousId`.
    pub anonymous_id: Raw<'a>,
    /// `distinct_id`.
    pub distinct_id: Raw<'a>,
    /// `subject`.
    pub subject: Raw<'a>,
    /// `broadcast`.
    pub broadcast: Raw<'a>,
    /// `type`.
    pub kind: Raw<'a>,
    /// `event`.
    pub event: Raw<'a>,
    /// `name`.
    pub name: Raw<'a>,
    /// `category`.
    pub category: Raw<'a>,
    /// `id`.
    pub id: Raw<'a>,
    /// `messageId`.
    pub message_id: Raw<'a>,
    /// `uuid`.
    pub uuid: Raw<'a>,
    /// `source`.
    pub source: Raw<'a>,
    /// `specversion`.
    pub specversion: Raw<'a>,
    /// `at`.
    pub at: Raw<'a>,
    /// `timestamp`.
    pub timestamp: Raw<'a>,
    /// `originalTimestamp`.
    pub original_timestamp: Raw<'a>,
    /// `sentAt`.
    pub sent_at: Raw<'a>,
    /// `time`.
    pub time: Raw<'a>,
    /// `properties`, already passed to the sink when it is an object.
    pub properties: Raw<'a>,
    /// `with`.
    pub with: Raw<'a>,
    /// `data`.
    pub data: Raw<'a>,
    /// `data_base64`.
    pub data_base64: Raw<'a>,
    /// `traits`.
    pub traits: Raw<'a>,
    /// `$set` beside the properties.
    pub set: Raw<'a>,
    /// `$set_once` beside the properties.
    pub set_once: Raw<'a>,
    /// `groupId`.
    pub group_id: Raw<'a>,
    /// `previousId`.
    pub previous_id: Raw<'a>,
    /// `integrations`.
    pub integrations: Raw<'a>,
    /// `context`.
    pub context: Context<'a>,
    /// Properties with a meaning of their own.
    pub special: Specials<'a>,
}

/// What `context` says that we use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context<'a> {
    /// `locale`.
    pub locale: Raw<'a>,
    /// `timezone`.
    pub timezone: Raw<'a>,
    /// `groupId`.
    pub group_id: Raw<'a>,
    /// `traits`.
    pub traits: Raw<'a>,
    /// `active`: `false` says that the customer was not there.
    pub active: Raw<'a>,
    /// `device.token`.
    pub push_token: Raw<'a>,
}

/// Declares the properties that have a meaning of their own in some shape.
macro_rules! specials {
    ($($field:ident = $name:literal,)*) => {
        /// A property with a meaning of its own in some shape.
        #[expect(non_camel_case_types, reason = "variants are the fields of `Specials`")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Special { $($field,)* }

        impl Special {
            /// All of them with their names.
            pub(super) const ALL: &'static [(&'static str, Self)] =
                &[$(($name, Self::$field),)*];

            fn find(name: &str) -> Option<Self> {
                // Most properties are none of these, which their first letter tells.
                if !matches!(name.as_bytes().first(), Some(b'$' | b'd' | b't' | b'a' | b'p')) {
                    return None;
                }
                match name { $($name => Some(Self::$field),)* _ => None }
            }
        }

        /// Properties with a meaning of their own, as far as the event has them.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Specials<'a> { $(pub $field: Raw<'a>,)* }

        impl<'a> Specials<'a> {
            /// Keeps one.
            pub(super) const fn set(&mut self, special: Special, raw: Raw<'a>) {
                match special { $(Special::$field => self.$field = raw,)* }
            }
        }
    };
}

specials! {
    distinct_id = "distinct_id",
    token = "token",
    alias = "alias",
    path = "path",
    set = "$set",
    set_once = "$set_once",
    group_type = "$group_type",
    group_key = "$group_key",
    group_set = "$group_set",
    groups = "$groups",
    timezone = "$timezone",
    locale = "$locale",
    pathname = "$pathname",
    screen_name = "$screen_name",
}

/// What becomes of the properties while they are scanned.
pub(super) trait Sink<'a> {
    /// What a key means to it.
    type Wanted: Copy;
    /// Where it finds that out.
    type Words: Copy;

    /// Where it finds out what keys mean.
    fn words(&self) -> Self::Words;

    /// Finds out what a key means.
    fn wanted(words: Self::Words, key: &str) -> Self::Wanted;

    /// Passes the value of one property.
    fn property(
        &mut self,
        wanted: Self::Wanted,
        scanner: &mut Scanner<'a>,
        special: &mut Specials<'a>,
    ) -> Result<(), Fault>;

    /// Forgets all: a later object of properties replaces the one before.
    fn restart(&mut self);
}

/// Properties are only checked, and those with a meaning of their own kept.
#[derive(Debug)]
pub(super) struct SpecialsOnly;

impl<'a> Sink<'a> for SpecialsOnly {
    type Wanted = Option<Special>;
    type Words = ();

    fn words(&self) {}

    fn wanted((): (), key: &str) -> Option<Special> {
        Special::find(key)
    }

    fn property(
        &mut self,
        wanted: Option<Special>,
        scanner: &mut Scanner<'a>,
        special: &mut Specials<'a>,
    ) -> Result<(), Fault> {
        match wanted {
            Some(found) => special.set(found, scanner.value()?),
            None => scanner.skip()?,
        }
        Ok(())
    }

    fn restart(&mut self) {}
}

/// How the events of a sender are laid out: see [`Track`].
#[derive(Clone, Debug)]
pub(super) struct Tracks<W> {
    top: Track<Member>,
    context: Track<ContextMember>,
    /// Events of one name have the same properties, so each of these is for some names.
    properties: [Track<W>; NAMES_APART],
}

/// Names of events whose properties are kept apart, about.
const NAMES_APART: usize = 16;

impl<W> Default for Tracks<W> {
    fn default() -> Self {
        let properties = std::array::from_fn(|_| Track::default());
        Self { top: Track::default(), context: Track::default(), properties }
    }
}

impl<W: Copy> Tracks<W> {
    /// For a single event.
    pub(super) fn forgetful() -> Self {
        let properties = std::array::from_fn(|_| Track::forgetful());
        Self { top: Track::forgetful(), context: Track::forgetful(), properties }
    }
}

/// A field of an event.
type Field = for<'i, 'a> fn(&'i mut Item<'a>) -> &'i mut Raw<'a>;
/// A field of its context.
type ContextField = for<'i, 'a> fn(&'i mut Context<'a>) -> &'i mut Raw<'a>;

/// What a member of an event is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member {
    Properties,
    Context,
    Field(Field),
    Unknown,
}

/// What a member of its context is.
#[derive(Clone, Copy, Debug)]
enum ContextMember {
    Device,
    Field(ContextField),
    Unknown,
}

impl<'a> Item<'a> {
    /// Passes one object. The item is filled where it stands, because it is large.
    pub(super) fn scan<S: Sink<'a>>(
        &mut self,
        scanner: &mut Scanner<'a>,
        sink: &mut S,
        tracks: &mut Tracks<S::Wanted>,
    ) -> Result<(), Fault> {
        let Tracks { top, context, properties } = tracks;
        scanner.object_along(top, Member::of, |scanner, member| {
            self.member(member, scanner, sink, (context, properties))
        })
    }

    /// Passes one member of an object that is not followed by a track.
    pub(super) fn lone_member(
        &mut self,
        key: &str,
        scanner: &mut Scanner<'a>,
    ) -> Result<(), Fault> {
        let Tracks { mut context, mut properties, .. } = Tracks::forgetful();
        let tracks = (&mut context, &mut properties);
        self.member(Member::of(key), scanner, &mut SpecialsOnly, tracks)
    }

    /// Passes one member.
    fn member<S: Sink<'a>>(
        &mut self,
        member: Member,
        scanner: &mut Scanner<'a>,
        sink: &mut S,
        (context, properties): (&mut Track<ContextMember>, &mut [Track<S::Wanted>; NAMES_APART]),
    ) -> Result<(), Fault> {
        match member {
            Member::Field(field) => {
                *field(self) = scanner.value()?;
                Ok(())
            }
            Member::Properties => {
                let track = properties.get_mut(self.place_of_properties());
                self.properties = match track {
                    Some(track) => self.pass_properties(scanner, sink, track)?,
                    None => scanner.value()?,
                };
                Ok(())
            }
            Member::Context => self.context.scan(scanner, context),
            Member::Unknown => scanner.skip(),
        }
    }

    /// Which track the properties of an event of this name follow.
    fn place_of_properties(&self) -> usize {
        let Raw::Text(Text::Plain(name)) = self.event else { return 0 };
        let at = |index: usize| name.as_bytes().get(index).copied().map_or(0, usize::from);
        let mix = name.len() + 3 * at(0) + 5 * at(name.len() / 2);
        (mix ^ (mix >> 4)) % NAMES_APART
    }

    /// Passes an object of properties, or whatever stands in its place.
    fn pass_properties<S: Sink<'a>>(
        &mut self,
        scanner: &mut Scanner<'a>,
        sink: &mut S,
        track: &mut Track<S::Wanted>,
    ) -> Result<Raw<'a>, Fault> {
        sink.restart();
        self.special = Specials::default();
        if !scanner.at_object() {
            return scanner.value();
        }
        let from = scanner.position();
        let special = &mut self.special;
        let words = sink.words();
        scanner.object_along(
            track,
            |key| S::wanted(words, key),
            |scanner, wanted| sink.property(wanted, scanner, special),
        )?;
        Ok(Raw::Object(scanner.since(from)))
    }
}

impl Member {
    /// What a key means. Names are sorted by length first, so that few are compared.
    fn of(key: &str) -> Self {
        Self::Field(match key.len() {
            2 => match key {
                "id" => |item| &mut item.id,
                "at" => |item| &mut item.at,
                _ => return Self::Unknown,
            },
            4 => match key {
                "type" => |item| &mut item.kind,
                "name" => |item| &mut item.name,
                "uuid" => |item| &mut item.uuid,
                "with" => |item| &mut item.with,
                "time" => |item| &mut item.time,
                "data" => |item| &mut item.data,
                "$set" => |item| &mut item.set,
                _ => return Self::Unknown,
            },
            5 if key == "event" => |item| &mut item.event,
            6 => match key {
                "userId" => |item| &mut item.user_id,
                "traits" => |item| &mut item.traits,
                "sentAt" => |item| &mut item.sent_at,
                "source" => |item| &mut item.source,
                _ => return Self::Unknown,
            },
            7 => match key {
                "context" => return Self::Context,
                "groupId" => |item| &mut item.group_id,
                "subject" => |item| &mut item.subject,
                _ => return Self::Unknown,
            },
            8 => match key {
                "customer" => |item| &mut item.customer,
                "category" => |item| &mut item.category,
                _ => return Self::Unknown,
            },
            9 => match key {
                "timestamp" => |item| &mut item.timestamp,
                "messageId" => |item| &mut item.message_id,
                "broadcast" => |item| &mut item.broadcast,
                "$set_once" => |item| &mut item.set_once,
                _ => return Self::Unknown,
            },
            10 if key == "properties" => return Self::Properties,
            10 if key == "previousId" => |item| &mut item.previous_id,
            11 => match key {
                "anonymousId" => |item| &mut item.anonymous_id,
                "distinct_id" => |item| &mut item.distinct_id,
                "specversion" => |item| &mut item.specversion,
                "data_base64" => |item| &mut item.data_base64,
                _ => return Self::Unknown,
            },
            12 if key == "integrations" => |item| &mut item.integrations,
            17 if key == "originalTimestamp" => |item| &mut item.original_timestamp,
            _ => return Self::Unknown,
        })
    }
}

impl ContextMember {
    fn of(key: &str) -> Self {
        Self::Field(match key {
            "locale" => |context| &mut context.locale,
            "timezone" => |context| &mut context.timezone,
            "groupId" => |context| &mut context.group_id,
            "traits" => |context| &mut context.traits,
            "active" => |context| &mut context.active,
            "device" => return Self::Device,
            _ => return Self::Unknown,
        })
    }
}

impl<'a> Context<'a> {
    fn scan(
        &mut self,
        scanner: &mut Scanner<'a>,
        track: &mut Track<ContextMember>,
    ) -> Result<(), Fault> {
        *self = Self::default();
        if !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object_along(track, ContextMember::of, |scanner, member| match member {
            ContextMember::Field(field) => {
                *field(self) = scanner.value()?;
                Ok(())
            }
            ContextMember::Device => {
                self.push_token = Raw::Absent;
                self.device(scanner)
            }
            ContextMember::Unknown => scanner.skip(),
        })
    }

    fn device(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(|scanner, key| match key {
            "token" => {
                self.push_token = scanner.value()?;
                Ok(())
            }
            _ => scanner.skip(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_is_found_by_its_name() {
        for (name, special) in Special::ALL {
            assert_eq!(Special::find(name), Some(*special), "{name}");
        }
        assert_eq!(Special::find("total"), None);
        assert_eq!(Special::find("paths"), None);
    }
}
