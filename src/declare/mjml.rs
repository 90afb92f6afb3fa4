//! MJML in messages: HTML that mail programs show, made from it when files are loaded.
//!
//! The tags of templates are taken out before, and put back into the HTML after it. So what a customer
//! typed is never read as MJML: it is printed into HTML, escaped, as it is into `html:`, and can be no
//! element, no attribute and no include, whatever it holds. The other way round, template first, every
//! send would hang on what the parser makes of escaped text, and mistakes would be found by customers.

use std::ops::Range;

use mrml::prelude::parser::{Error, ParserOptions, WarningKind};
use mrml::prelude::render::RenderOptions;

use super::suggest;
use crate::engine::message::TEMPLATE_BYTES_MAX;

/// Elements inside of each other.
const DEPTH_MAX: usize = 64;
/// What MJML consists of.
const ELEMENTS: [&str; 32] = [
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
];
/// Elements of HTML that are never closed.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Elements in which nothing is an element.
const OPAQUE: [&str; 3] = ["mj-style", "script", "style"];
/// How a tag of a template is called while MJML is read; its number and an `x` follow.
const STAND_IN: &str = "heedfultag";

/// What is wrong with an MJML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Its bytes.
    pub(crate) at: Range<usize>,
    /// What.
    pub(crate) code: &'static str,
    /// What, in a sentence.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Wrong {
    fn new(at: Range<usize>, message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self { at, code: "E101", message: message.into(), help: help.into() }
    }
}

/// The HTML of an MJML text, with the tags of the template where they stood.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn html(source: &str) -> Result<String, Wrong> {
    let hidden = Hidden::new(source);
    let in_source = |wrong: Wrong| Wrong { at: hidden.in_source(&wrong.at), ..wrong };
    check(&hidden.text).map_err(in_source)?;
    // What the check does not see coming must not end the service that loads a file.
    let html = std::panic::catch_unwind(|| rendered(&hidden.text))
        .unwrap_or_else(|_| Err(Wrong::new(0..1, "the parser of MJML gives up on this", None)));
    let html = html.map_err(in_source)?;
    misplaced(&html, &hidden.text).map_err(in_source)?;
    hidden.put_back(&html)
}

/// What the crate makes of it.
fn rendered(text: &str) -> Result<String, Wrong> {
    // The loader of includes is the one that finds none.
    let parsed = mrml::parse_with_options(text, &ParserOptions::default());
    let parsed = parsed.map_err(|error| of_parser(&error, text))?;
    if let Some(warning) = parsed.warnings.first() {
        let what = match warning.kind {
            WarningKind::UnexpectedAttribute => "this attribute means nothing here",
            WarningKind::InlineStyleUnsupported => "styles are not written into elements",
        };
        let at = warning.span.start..warning.span.end;
        return Err(Wrong::new(at, what, "leave it out".to_owned()));
    }
    // No fonts of others, unless the text says so itself: whoever has them hears of each reader.
    let mut options = RenderOptions::default();
    options.fonts.clear();
    let html = parsed.element.render(&options);
    html.map_err(|error| Wrong::new(0..1, format!("no HTML comes of it: {error}"), None))
}

/// A `>` in a text, where the parser cuts a letter in two.
fn loose(text: &str, from: usize, to: usize) -> Result<(), Wrong> {
    let run = text.get(from..to).unwrap_or_default();
    match run.find('>') {
        Some(at) if !run.is_char_boundary(at.saturating_sub(2)) => {
            let help = "write `&gt;`".to_owned();
            Err(Wrong::new(from + at..from + at + 1, "this ends no element", help))
        }
        Some(_) | None => Ok(()),
    }
}

/// What stands where MJML does not look for it is left as it was, and no mail program knows it.
fn misplaced(html: &str, text: &str) -> Result<(), Wrong> {
    let Some((_, rest)) = html.split_once("<mj-") else { return Ok(()) };
    let name = format!("mj-{}", name_at(rest));
    let at = text.find(&format!("<{name}")).unwrap_or(0);
    let help =
        "what is not shown goes into the `<mj-head>`, all else into columns and what holds them";
    let message = format!("`{name}` has no place here");
    Err(Wrong::new(at..at + 1 + name.len(), message, help.to_owned()))
}

/// A tag of a template.
struct Tag<'s> {
    text: &'s str,
    at: usize,
}

/// A text in which words stand for the tags of its template.
struct Hidden<'s> {
    text: String,
    tags: Vec<Tag<'s>>,
    word: String,
    // Where stretches of the text begin, there and in the source.
    pieces: Vec<(usize, usize)>,
}

impl<'s> Hidden<'s> {
    fn new(source: &'s str) -> Self {
        let mut word = STAND_IN.to_owned();
        while source.contains(&word) {
            word.push('q');
        }
        let mut hidden = Self { text: String::new(), tags: Vec::new(), word, pieces: vec![(0, 0)] };
        let mut from = 0;
        while let Some(range) = next_tag(source, from) {
            hidden.text.push_str(source.get(from..range.start).unwrap_or_default());
            hidden.pieces.push((hidden.text.len(), range.start));
            hidden.text.push_str(&format!("{}{}x", hidden.word, hidden.tags.len()));
            from = range.end;
            hidden.pieces.push((hidden.text.len(), from));
            let text = source.get(range.clone()).unwrap_or_default();
            hidden.tags.push(Tag { text, at: range.start });
        }
        hidden.text.push_str(source.get(from..).unwrap_or_default());
        hidden
    }

    fn in_source(&self, at: &Range<usize>) -> Range<usize> {
        let one = |byte: usize| {
            let piece = self.pieces.partition_point(|(start, _)| *start <= byte).saturating_sub(1);
            let (start, source) = self.pieces.get(piece).copied().unwrap_or_default();
            let next = self.pieces.get(piece + 1).map_or(usize::MAX, |(_, source)| *source);
            (source + (byte - start)).min(next)
        };
        one(at.start)..one(at.end)
    }

    /// Puts the tags back. Each must be there, and those that steer in their order and once.
    fn put_back(&self, html: &str) -> Result<String, Wrong> {
        let mut whole = String::with_capacity(html.len());
        let mut seen = vec![false; self.tags.len()];
        let mut steering = Vec::new();
        let mut parts = html.split(&*self.word);
        whole.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (number, rest) = part.split_once('x').unwrap_or_default();
            let number = number.parse::<usize>().unwrap_or(usize::MAX);
            if let (Some(tag), Some(seen)) = (self.tags.get(number), seen.get_mut(number)) {
                *seen = true;
                whole.push_str(tag.text);
                whole.push_str(rest);
                steering.extend(tag.text.starts_with("{%").then_some(number));
            }
            if TEMPLATE_BYTES_MAX < whole.len() {
                break;
            }
        }
        if TEMPLATE_BYTES_MAX < whole.len() {
            let message = format!("its HTML has more than {TEMPLATE_BYTES_MAX} bytes");
            return Err(Wrong { code: "E104", ..Wrong::new(0..1, message, None) });
        }
        let lost = self.tags.iter().zip(&seen).find(|(tag, seen)| !**seen && !tag.is_comment());
        if let Some((tag, _)) = lost {
            let help = "values go into texts and into attributes that take any text; `{% .. %}` around elements \
                        goes into an `<mj-raw>`";
            let message = format!("`{}` is lost when this becomes HTML", tag.text);
            return Err(Wrong::new(tag.range(), message, help.to_owned()));
        }
        let steers = |tag: &Tag<'_>| tag.text.starts_with("{%");
        let wanted = self.tags.iter().enumerate().filter(|(_, tag)| steers(tag));
        let moved = wanted.zip(steering.iter().copied().chain(std::iter::repeat(usize::MAX)));
        let moved = moved.into_iter().find(|((number, _), found)| number != found);
        if let Some(((_, tag), _)) = moved {
            let help =
                "put `{% .. %}` into texts, or into an `<mj-raw>` beside elements".to_owned();
            let message = format!("`{}` does not stay where it is in HTML", tag.text);
            return Err(Wrong::new(tag.range(), message, help));
        }
        Ok(whole)
    }
}

impl Tag<'_> {
    fn is_comment(&self) -> bool {
        self.text.starts_with("{#")
    }

    fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }
}

/// The next `{{ .. }}`, `{% .. %}` or `{# .. #}`.
fn next_tag(source: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        at += source.get(at..)?.find('{')?;
        let rest = source.get(at..)?;
        let end = match rest.get(..2) {
            Some("{#") => rest.find("#}"),
            Some("{{") => end_of(rest, "}}"),
            Some("{%") => end_of(rest, "%}"),
            _ => None,
        };
        match end {
            Some(end) => return Some(at..at + end + 2),
            None => at += 1,
        }
    }
}

/// Where a tag ends, outside of the texts in it.
fn end_of(tag: &str, end: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in tag.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if tag.get(at..).is_some_and(|rest| rest.starts_with(end)) => return Some(at),
            None => {}
        }
    }
    None
}

/// Checks what the crate does not, or not with a place: names, nesting, includes.
fn check(text: &str) -> Result<(), Wrong> {
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + found;
        loose(text, at, start)?;
        let rest = text.get(start..).unwrap_or_default();
        if rest.starts_with("<!") || rest.starts_with("<?") {
            let end = if rest.starts_with("<!--") { "-->" } else { ">" };
            at = rest.find(end).map_or(text.len(), |length| start + length + end.len());
            continue;
        }
        let closing = rest.strip_prefix("</");
        let name = name_at(closing.unwrap_or(rest.get(1..).unwrap_or_default()));
        let place = start..start + 1 + usize::from(closing.is_some()) + name.len();
        let tag = rest.get(..tag_length(rest)).unwrap_or(rest);
        at = start + tag.len().max(1);
        if name.is_empty() {
            at = start + 1;
            continue;
        }
        known(name, &place)?;
        if closing.is_some() {
            let last = open.pop();
            if last.as_ref().is_none_or(|(last, _)| *last != name) {
                let awaited = last.map(|(last, _)| format!("`</{last}>` is awaited here"));
                return Err(Wrong::new(place, format!("`</{name}>` closes nothing"), awaited));
            }
        } else if !tag.ends_with("/>") && !VOID.contains(&name) {
            open.push((name, place.clone()));
            if DEPTH_MAX < open.len() {
                let message = format!("more than {DEPTH_MAX} elements are inside of each other");
                return Err(Wrong { code: "E104", ..Wrong::new(place, message, None) });
            }
            if OPAQUE.contains(&name) {
                let closes = format!("</{name}");
                let inside = text.get(at..).and_then(|rest| rest.find(&closes));
                let end = inside.map_or(text.len(), |length| at + length);
                loose(text, at, end)?;
                at = end;
            }
        }
    }
    loose(text, at, text.len())?;
    match open.pop() {
        Some((name, place)) => {
            let help = format!("write `</{name}>` where it ends");
            Err(Wrong::new(place, format!("`<{name}>` is never closed"), help))
        }
        None => Ok(()),
    }
}

fn known(name: &str, place: &Range<usize>) -> Result<(), Wrong> {
    if name == "mj-include" {
        let help = "write it here: what a file is, is all in it".to_owned();
        let message = "nothing is included from elsewhere";
        return Err(Wrong { code: "E102", ..Wrong::new(place.clone(), message, help) });
    }
    if name.starts_with("mj-") && !ELEMENTS.contains(&name) {
        let help = suggest::help(name, ELEMENTS.iter().copied());
        return Err(Wrong::new(place.clone(), format!("MJML has no `{name}`"), help));
    }
    Ok(())
}

fn name_at(text: &str) -> &str {
    let first = text.chars().next().is_some_and(|letter| letter.is_ascii_alphabetic());
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ':');
    let end = text.find(|letter| !part(letter)).unwrap_or(text.len());
    text.get(..end).filter(|_| first).unwrap_or_default()
}

/// Bytes of a tag with both brackets, whatever stands between quotes in it.
fn tag_length(tag: &str) -> usize {
    let mut quote = None;
    for (at, letter) in tag.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if letter == '>' => return at + 1,
            None => {}
        }
    }
    tag.len()
}

/// A mistake that the crate found, in our words.
fn of_parser(error: &Error, text: &str) -> Wrong {
    let at = |span: &mrml::prelude::parser::Span| span.start..span.end;
    match error {
        Error::UnexpectedElement { position, .. } => {
            let help = "columns stand in an `<mj-section>`, texts and pictures in an `<mj-column>`";
            Wrong::new(at(position), "this element has no place here", help.to_owned())
        }
        Error::UnexpectedToken { position, .. } => {
            let help = "text stands in an `<mj-text>`, or, as it is, in an `<mj-raw>`";
            Wrong::new(at(position), "this has no place here", help.to_owned())
        }
        Error::MissingAttribute { name, position, .. } => {
            Wrong::new(at(position), format!("this element needs the attribute `{name}`"), None)
        }
        Error::InvalidAttribute { position, .. } => {
            Wrong::new(at(position), "this attribute cannot be read", None)
        }
        Error::InvalidFormat { position, .. } | Error::IncludeLoaderError { position, .. } => {
            Wrong::new(at(position), "this cannot be read", None)
        }
        Error::EndOfStream { .. } => {
            let end = text.trim_end().len();
            Wrong::new(end.saturating_sub(1)..end, "it ends before it is whole", None)
        }
        Error::SizeLimit { .. } => Wrong::new(0..1, "it is too long", None),
        Error::ParserError { source, .. } => {
            let place = source.pos();
            let start = byte_at(text, place.row, place.col);
            Wrong::new(start..start + 1, "this is no MJML", None)
        }
        Error::NoRootNode => {
            let help = "write `<mjml><mj-body>...</mj-body></mjml>`".to_owned();
            Wrong::new(0..1, "there is no `<mjml>` around it", help)
        }
    }
}

/// The byte at a line and a column from 1.
fn byte_at(text: &str, line: u32, column: u32) -> usize {
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column).map_or(rest.trim_end().len(), |(at, _)| at)
}

#[cfg(test)]
mod tests;
