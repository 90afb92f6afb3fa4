//! From template and state to the text a channel carries.
//!
//! Templates are written by the people who run this; what they print was typed by customers. So
//! templates are compiled once, when the catalog is loaded, and nothing a customer typed is ever
//! compiled: it is only ever a value. Instructions, values and output all have bounds.

mod bombs;
mod context;
mod filters;
mod locale;
mod segments;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

pub use self::filters::{FILTERS, TESTS, truncate};
pub use self::segments::{Alphabet, segments};
use super::catalog::{Action, Trigger};
use super::decision::Content;
use super::evaluate::Scope;
use super::value::Value;

/// Instructions that one text may take.
const FUEL: u64 = 50_000;
/// Longest text of one field.
pub const FIELD_BYTES_MAX: usize = 16 * 1_024;
/// Longest text of a field that is a whole document: `html`, `mjml`.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1_024;
/// What `unsubscribe_url` prints until whoever sends the message puts the customer's own link there:
/// it is secret, and no part of a decision.
pub const UNSUBSCRIBE_URL: &str = "unsubscribe-url.heedful.invalid";
/// What makes a text a template.
const TAGS: [&str; 3] = ["{{", "{%", "{#"];
/// Longest template taken.
pub const TEMPLATE_BYTES_MAX: usize = 256 * 1_024;

/// Compiled templates by name.
pub struct Texts {
    env: Environment<'static>,
    texts: BTreeMap<Box<str>, Text>,
}

/// A text before a customer is known.
enum Text {
    /// The same for all.
    Fixed(Box<str>),
    /// The names that it asks for, sorted.
    Rendered(Box<[Box<str>]>),
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").field("names", &self.texts.keys()).finish_non_exhaustive()
    }
}

/// What a template sees beside `customer`, `event`, `score` and `health`.
#[derive(Clone, Debug, Default)]
pub struct Extras<'a> {
    /// `offer.code`.
    pub offer: Option<&'a str>,
    /// `arm.<name>`.
    pub arm: &'a [(Box<str>, Value)],
    /// `days_left`: calendar days until the trigger's date.
    pub days_left: Option<i64>,
    /// `reasons`: of the trigger's score, worst first.
    pub reasons: &'a [Box<str>],
}

impl Texts {
    /// An environment with our filters, strict about undefined names, bounded in fuel and output.
    /// A name that is not known may be asked for by `{% if %}` and replaced by `default()`; to
    /// print it is an error.
    pub fn new() -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        env.set_fuel(Some(FUEL));
        // Ranges of errors, so that a failure names what was missing.
        env.set_debug(true);
        env.set_auto_escape_callback(|name| match kind_of(name) {
            Kind::Text => AutoEscape::None,
            Kind::Document => AutoEscape::Html,
        });
        filters::install(&mut env);
        Self { env, texts: BTreeMap::new() }
    }

    /// Compiles a template. A name that ends in `/html` or `/mjml` is a document: what it prints
    /// is escaped.
    ///
    /// # Errors
    /// The message, with its line inside the template.
    pub fn add(&mut self, name: &str, source: &str) -> Result<(), Error> {
        if TEMPLATE_BYTES_MAX < source.len() {
            let long = format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::SyntaxError, long));
        }
        bounded(source).map_err(|why| Error::new(ErrorKind::InvalidOperation, why))?;
        self.env.add_template_owned(name.to_owned(), source.to_owned())?;
        let template = self.env.get_template(name)?;
        if !TAGS.iter().any(|tag| source.contains(tag)) && source.len() <= bytes_max(name) {
            let text = template.render(())?;
            self.texts.insert(name.into(), Text::Fixed(text.into()));
            return Ok(());
        }
        // The crate gives a set in random order.
        let mut uses: Vec<Box<str>> =
            template.undeclared_variables(true).into_iter().map(Into::into).collect();
        uses.sort_unstable();
        self.texts.insert(name.into(), Text::Rendered(uses.into()));
        Ok(())
    }

    /// Renders the variant of a trigger's message for the customer's locale; nothing, for a
    /// trigger without texts.
    ///
    /// # Errors
    /// A sentence that says which field failed and why.
    pub fn message(
        &self,
        trigger: &Trigger,
        scope: &Scope<'_>,
        extras: &Extras<'_>,
    ) -> Result<Content, String> {
        let Action::Send(send) = &trigger.action else {
            return Err(format!("`{}` sends no message", trigger.id));
        };
        let wanted = scope.state.text_trait(scope.catalog.known.locale);
        let locales: Vec<&str> =
            send.message.variants.iter().map(|(locale, _)| &**locale).collect();
        let chosen = locale::choose(&locales, wanted, &scope.catalog.policy.locale)
            .and_then(|index| send.message.variants.get(index));
        // A webhook may be all there is to say.
        let Some((locale, fields)) = chosen else { return Ok(Content::default()) };
        let fields: Result<Vec<_>, String> = fields
            .iter()
            .map(|(field, name)| {
                let text = self.render_in(name, locale, scope, extras);
                text.map(|text| (field.clone(), text)).map_err(|why| format!("`{field}`: {why}"))
            })
            .collect();
        Ok(Content { locale: locale.clone(), fields: fields? })
    }

    /// Whether a text asks for a name.
    pub fn asks(&self, name: &str, for_name: &str) -> bool {
        match self.texts.get(name) {
            Some(Text::Rendered(uses)) => uses.iter().any(|used| **used == *for_name),
            Some(Text::Fixed(_)) | None => false,
        }
    }

    /// Renders one template, in the policy's language.
    ///
    /// # Errors
    /// A sentence that says why.
    pub fn render(
        &self,
        name: &str,
        scope: &Scope<'_>,
        extras: &Extras<'_>,
    ) -> Result<Box<str>, String> {
        self.render_in(name, &scope.catalog.policy.locale, scope, extras)
    }

    fn render_in(
        &self,
        name: &str,
        locale: &str,
        scope: &Scope<'_>,
        extras: &Extras<'_>,
    ) -> Result<Box<str>, String> {
        let missing = || format!("there is no text `{name}`");
        let uses = match self.texts.get(name).ok_or_else(missing)? {
            Text::Fixed(text) => return Ok(text.clone()),
            Text::Rendered(uses) => uses,
        };
        let template = self.env.get_template(name).map_err(|_| missing())?;
        let mut written = Bounded { text: Vec::new(), bytes_max: bytes_max(name) };
        let root = context::build(uses, locale, scope, extras);
        template
            .render_captured_to(root, &mut written)
            .map_err(|error| sentence(&error, bytes_max(name)))?;
        String::from_utf8(written.text)
            .map(Into::into)
            .map_err(|_| "the text is not UTF-8".to_owned())
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a template can be compiled and written without taking all memory. To be asked before it is
/// compiled.
///
/// # Errors
/// Why not, and what to write instead.
pub fn bounded(source: &str) -> Result<(), String> {
    bombs::check(source)
}

/// The names that a template asks for (`customer.first_name`, `offer.code`), sorted.
///
/// # Errors
/// The message, with its line inside the template.
pub fn undeclared(source: &str) -> Result<Vec<String>, Error> {
    let env = Environment::new();
    let template = env.template_from_str(source)?;
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether a template is a line or a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Plain text: printed as it is.
    Text,
    /// HTML or MJML: what is printed into it is escaped.
    Document,
}

/// The kind of a template, from the last part of its name: the field.
fn kind_of(name: &str) -> Kind {
    match name.rsplit('/').next() {
        Some("html" | "mjml") => Kind::Document,
        _ => Kind::Text,
    }
}

fn bytes_max(name: &str) -> usize {
    match kind_of(name) {
        Kind::Text => FIELD_BYTES_MAX,
        Kind::Document => DOCUMENT_BYTES_MAX,
    }
}

/// A text in memory that refuses to grow past its bound. MiniJinja stops only at a writer that
/// fails, and it takes no other writers than those of `std::io`.
struct Bounded {
    text: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes_max < self.text.len() + part.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What went wrong, for people.
fn sentence(error: &Error, bytes_max: usize) -> String {
    let place = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    let shown =
        error.range().zip(error.template_source()).and_then(|(range, source)| named(source, range));
    match (error.kind(), shown) {
        (ErrorKind::UndefinedError, Some(name)) => {
            format!("{place}`{name}` is not known for this customer")
        }
        (ErrorKind::OutOfFuel, _) => format!("{place}the text takes too many steps"),
        (ErrorKind::WriteFailure, _) => format!("the text is longer than {bytes_max} bytes"),
        (kind, _) => {
            format!("{place}{}", error.detail().map_or_else(|| kind.to_string(), str::to_owned))
        }
    }
}

/// The whole name that a range of a template lies in: the crate's begins behind the first dot.
fn named(source: &str, range: Range<usize>) -> Option<&str> {
    let before = source.get(..range.start)?;
    let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    let start = before.trim_end_matches(part).len();
    source.get(start..range.end).map(str::trim)
}

#[cfg(test)]
mod tests;
