//! One event as its sender laid it out: the members that any shape gives a meaning, still raw.
//!
//! All shapes are scanned by the same code, because their names do not collide: what a member
//! means is judged afterwards, by the module of the shape.

use super::json::{Fault, Raw, Scanner};

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
    /// Passes the value of one property.
    fn property(
        &mut self,
        key: &str,
        scanner: &mut Scanner<'a>,
        special: &mut Specials<'a>,
    ) -> Result<(), Fault>;

    /// Forgets all: a later object of properties replaces the one before.
    fn restart(&mut self);
}

/// Keeps nothing but the special properties: what the judgement on arrival needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpecialsOnly;

impl<'a> Sink<'a> for SpecialsOnly {
    fn property(
        &mut self,
        key: &str,
        scanner: &mut Scanner<'a>,
        special: &mut Specials<'a>,
    ) -> Result<(), Fault> {
        match Special::find(key) {
            Some(found) => special.set(found, scanner.value()?),
            None => scanner.skip()?,
        }
        Ok(())
    }

    fn restart(&mut self) {}
}

impl<'a> Item<'a> {
    /// Passes one object. The item is filled where it stands, because it is large.
    pub(super) fn scan(
        &mut self,
        scanner: &mut Scanner<'a>,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), Fault> {
        scanner.object(|scanner, key| self.member(key, scanner, sink))
    }

    /// Passes one member.
    pub(super) fn member(
        &mut self,
        key: &str,
        scanner: &mut Scanner<'a>,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), Fault> {
        if key == "properties" {
            self.properties = self.pass_properties(scanner, sink)?;
            return Ok(());
        }
        if key == "context" {
            return self.context.scan(scanner);
        }
        let Some(field) = self.field(key) else { return scanner.skip() };
        *field = scanner.value()?;
        Ok(())
    }

    /// The field of a member. Names are sorted by length first, so that few are compared.
    fn field(&mut self, key: &str) -> Option<&mut Raw<'a>> {
        Some(match key.len() {
            2 => match key {
                "id" => &mut self.id,
                "at" => &mut self.at,
                _ => return None,
            },
            4 => match key {
                "type" => &mut self.kind,
                "name" => &mut self.name,
                "uuid" => &mut self.uuid,
                "with" => &mut self.with,
                "time" => &mut self.time,
                "data" => &mut self.data,
                "$set" => &mut self.set,
                _ => return None,
            },
            5 if key == "event" => &mut self.event,
            6 => match key {
                "userId" => &mut self.user_id,
                "traits" => &mut self.traits,
                "sentAt" => &mut self.sent_at,
                "source" => &mut self.source,
                _ => return None,
            },
            7 => match key {
                "groupId" => &mut self.group_id,
                "subject" => &mut self.subject,
                _ => return None,
            },
            8 => match key {
                "customer" => &mut self.customer,
                "category" => &mut self.category,
                _ => return None,
            },
            9 => match key {
                "timestamp" => &mut self.timestamp,
                "messageId" => &mut self.message_id,
                "broadcast" => &mut self.broadcast,
                "$set_once" => &mut self.set_once,
                _ => return None,
            },
            10 if key == "previousId" => &mut self.previous_id,
            11 => match key {
                "anonymousId" => &mut self.anonymous_id,
                "distinct_id" => &mut self.distinct_id,
                "specversion" => &mut self.specversion,
                "data_base64" => &mut self.data_base64,
                _ => return None,
            },
            12 if key == "integrations" => &mut self.integrations,
            17 if key == "originalTimestamp" => &mut self.original_timestamp,
            _ => return None,
        })
    }

    /// Passes an object of properties, or whatever stands in its place.
    pub(super) fn pass_properties(
        &mut self,
        scanner: &mut Scanner<'a>,
        sink: &mut impl Sink<'a>,
    ) -> Result<Raw<'a>, Fault> {
        sink.restart();
        self.special = Specials::default();
        if !scanner.at_object() {
            return scanner.value();
        }
        let from = scanner.position();
        let special = &mut self.special;
        scanner.object(|scanner, key| sink.property(key, scanner, special))?;
        Ok(Raw::Object(scanner.since(from)))
    }
}

impl<'a> Context<'a> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        *self = Self::default();
        if !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(|scanner, key| {
            let field = match key {
                "locale" => &mut self.locale,
                "timezone" => &mut self.timezone,
                "groupId" => &mut self.group_id,
                "traits" => &mut self.traits,
                "active" => &mut self.active,
                "device" => {
                    self.push_token = Raw::Absent;
                    return self.device(scanner);
                }
                _ => return scanner.skip(),
            };
            *field = scanner.value()?;
            Ok(())
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
