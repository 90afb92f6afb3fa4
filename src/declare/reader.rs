//! Models that read texts: from the words of their files to readers.

use std::sync::Arc;

use super::classifier::Learning;
use super::fault::{Extent, Located, Text};
use super::read::{Faults, OneOrMany};
use super::scalar::{Whole, Words};
use super::suggest;
use super::symbols::{KnownText, Symbols};
use super::words::model::{Model as Raw, TypeWord};
use crate::engine::fitted_text::TextContent;
use crate::engine::model::{NAME_BYTES_MAX, TextModel};
use crate::engine::reading::{Asked, Length, Reader, Reads, Said, TextLeast, TextTerms};

/// Classes of a model that reads texts, at most.
const CLASSES_MAX: usize = 128;
/// Events, and properties of one event, that a model reads, at most.
const READS_MAX: usize = 64;
/// Characters of a text that are read, at most.
const CHARACTERS_MAX: u32 = 2_000;
/// Pieces shown as reasons unless the file says otherwise, and at most.
const REASONS: (usize, usize) = (5, 50);
/// How likely a class must be to be named unless the file says otherwise.
const SURE: f64 = 0.5;
/// Different texts of the rarest class that are needed unless the file says otherwise.
const LABELS: u64 = 50;
/// The fewest that can be asked for: some of each class must judge.
const LABELS_MIN: u64 = 10;

/// What conditions may ask of a model; `None` for one that reads no texts.
pub(crate) fn known(raw: &Raw) -> Option<KnownText> {
    if raw.r#type.0.as_ref()?.value != TypeWord::Text {
        return None;
    }
    let classes = raw.classes.iter().flat_map(|classes| &classes.all);
    let reads = raw.reads.iter().flat_map(|reads| &reads.0);
    Some(KnownText {
        name: Arc::from(&*raw.model.0.as_ref()?.text),
        classes: classes.map(|(name, _)| Arc::from(&*name.text)).collect(),
        reads: reads.map(|(event, _)| event.text.clone()).collect(),
    })
}

/// Checks one model that reads texts. What is asked of it must be known by now.
pub(crate) fn build(
    raw: &Raw,
    text: &Text,
    (learning, fitted): (Learning<'_>, Option<&Text>),
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Reader> {
    let name = raw.model.0.as_ref()?;
    let before = faults.list.len();
    spellable(&name.text, name.extent, "model", faults);
    let lesson = lesson(raw, faults);
    let sure = sure(raw, faults);
    let length = length(raw, faults);
    let asked = asked(raw, symbols);
    let reads = reads(raw, &asked, symbols, faults);
    if before < faults.list.len() {
        return None;
    }
    let (lesson, reads) = (lesson?, reads?);
    let about = raw.about.0.as_ref()?.text.clone();
    let classes = raw.classes.iter().flat_map(|classes| &classes.all);
    let classes: Box<[Arc<str>]> = classes.map(|(name, _)| Arc::from(&*name.text)).collect();
    let is_asked = asked.likeliest.is_some() || !asked.chances.is_empty();
    let learned = match (learning, fitted) {
        // What was learned before must not be in the way of what is learned now.
        (Learning::Model(wanted), _) if wanted == &*name.text => None,
        (_, Some(fitted)) => learned(fitted, &name.text, &classes, &lesson, faults),
        (_, None) => {
            if is_asked && learning == Learning::Nothing {
                let message =
                    format!("`{}` has learned nothing yet: what it says is missing", name.text);
                let help =
                    format!("bring labelled texts: `heedful train {} --rows FILE`", name.text);
                faults.warning("W007", name.extent, message, help);
            }
            None
        }
    };
    let reasons = raw.explain.as_ref().and_then(|explain| explain.reasons.as_ref());
    let reasons = reasons.and_then(|most| usize::try_from(most.0).ok()).unwrap_or(REASONS.0);
    Some(Reader {
        name: Arc::from(&*name.text),
        version: super::hash(&text.text),
        about,
        classes,
        reads,
        sure,
        length,
        reasons: reasons.min(REASONS.1),
        asked,
        learned,
        lesson,
    })
}

/// What was learned, if it was learned for this very model and may speak.
fn learned(
    text: &Text,
    name: &str,
    classes: &[Arc<str>],
    lesson: &TextTerms,
    faults: &mut Faults<'_>,
) -> Option<TextModel> {
    // Its faults stand in the file of what was learned, not in that of the model.
    let mut faults = Faults { text, list: &mut *faults.list };
    let mut refuse = |why: String| {
        let help = "learn it again: `heedful train`; or remove the file".to_owned();
        faults.error("E080", Extent::default(), why, help);
        None
    };
    let content = match TextContent::parse(&text.text) {
        Ok(content) => content,
        Err(why) => return refuse(why.to_string()),
    };
    if !content.is_for(classes) || *content.definition != *lesson.definition {
        return refuse("it was learned for another definition of this model".to_owned());
    }
    let misses = lesson.least.misses(&content.quality);
    if misses.is_empty() {
        return Some(content.text);
    }
    // The terms have become stricter since it was learned.
    let message = format!("what was learned for `{name}` may not speak: {}", misses.join("; "));
    let help = "learn it again: `heedful train`; or change `refuse_below`".to_owned();
    faults.warning("W006", Extent::default(), message, help);
    None
}

/// The properties that other files ask for.
fn asked(raw: &Raw, symbols: &Symbols) -> Asked {
    let Some(name) = &raw.model.0 else { return Asked::default() };
    let classes = raw.classes.iter().flat_map(|classes| &classes.all).enumerate();
    let chance = |(place, (class, _)): (usize, &(Words, _))| {
        let slot = symbols.find_property(&format!("{}.{}", name.text, class.text))?;
        Some((place, slot))
    };
    Asked {
        likeliest: symbols.find_property(&name.text),
        chances: classes.filter_map(chance).collect(),
    }
}

/// Where texts lie. Nothing is looked for in events that nobody asks for.
fn reads(
    raw: &Raw,
    asked: &Asked,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Box<[Reads]>> {
    let Some(reads) = raw.reads.as_ref().filter(|reads| !reads.0.is_empty()) else {
        let help = "say where texts lie: `reads: {Ticket Created: body}`".to_owned();
        faults.lacks(raw, "E003", "`reads` is missing here", help);
        return None;
    };
    let most = reads.0.iter().map(|(_, OneOrMany(own))| own.len()).max().unwrap_or(0);
    if READS_MAX < reads.0.len().max(most) {
        let message = format!("more than {READS_MAX} texts are read here");
        faults.error("E070", raw.extent, message, None);
    }
    for word in reads.0.iter().flat_map(|(_, OneOrMany(own))| own) {
        let first = word.text.split('.').next().unwrap_or_default();
        if let Some(bare) = word.text.strip_prefix("event.") {
            let message = "a property is named without `event.` here";
            faults.error("E013", word.extent, message, format!("write `{bare}`"));
        } else if symbols.texts.iter().any(|known| *known.name == *first) {
            let message = format!("`{}` is what a model gives, not what it reads", word.text);
            faults.error("E007", word.extent, message, None);
        } else if word.text.trim().is_empty() {
            faults.error("E003", word.extent, "nothing is written here", None);
        }
    }
    if asked.likeliest.is_none() && asked.chances.is_empty() {
        return Some(Box::default());
    }
    let built = reads.0.iter().map(|(event, OneOrMany(properties))| Reads {
        event: symbols.event(&event.text),
        properties: properties.iter().map(|word| symbols.property(&word.text)).collect(),
    });
    Some(built.collect())
}

/// How it is learned.
fn lesson(raw: &Raw, faults: &mut Faults<'_>) -> Option<TextTerms> {
    let said = said(raw, faults);
    let learn = raw.learn.as_ref();
    let columns = learn.and_then(|learn| learn.columns.as_ref());
    let column = |word: Option<&Words>, usual: &str| -> Box<str> {
        word.map_or_else(|| usual.into(), |word| word.text.trim().into())
    };
    let text = column(columns.and_then(|columns| columns.text.as_ref()), "text");
    let label = column(columns.and_then(|columns| columns.label.as_ref()), "label");
    if let Some(columns) = columns.filter(|_| text == label) {
        let message = format!("`{text}` cannot be both text and label");
        faults.error("E007", columns.extent, message, None);
    }
    let least = least(raw, faults);
    let said = said?;
    Some(TextTerms { definition: definition(raw, &said), text, label, said, least })
}

/// What labels say for each class.
fn said(raw: &Raw, faults: &mut Faults<'_>) -> Option<Box<[Said]>> {
    let Some(classes) = &raw.classes else {
        let help = "say what a text may be: `classes: [content, upset]`".to_owned();
        faults.lacks(raw, "E003", "`classes` are missing here", help);
        return None;
    };
    let before = faults.list.len();
    let count = classes.all.len();
    if !(2..=CLASSES_MAX).contains(&count) {
        let message = format!("a text is one of 2 to {CLASSES_MAX} classes, not of {count}");
        faults.error("E005", classes.extent, message, None);
    }
    let mut names: Vec<&str> = Vec::new();
    let mut labels: Vec<(&str, &str)> = Vec::new();
    for (name, said) in &classes.all {
        spellable(&name.text, name.extent, "class", faults);
        if names.contains(&&*name.text) {
            faults.error("E040", name.extent, format!("`{}` is here twice", name.text), None);
        }
        names.push(&name.text);
        for word in said {
            let label = word.text.trim();
            if let Some((_, other)) = labels.iter().find(|(known, _)| *known == label) {
                let message = format!("rows with `{label}` would be `{other}` already");
                faults.error("E007", word.extent, message, None);
            }
            labels.push((label, &name.text));
        }
    }
    let own = |(_, said): &(Words, Vec<Words>)| {
        said.iter().map(|word| Box::from(word.text.trim())).collect()
    };
    (before == faults.list.len()).then(|| classes.all.iter().map(own).collect())
}

/// Names stand in conditions, where `-` would be a minus and `.` a member.
fn spellable(name: &str, extent: Extent, what: &str, faults: &mut Faults<'_>) {
    let mut letters = name.chars();
    let is_first = letters.next().is_some_and(|first| first.is_ascii_lowercase());
    let is_letter =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if is_first && letters.all(is_letter) && name.len() <= NAME_BYTES_MAX {
        return;
    }
    let mut better: String = name
        .chars()
        .take(NAME_BYTES_MAX)
        .flat_map(char::to_lowercase)
        .map(|letter| if is_letter(letter) { letter } else { '_' })
        .collect();
    better = better.trim_matches('_').to_owned();
    let starts = better.starts_with(|first: char| first.is_ascii_lowercase());
    let better = if starts { better } else { format!("a_{better}") };
    let message =
        format!("`{name}` cannot be the name of a {what} that conditions ask about texts");
    let better = better.trim_end_matches('_');
    let mut help = format!("use lower-case letters, digits and `_`: `{better}`");
    if what == "class" {
        help.push_str(&format!("; and say what rows say for it: `{{{better}: {name}}}`"));
    }
    faults.error("E005", extent, message, help);
}

fn least(raw: &Raw, faults: &mut Faults<'_>) -> TextLeast {
    let mut least = TextLeast { accuracy: 0.0, labels: LABELS, calibration_error_at_most: 1.0 };
    let learn = raw.learn.as_ref();
    let Some(words) = learn.and_then(|learn| learn.refuse_below.as_ref()) else { return least };
    let parts = [
        ("accuracy", words.accuracy),
        ("calibration_error_at_most", words.calibration_error_at_most),
    ];
    for (name, number) in parts {
        if number.is_some_and(|number| !(0.0..=1.0).contains(&number)) {
            faults.error("E005", words.extent, format!("`{name}` is from 0 to 1"), None);
        }
    }
    least.accuracy = words.accuracy.unwrap_or(least.accuracy);
    least.calibration_error_at_most =
        words.calibration_error_at_most.unwrap_or(least.calibration_error_at_most);
    if let Some(labels) = &words.labels {
        least.labels = u64::from(labels.0);
        if least.labels < LABELS_MIN {
            let message =
                format!("from fewer than {LABELS_MIN} texts of a class nothing is learned");
            faults.error("E005", words.extent, message, None);
        }
    }
    least
}

fn sure(raw: &Raw, faults: &mut Faults<'_>) -> f64 {
    let Some(Located { value, extent }) = &raw.sure else { return SURE };
    if !(0.0..=1.0).contains(value) {
        faults.error("E005", *extent, "`sure` is a chance, from 0 to 1", None);
    }
    *value
}

fn length(raw: &Raw, faults: &mut Faults<'_>) -> Length {
    let words = raw.characters.as_ref();
    let least = words.and_then(|words| words.at_least.as_ref());
    let most = words.and_then(|words| words.at_most.as_ref());
    let bounded = |word: &Located<Whole>, faults: &mut Faults<'_>| {
        if !(1..=CHARACTERS_MAX).contains(&word.value.0) {
            let message = format!("from 1 to {CHARACTERS_MAX} characters of a text are read");
            faults.error("E005", word.extent, message, None);
        }
        word.value.0
    };
    let length = Length {
        least: least.map_or(1, |least| bounded(least, faults)),
        most: most.map_or(CHARACTERS_MAX, |most| bounded(most, faults)),
    };
    if let Some(least) = least.filter(|_| length.most < length.least) {
        let message = "no text is that long: `at_most` is less".to_owned();
        faults.error("E007", least.extent, message, None);
    }
    length
}

/// Everything by which a row would mean something else, as one hash.
fn definition(raw: &Raw, said: &[Said]) -> Arc<str> {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    };
    let names = raw.classes.iter().flat_map(|classes| &classes.all);
    for ((name, _), said) in names.zip(said) {
        add(&name.text);
        add(&said.len().to_string());
        said.iter().for_each(|label| add(label));
    }
    let number = |word: Option<&Located<Whole>>| {
        word.map(|word| word.value.0.to_string()).unwrap_or_default()
    };
    let words = raw.characters.as_ref();
    add(&number(words.and_then(|words| words.at_least.as_ref())));
    add(&number(words.and_then(|words| words.at_most.as_ref())));
    super::hash(&text)
}

/// What is meant by a class that a model does not have.
pub(crate) fn no_class(known: &KnownText, written: &str) -> (String, Option<String>) {
    let help = suggest::help(written, known.classes.iter().map(|class| &**class));
    (format!("model `{}` has no class `{written}`", known.name), help)
}

#[cfg(test)]
mod tests;
