//! What an event says, once its shape has been understood: a name, traits, further properties.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::item::{Field, Item};
use super::json::{Raw, Scanner};
use super::judge::{NAME_BYTES_MAX, has_control};
use super::record::{Call, Shape};
use super::refusal::{Refusal, Refused};
use super::{cloudevent, own, posthog, segment};

/// Most traits that one event may set.
pub const TRAITS_MAX: usize = 500;
/// Largest trait, in bytes of JSON: traits stay in memory.
pub const TRAIT_BYTES_MAX: usize = 16 * 1_024;
/// The event that carries a score computed elsewhere.
pub const SCORE_UPDATED: &str = "Score Updated";

/// The name of an event.
#[derive(Clone, Debug, Default)]
pub(super) enum Name<'a> {
    /// It only sets traits.
    #[default]
    Nothing,
    /// As given.
    Event(Cow<'a, str>),
    /// A page or screen view.
    View {
        /// Which of both.
        call: Call,
        /// Its name, where it has one.
        name: Option<Cow<'a, str>>,
        /// Its path, where it has one.
        path: Raw<'a>,
    },
}

/// What an event says.
#[derive(Clone, Debug, Default)]
pub(super) struct Content<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Traits that stand alone, the later of one name wins.
    pub singles: SmallVec<[(&'static str, Raw<'a>); 4]>,
    /// Objects of traits; they win over those that stand alone, and the later over the earlier.
    pub traits: SmallVec<[&'a str; 2]>,
    /// An object of traits set only where nothing is known.
    pub once: Option<&'a str>,
    /// Properties beside the object of properties, which wins.
    pub beside: SmallVec<[(&'static str, Raw<'a>); 3]>,
    /// An object of properties that the scan has not seen as such.
    pub late: Option<&'a str>,
}

impl<'a> Content<'a> {
    /// The name of an alias call. Nothing is merged yet: the event only stands on the timeline,
    /// with the other id in its property `previousId`.
    pub(super) const ALIASED: &'static str = "Aliased";

    /// Reads what an event says. It is filled where it stands, because it is large.
    pub(super) fn read(
        &mut self,
        item: &Item<'a>,
        shape: Shape,
        call: Call,
    ) -> Result<(), Refusal> {
        match shape {
            Shape::Segment => segment::content(item, call, self),
            Shape::PostHog => posthog::content(item, call, self),
            Shape::CloudEvent => cloudevent::content(item, self),
            Shape::Own => own::content(item, call, self),
        }
    }

    /// Adds a trait that stands alone, if it is a text worth keeping.
    #[inline]
    pub(super) fn single(&mut self, name: &'static str, raw: Raw<'a>) {
        if let Raw::Text(text) = raw
            && !text.is_empty()
        {
            self.singles.push((name, raw));
        }
    }

    /// Adds an object of traits.
    #[inline]
    pub(super) fn traits(&mut self, raw: Raw<'a>, field: &'static str) -> Result<(), Refusal> {
        if let Some(json) = object(raw, field, Refused::BadTraits)? {
            self.traits.push(json);
        }
        Ok(())
    }

    /// Adds traits set only where nothing is known.
    pub(super) fn once(&mut self, raw: Raw<'a>, field: &'static str) -> Result<(), Refusal> {
        self.once = object(raw, field, Refused::BadTraits)?;
        Ok(())
    }

    /// Adds what is known of the account, as one trait.
    pub(super) fn group(&mut self, raw: Raw<'a>) -> Result<(), Refusal> {
        if object(raw, "traits", Refused::BadTraits)?.is_some() {
            self.singles.push(("group", raw));
        }
        Ok(())
    }

    /// Adds a property that stands beside the object of properties.
    #[inline]
    pub(super) fn property(&mut self, name: &'static str, raw: Raw<'a>) {
        if !matches!(raw, Raw::Absent | Raw::Null) {
            self.beside.push((name, raw));
        }
    }

    /// Checks what stands where an object of properties belongs.
    pub(super) fn check_properties(&self, raw: Raw<'a>) -> Result<(), Refusal> {
        object(raw, "properties", Refused::BadProperties).map(drop)
    }

    /// Adds an object of properties that the scan has not seen as such.
    pub(super) fn late_properties(
        &mut self,
        raw: Raw<'a>,
        field: &'static str,
    ) -> Result<(), Refusal> {
        self.late = object(raw, field, Refused::BadProperties)?;
        Ok(())
    }

    /// Checks what could not be kept later.
    pub(super) fn check(&self, item: &Item<'a>) -> Result<(), Refusal> {
        let mut count = self.singles.len();
        for json in self.traits.iter().copied().chain(self.once) {
            count += check_traits(json)?;
        }
        for (name, raw) in &self.singles {
            check_trait(name, size_of(*raw))?;
        }
        if TRAITS_MAX < count {
            let what = format!("the event sets {count} traits, at most {TRAITS_MAX} are taken");
            return Err(Refusal::new(Refused::BadTraits, what));
        }
        self.score(item).map(drop)
    }

    /// The model and value of a score update; `None` for any other event.
    pub(super) fn score(&self, item: &Item<'a>) -> Result<Option<(Cow<'a, str>, f64)>, Refusal> {
        match &self.name {
            Name::Event(name) if name == SCORE_UPDATED => {}
            Name::Event(_) | Name::Nothing | Name::View { .. } => return Ok(None),
        }
        let json = match (self.late, item.get(Field::Properties)) {
            (Some(json), _) | (None, Raw::Object(json)) => json,
            _ => "{}",
        };
        let (mut model, mut score) = (Raw::Absent, Raw::Absent);
        Scanner::new(json).object(|scanner, key| {
            match key {
                "model" => model = scanner.value()?,
                "score" => score = scanner.value()?,
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        match (model, score) {
            (Raw::Text(model), Raw::Num(score)) => Ok(Some((model.decode(), score))),
            _ => Err(Refusal::new(
                Refused::BadScore,
                "`Score Updated` needs the properties `model` (a text) and `score` (a number)",
            )),
        }
    }
}

/// The object that stands there; `None` for nothing. Some senders write an empty object as `[]`.
#[inline]
fn object<'a>(
    raw: Raw<'a>,
    field: &'static str,
    reason: Refused,
) -> Result<Option<&'a str>, Refusal> {
    match raw {
        Raw::Object(json) => Ok(Some(json)),
        Raw::Absent | Raw::Null => Ok(None),
        other => no_object(other, field, reason).map(|()| None),
    }
}

fn no_object(raw: Raw<'_>, field: &'static str, reason: Refused) -> Result<(), Refusal> {
    match raw {
        Raw::List(json)
            if json.bytes().all(|byte| !byte.is_ascii_graphic() || b"[]".contains(&byte)) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(reason, format!("`{field}` must be an object"))),
    }
}

fn check_traits(json: &str) -> Result<usize, Refusal> {
    let mut count = 0;
    let mut bad = None;
    Scanner::new(json).object(|scanner, key| {
        count += 1;
        scanner.more();
        let from = scanner.position();
        scanner.skip()?;
        if bad.is_none() {
            bad = check_trait(key, scanner.since(from).len()).err();
        }
        Ok(())
    })?;
    bad.map_or(Ok(count), Err)
}

fn check_trait(name: &str, bytes: usize) -> Result<(), Refusal> {
    let what = if name.is_empty() || NAME_BYTES_MAX < name.len() || has_control(name) {
        format!("a trait's name must have 1 to {NAME_BYTES_MAX} bytes and no control characters")
    } else if TRAIT_BYTES_MAX < bytes {
        format!("the trait `{name}` has {bytes} bytes, at most {TRAIT_BYTES_MAX} are taken")
    } else {
        return Ok(());
    };
    Err(Refusal::new(Refused::BadTraits, what))
}

fn size_of(raw: Raw<'_>) -> usize {
    match raw {
        Raw::List(json) | Raw::Object(json) => json.len(),
        Raw::Text(text) => text.len(),
        Raw::Absent | Raw::Null | Raw::True | Raw::False | Raw::Num(_) => 0,
    }
}
