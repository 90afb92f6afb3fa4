//! One event as its sender laid it out: the members that any shape gives a meaning, still raw.
//!
//! All shapes are scanned by the same code, because their names do not collide: what a member
//! means is judged afterwards, by the module of the shape.

use super::json::{Between, Fault, Members, Raw, Scanner, Text, Track};

/// Declares the fields of an event, in the order of where they stand.
macro_rules! fields {
    ($($field:ident = $name:literal,)*) => {
        /// A member that some shape gives a meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field { $(#[doc = $name] $field,)* }

        /// How many fields there are.
        const FIELDS: usize = [$(Field::$field),*].len();
    };
}

fields! {
    Customer = "`customer`.",
    UserId = "`userId`.",
    AnonymousId = "`anonymousId`.",
    DistinctId = "`distinct_id`.",
    Subject = "`subject`.",
    Broadcast = "`broadcast`.",
    Type = "`type`.",
    Event = "`event`.",
    Name = "`name`.",
    Category = "`category`.",
    Id = "`id`.",
    MessageId = "`messageId`.",
    Uuid = "`uuid`.",
    Source = "`source`.",
    SpecVersion = "`specversion`.",
    At = "`at`.",
    Timestamp = "`timestamp`.",
    OriginalTimestamp = "`originalTimestamp`.",
    SentAt = "`sentAt`.",
    Time = "`time`.",
    Properties = "`properties`, already passed to the sink when it is an object.",
    With = "`with`.",
    Data = "`data`.",
    DataBase64 = "`data_base64`.",
    Traits = "`traits`.",
    Set = "`$set` beside the properties.",
    SetOnce = "`$set_once` beside the properties.",
    GroupId = "`groupId`.",
    PreviousId = "`previousId`.",
    Integrations = "`integrations`.",
    ContextLocale = "`context.locale`.",
    ContextTimezone = "`context.timezone`.",
    ContextGroupId = "`context.groupId`.",
    ContextTraits = "`context.traits`.",
    ContextActive = "`context.active`: `false` says that the customer was not there.",
    ContextPushToken = "`context.device.token`.",
    PropertyDistinctId = "`distinct_id` among the properties.",
    PropertyToken = "`token` among the properties.",
    PropertyAlias = "`alias` among the properties.",
    PropertyPath = "`path` among the properties.",
    PropertySet = "`$set` among the properties.",
    PropertySetOnce = "`$set_once` among the properties.",
    PropertyGroupType = "`$group_type` among the properties.",
    PropertyGroupKey = "`$group_key` among the properties.",
    PropertyGroupSet = "`$group_set` among the properties.",
    PropertyGroups = "`$groups` among the properties.",
    PropertyTimezone = "`$timezone` among the properties.",
    PropertyLocale = "`$locale` among the properties.",
    PropertyPathname = "`$pathname` among the properties.",
    PropertyScreenName = "`$screen_name` among the properties.",
}

/// The bits of the fields of `context`.
const CONTEXT: u64 = bits(Field::ContextLocale, bit(Field::PropertyDistinctId));
/// The bits of the properties with a meaning of their own.
const SPECIALS: u64 = bits(Field::PropertyDistinctId, 1 << FIELDS);

/// The properties with a meaning of their own in some shape, by name.
pub(super) const SPECIAL: [(&str, Field); FIELDS - Field::PropertyDistinctId as usize] = [
    ("distinct_id", Field::PropertyDistinctId),
    ("token", Field::PropertyToken),
    ("alias", Field::PropertyAlias),
    ("path", Field::PropertyPath),
    ("$set", Field::PropertySet),
    ("$set_once", Field::PropertySetOnce),
    ("$group_type", Field::PropertyGroupType),
    ("$group_key", Field::PropertyGroupKey),
    ("$group_set", Field::PropertyGroupSet),
    ("$groups", Field::PropertyGroups),
    ("$timezone", Field::PropertyTimezone),
    ("$locale", Field::PropertyLocale),
    ("$pathname", Field::PropertyPathname),
    ("$screen_name", Field::PropertyScreenName),
];

/// The property of a name, if it has a meaning of its own.
fn special(name: &str) -> Option<Field> {
    // Most properties are none of these, which their first letter tells.
    if !matches!(name.as_bytes().first(), Some(b'$' | b'd' | b't' | b'a' | b'p')) {
        return None;
    }
    SPECIAL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

/// Fields that stand in place: more than nearly all events have.
const FOUND: usize = 16;

/// The members of one event.
///
/// There are many fields and each event has few of them, so those it has stand side by side, and an
/// empty item is made by clearing one byte for each.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// A bit for each field that is there.
    present: u64,
    /// Where each field stands among those found, from 1; 0 for those that never came.
    places: [u8; FIELDS],
    count: u8,
    found: [Raw<'a>; FOUND],
    /// Those that found no room.
    more: Vec<Raw<'a>>,
}

impl Default for Item<'_> {
    fn default() -> Self {
        Self {
            present: 0,
            places: [0; FIELDS],
            count: 0,
            found: [Raw::Absent; FOUND],
            more: Vec::new(),
        }
    }
}

impl<'a> Item<'a> {
    /// A field, as it stands in the text.
    #[inline(always)]
    pub(super) fn get(&self, field: Field) -> Raw<'a> {
        if self.has(field) { self.found_at(field) } else { Raw::Absent }
    }

    #[inline]
    fn found_at(&self, field: Field) -> Raw<'a> {
        let place = self.places.get(field as usize).copied().unwrap_or_default();
        let index = usize::from(place).wrapping_sub(1);
        let found = self.found.get(index).or_else(|| self.more.get(index.wrapping_sub(FOUND)));
        found.copied().unwrap_or_default()
    }

    /// Whether a field is there, whatever it is.
    #[inline(always)]
    pub(super) fn has(&self, field: Field) -> bool {
        self.present & bit(field) != 0
    }

    /// Keeps a field; the last of one name wins.
    #[inline]
    pub(super) fn put(&mut self, field: Field, raw: Raw<'a>) {
        let Some(place) = self.places.get_mut(field as usize) else { return };
        self.present |= bit(field);
        if *place == 0 {
            // Fields are far fewer than 255, and none is counted twice.
            self.count = self.count.wrapping_add(1);
            *place = self.count;
        }
        let index = usize::from(*place).wrapping_sub(1);
        if FOUND <= index {
            self.make_more();
        }
        // One place to write to, so that what is written comes straight from registers.
        let found = self.found.get_mut(index);
        if let Some(found) = found.or_else(|| self.more.get_mut(index.wrapping_sub(FOUND))) {
            *found = raw;
        }
    }

    #[cold]
    fn make_more(&mut self) {
        self.more.resize(FIELDS - FOUND, Raw::Absent);
    }

    /// Forgets some fields: what they stand in comes again, and replaces all of it.
    ///
    /// Their places stay theirs, so that there are no more of them, however often they come.
    const fn forget(&mut self, fields: u64) {
        self.present &= !fields;
    }
}

/// The bit of a field. There are fewer than 64.
const fn bit(field: Field) -> u64 {
    1 << field as u32
}

/// The bits of all fields from one on, up to but not including another.
const fn bits(from: Field, upto: u64) -> u64 {
    upto - bit(from)
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

    /// Takes the value of one property that is a text without escapes.
    fn text(&mut self, wanted: Self::Wanted, text: Between<'a>, item: &mut Item<'a>);

    /// Passes the value of one property.
    fn property(
        &mut self,
        wanted: Self::Wanted,
        scanner: &mut Scanner<'a>,
        item: &mut Item<'a>,
    ) -> Result<(), Fault>;

    /// Forgets all: a later object of properties replaces the one before.
    fn restart(&mut self);
}

/// Properties are only checked, and those with a meaning of their own kept.
#[derive(Debug)]
pub(super) struct SpecialsOnly;

impl<'a> Sink<'a> for SpecialsOnly {
    type Wanted = Option<Field>;
    type Words = ();

    fn words(&self) {}

    fn wanted((): (), key: &str) -> Option<Field> {
        special(key)
    }

    fn text(&mut self, wanted: Option<Field>, text: Between<'a>, item: &mut Item<'a>) {
        if let Some(field) = wanted {
            item.put(field, text.raw());
        }
    }

    #[inline]
    fn property(
        &mut self,
        wanted: Option<Field>,
        scanner: &mut Scanner<'a>,
        item: &mut Item<'a>,
    ) -> Result<(), Fault> {
        match wanted {
            Some(field) => item.put(field, scanner.value()?),
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
    Field(Field),
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
        scanner.object_along(top, &mut Top { item: self, sink, tracks: (context, properties) })
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
                self.put(field, scanner.value()?);
                Ok(())
            }
            Member::Properties => {
                let track = properties.get_mut(self.place_of_properties());
                let raw = match track {
                    Some(track) => self.pass_properties(scanner, sink, track)?,
                    None => scanner.value()?,
                };
                self.put(Field::Properties, raw);
                Ok(())
            }
            Member::Context => self.pass_context(scanner, context),
            Member::Unknown => scanner.skip(),
        }
    }

    /// Which track the properties of an event of this name follow.
    fn place_of_properties(&self) -> usize {
        let Raw::Text(Text::Plain(name)) = self.get(Field::Event) else { return 0 };
        let at = |index: usize| name.as_bytes().get(index).copied().map_or(0, usize::from);
        let mix = name.len() + 3 * at(0) + 5 * at(name.len() / 2);
        (mix ^ (mix >> 4)) % NAMES_APART
    }

    /// Forgets the properties there were.
    fn begin_properties<S: Sink<'a>>(&mut self, sink: &mut S) {
        if self.has(Field::Properties) {
            sink.restart();
            self.forget(SPECIALS);
        }
    }

    /// Passes an object of properties, or whatever stands in its place.
    fn pass_properties<S: Sink<'a>>(
        &mut self,
        scanner: &mut Scanner<'a>,
        sink: &mut S,
        track: &mut Track<S::Wanted>,
    ) -> Result<Raw<'a>, Fault> {
        self.begin_properties(sink);
        if !scanner.at_object() {
            return scanner.value();
        }
        let from = scanner.position();
        scanner.object_along(track, &mut Properties { words: sink.words(), item: self, sink })?;
        Ok(Raw::Object(scanner.since(from)))
    }
}

/// Takes the members of an event.
struct Top<'t, 'a, S: Sink<'a>> {
    item: &'t mut Item<'a>,
    sink: &'t mut S,
    tracks: (&'t mut Track<ContextMember>, &'t mut [Track<S::Wanted>; NAMES_APART]),
}

impl<'a, S: Sink<'a>> Members<'a> for Top<'_, 'a, S> {
    type What = Member;

    fn name(&self, key: &str) -> Member {
        Member::of(key)
    }

    #[inline]
    fn text(&mut self, what: Member, text: Between<'a>) {
        match what {
            Member::Field(field) => self.item.put(field, text.raw()),
            Member::Properties => {
                self.item.begin_properties(self.sink);
                self.item.put(Field::Properties, text.raw());
            }
            Member::Context => self.item.forget(CONTEXT),
            Member::Unknown => {}
        }
    }

    #[inline]
    fn value(&mut self, what: Member, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let (context, properties) = &mut self.tracks;
        self.item.member(what, scanner, self.sink, (context, properties))
    }
}

/// Takes the properties of an event.
struct Properties<'t, 'a, S: Sink<'a>> {
    words: S::Words,
    item: &'t mut Item<'a>,
    sink: &'t mut S,
}

impl<'a, S: Sink<'a>> Members<'a> for Properties<'_, 'a, S> {
    type What = S::Wanted;

    fn name(&self, key: &str) -> S::Wanted {
        S::wanted(self.words, key)
    }

    #[inline]
    fn text(&mut self, what: S::Wanted, text: Between<'a>) {
        self.sink.text(what, text, self.item);
    }

    #[inline]
    fn value(&mut self, what: S::Wanted, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        self.sink.property(what, scanner, self.item)
    }
}

/// Takes the members of an event's context.
struct Context<'t, 'a>(&'t mut Item<'a>);

impl<'a> Members<'a> for Context<'_, 'a> {
    type What = ContextMember;

    fn name(&self, key: &str) -> ContextMember {
        ContextMember::of(key)
    }

    #[inline]
    fn text(&mut self, what: ContextMember, text: Between<'a>) {
        match what {
            ContextMember::Field(field) => self.0.put(field, text.raw()),
            ContextMember::Device => self.0.forget(bit(Field::ContextPushToken)),
            ContextMember::Unknown => {}
        }
    }

    #[inline]
    fn value(&mut self, what: ContextMember, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        match what {
            ContextMember::Field(field) => self.0.put(field, scanner.value()?),
            ContextMember::Device => {
                self.0.forget(bit(Field::ContextPushToken));
                self.0.pass_device(scanner)?;
            }
            ContextMember::Unknown => scanner.skip()?,
        }
        Ok(())
    }
}

impl Member {
    /// What a key means. Names are sorted by length first, so that few are compared.
    fn of(key: &str) -> Self {
        Self::Field(match key.len() {
            2 => match key {
                "id" => Field::Id,
                "at" => Field::At,
                _ => return Self::Unknown,
            },
            4 => match key {
                "type" => Field::Type,
                "name" => Field::Name,
                "uuid" => Field::Uuid,
                "with" => Field::With,
                "time" => Field::Time,
                "data" => Field::Data,
                "$set" => Field::Set,
                _ => return Self::Unknown,
            },
            5 if key == "event" => Field::Event,
            6 => match key {
                "userId" => Field::UserId,
                "traits" => Field::Traits,
                "sentAt" => Field::SentAt,
                "source" => Field::Source,
                _ => return Self::Unknown,
            },
            7 => match key {
                "context" => return Self::Context,
                "groupId" => Field::GroupId,
                "subject" => Field::Subject,
                _ => return Self::Unknown,
            },
            8 => match key {
                "customer" => Field::Customer,
                "category" => Field::Category,
                _ => return Self::Unknown,
            },
            9 => match key {
                "timestamp" => Field::Timestamp,
                "messageId" => Field::MessageId,
                "broadcast" => Field::Broadcast,
                "$set_once" => Field::SetOnce,
                _ => return Self::Unknown,
            },
            10 if key == "properties" => return Self::Properties,
            10 if key == "previousId" => Field::PreviousId,
            11 => match key {
                "anonymousId" => Field::AnonymousId,
                "distinct_id" => Field::DistinctId,
                "specversion" => Field::SpecVersion,
                "data_base64" => Field::DataBase64,
                _ => return Self::Unknown,
            },
            12 if key == "integrations" => Field::Integrations,
            17 if key == "originalTimestamp" => Field::OriginalTimestamp,
            _ => return Self::Unknown,
        })
    }
}

impl ContextMember {
    fn of(key: &str) -> Self {
        Self::Field(match key {
            "locale" => Field::ContextLocale,
            "timezone" => Field::ContextTimezone,
            "groupId" => Field::ContextGroupId,
            "traits" => Field::ContextTraits,
            "active" => Field::ContextActive,
            "device" => return Self::Device,
            _ => return Self::Unknown,
        })
    }
}

impl<'a> Item<'a> {
    fn pass_context(
        &mut self,
        scanner: &mut Scanner<'a>,
        track: &mut Track<ContextMember>,
    ) -> Result<(), Fault> {
        self.forget(CONTEXT);
        if !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object_along(track, &mut Context(self))
    }

    fn pass_device(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(|scanner, key| match key {
            "token" => {
                self.put(Field::ContextPushToken, scanner.value()?);
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
        for (name, field) in SPECIAL {
            assert_eq!(special(name), Some(field), "{name}");
            assert_ne!(SPECIALS & bit(field), 0, "{name}");
        }
        assert_eq!(special("total"), None);
        assert_eq!(special("paths"), None);
    }
}
