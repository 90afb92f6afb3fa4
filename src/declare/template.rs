//! Texts of messages and tasks: compiled when loaded, every name in them known.

use super::condition::Sight;
use super::fault::Extent;
use super::node::Embedded;
use super::read::Faults;
use super::scalar::Words;
use super::suggest;
use super::symbols::Symbols;
use crate::engine::message::{FILTERS, TESTS, Texts, bounded};
use crate::engine::slot::PropertySlot;

/// What the texts of one trigger may name.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Whether there is an event.
    pub(crate) sight: Sight,
    /// Whether there is an offer: `offer.code`.
    pub(crate) offer: Known,
    /// Variables that arms set: `arm.<name>`.
    pub(crate) arm: Vec<Box<str>>,
    /// Whether it is a message that somebody can unsubscribe from: `unsubscribe_url`.
    pub(crate) unsubscribe: Known,
    /// Whether there is a date to count to: `days_left`.
    pub(crate) days_left: Known,
    /// Names that are not always there: each with why not, for a sentence that begins with it.
    pub(crate) gaps: Vec<(Box<str>, String)>,
    /// The conditions of the trigger: what they ask of a customer is known of whom it writes to.
    pub(crate) asked: String,
}

/// Whether a name stands for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It does.
    Yes,
    /// It does not, and why.
    No(&'static str),
}

/// Compiles templates and gathers the properties they use.
#[derive(Debug)]
pub(crate) struct Compiler<'c, 'f> {
    /// Where compiled texts go.
    pub(crate) texts: &'c mut Texts,
    /// The tables.
    pub(crate) symbols: &'c mut Symbols,
    /// Where faults go.
    pub(crate) faults: &'c mut Faults<'f>,
    /// What may be named.
    pub(crate) names: &'c Names,
    /// Properties of the event that the texts use.
    pub(crate) properties: Vec<PropertySlot>,
}

impl Compiler<'_, '_> {
    /// Compiles a text of the file under a name.
    pub(crate) fn words(&mut self, name: &str, words: &Words) {
        let source = self.faults.text.slice(words.extent);
        self.add(name, &Embedded::new(&words.text, words.extent, source));
    }

    /// Compiles the text of another file under a name; its faults are shown at the word that
    /// names the file.
    pub(crate) fn asset(&mut self, name: &str, text: &str, extent: Extent) {
        self.add(name, &Embedded::unaligned(text, extent));
    }

    fn add(&mut self, name: &str, source: &Embedded) {
        if let Err(why) = bounded(&source.text) {
            let message = format!("this text cannot be rendered: {why}");
            self.faults.error("E020", source.extent_of(0, 1), message, None);
            return;
        }
        let mut env = minijinja::Environment::new();
        if let Err(error) = env.add_template("text", &source.text) {
            self.broken(source, &error);
            return;
        }
        let Ok(template) = env.get_template("text") else { return };
        // The crate gives a set in random order.
        let mut variables: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        variables.sort();
        let before = self.faults.list.len();
        for variable in &variables {
            self.variable(variable, source);
        }
        self.callees(source);
        if before < self.faults.list.len() {
            return;
        }
        if let Err(error) = self.texts.add(name, &source.text) {
            self.broken(source, &error);
        }
        self.gaps(&variables, source);
    }

    fn broken(&mut self, source: &Embedded, error: &minijinja::Error) {
        let (start, end) = error.range().map_or((0, 1), |range| (range.start, range.end));
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let help = if source.text.contains("| default:") {
            Some("`| default: \"x\"` is Liquid; write `| default(\"x\")`".to_owned())
        } else if source.text.contains("{% assign") {
            Some("`{% assign x = .. %}` is Liquid; write `{% set x = .. %}`".to_owned())
        } else {
            None
        };
        let extent = source.extent_of(start, end);
        self.faults.error("E020", extent, format!("this text cannot be rendered: {detail}"), help);
    }

    fn variable(&mut self, variable: &str, source: &Embedded) {
        let (root, member) = variable.split_once('.').unwrap_or((variable, ""));
        let wrong: Option<(String, Option<String>)> = match (root, member) {
            ("customer", "") => Some(alone("customer", "customer.first_name")),
            ("event", "") => Some(alone("event", "event.total")),
            // It is no trait: it is known of everyone.
            ("customer", "id") => None,
            ("customer", path) => {
                self.symbols.trait_(path.split('.').next().unwrap_or(path));
                None
            }
            ("event", path) => match self.sight() {
                Some(why) => Some((format!("there is no `event` here: {why}"), None)),
                None => {
                    let slot = self.symbols.property(path);
                    self.properties.push(slot);
                    None
                }
            },
            ("score", name) => self.score(name),
            ("health", field) => self.health(field),
            ("offer", "code" | "") => known(self.names.offer, "offer"),
            ("arm", name) => {
                let arms = self.names.arm.iter().map(|name| &**name);
                (!arms.clone().any(|arm| arm == name)).then(|| {
                    let help = suggest::help(name, arms)
                        .unwrap_or_else(|| "let the arms `set:` it".to_owned());
                    (format!("no arm sets `{name}`"), Some(help))
                })
            }
            ("days_left", "") => known(self.names.days_left, "days_left"),
            ("reasons", _) | ("now", "") => None,
            ("unsubscribe_url", "") => known(self.names.unsubscribe, "unsubscribe_url"),
            _ => {
                let help = suggest::help(root, ROOTS.iter().copied());
                Some((format!("nothing is called `{root}` here"), help))
            }
        };
        if let Some((message, help)) = wrong {
            let code = if matches!(root, "score" | "health") { "E032" } else { "E021" };
            self.faults.error(code, find(source, variable), message, help);
        }
    }

    fn sight(&self) -> Option<&'static str> {
        match self.names.sight {
            Sight::Customer(why) => Some(why),
            Sight::CustomerAndEvent | Sight::Event => None,
        }
    }

    fn score(&self, written: &str) -> Option<(String, Option<String>)> {
        let name = written.split('.').next().unwrap_or(written);
        let plain = name.strip_suffix("_was").or_else(|| name.strip_suffix("_band"));
        let known = self.symbols.score(name).or_else(|| self.symbols.score(plain.unwrap_or(name)));
        known.is_none().then(|| {
            let names: Vec<_> =
                self.symbols.scores.iter().map(|score| score.name.clone()).collect();
            let help = suggest::help(name, names.iter().map(|name| &**name));
            (format!("there is no model `{name}`"), help)
        })
    }

    fn health(&self, field: &str) -> Option<(String, Option<String>)> {
        let fields = ["score", "band", "trend_7d", "trend_28d"];
        if self.symbols.score("health").is_none() {
            return Some(("there is no model `health`".to_owned(), None));
        }
        (!fields.contains(&field))
            .then(|| (format!("health has no `{field}`"), suggest::help(field, fields)))
    }

    /// The crate looks filters and tests up only when it renders; nobody should learn of a typo
    /// then.
    fn callees(&mut self, source: &Embedded) {
        for Callee { at, what, name } in callees(&source.text) {
            let known = match what {
                Called::Filter => FILTERS,
                Called::Test => TESTS,
            };
            if !known.contains(&name) {
                let near = suggest::nearest(name, known.iter().copied());
                let help = near.map(|near| format!("did you mean `{near}`?"));
                let extent = source.extent_of(at, at + name.len());
                let word = what.as_str();
                self.faults.error("E021", extent, format!("there is no {word} `{name}`"), help);
            }
        }
    }

    /// What is not there for everybody is written with a way out, or the text fails for them.
    fn gaps(&mut self, variables: &[String], source: &Embedded) {
        for variable in variables {
            let gap = self.names.gaps.iter().find(|(name, _)| **name == **variable);
            let (code, why) = match (gap, variable.split_once('.')) {
                (Some((_, why)), _) => ("W003", why.clone()),
                (None, Some(("customer", name))) if self.is_unasked(name) => {
                    ("W004", format!("not everybody has `{name}`"))
                }
                _ => continue,
            };
            if let Some(at) = unguarded(&source.text, variable) {
                let extent = source.extent_of(at, at + variable.len());
                let message = format!("{why}: this text cannot be written then");
                let help = format!(
                    "write `{variable} | default(\"...\")`, or `{{% if {variable} %}}` around it"
                );
                self.faults.warning(code, extent, message, help);
            }
        }
    }

    fn is_unasked(&self, name: &str) -> bool {
        let top = name.split('.').next().unwrap_or(name);
        top != "id" && !self.names.asked.contains(&format!("customer.{top}"))
    }
}

/// Names that texts may begin with.
pub(crate) const ROOTS: &[&str] = &[
    "customer",
    "event",
    "score",
    "health",
    "offer",
    "arm",
    "days_left",
    "reasons",
    "now",
    "unsubscribe_url",
];
fn alone(root: &str, example: &str) -> (String, Option<String>) {
    (format!("`{root}` alone is no text"), Some(format!("name what you mean: {{{{ {example} }}}}")))
}

fn known(known: Known, name: &str) -> Option<(String, Option<String>)> {
    match known {
        Known::Yes => None,
        Known::No(why) => Some((format!("there is no `{name}` here: {why}"), None)),
    }
}

/// Where a variable is first written.
fn find(source: &Embedded, variable: &str) -> Extent {
    let mut from = 0;
    while let Some(at) = source.text.get(from..).and_then(|rest| rest.find(variable)) {
        let start = from + at;
        let before = source.text.get(..start).and_then(|text| text.chars().next_back());
        if !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.')) {
            return source.extent_of(start, start + variable.len());
        }
        from = start + variable.len();
    }
    source.extent
}

/// Where a name is printed without a way out for those of whom it is not known.
fn unguarded(text: &str, name: &str) -> Option<usize> {
    let root = name.split('.').next().unwrap_or(name);
    let asks = |tag: &str| places(tag, name).next().or_else(|| places(tag, root).next()).is_some();
    places(text, name).find(|at| {
        let before = text.get(..*at).unwrap_or("");
        let after = text.get(at + name.len()..).unwrap_or("").trim_start();
        let filter = after.strip_prefix('|').map_or("", str::trim_start);
        let asked = before.split_whitespace().next_back();
        let asked = asked.is_some_and(|word| matches!(word, "if" | "not" | "and" | "or"));
        let printed = before.rfind("{{") > before.rfind("{%") && !asked;
        let defaults = filter.starts_with("default") || filter.starts_with("d(");
        // `{{ x if x else y }}` asks within the same braces.
        let inline = after.split("}}").next().is_some_and(asks);
        let tags = before.split("{%").skip(1).filter_map(|tag| tag.split("%}").next());
        printed && !defaults && !inline && !tags.into_iter().any(asks)
    })
}

/// Where a name stands as a whole.
fn places<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    let part = |letter: char| is_letter(letter) || letter == '.';
    text.match_indices(name).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).unwrap_or("");
        let after = text.get(at + name.len()..).unwrap_or("");
        !before.ends_with(part) && !after.starts_with(part)
    })
}

/// A filter or a test that a text uses.
struct Callee<'t> {
    at: usize,
    what: Called,
    name: &'t str,
}

#[derive(Clone, Copy)]
enum Called {
    Filter,
    Test,
}

impl Called {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
        }
    }
}

/// Names behind `|` and `is` inside of `{{ }}` and `{% %}`, with the byte where each begins.
fn callees(text: &str) -> Vec<Callee<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find(['{'])) {
        let start = from + open;
        let close = match text.get(start..start + 2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => {
                let rest = text.get(start..).unwrap_or("");
                from = start + rest.find("#}").unwrap_or(rest.len());
                continue;
            }
            _ => {
                from = start + 1;
                continue;
            }
        };
        let inside = text.get(start + 2..).unwrap_or("");
        let end = inside.find(close).unwrap_or(inside.len());
        called_in(inside.get(..end).unwrap_or(""), start + 2, &mut found);
        from = start + 2 + end;
    }
    found
}

/// The names called in one tag that begins at a byte of the text.
fn called_in<'t>(inside: &'t str, start: usize, found: &mut Vec<Callee<'t>>) {
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in inside.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '|') => found.extend(callee(inside, start, (at + 1, Called::Filter))),
            (None, 'i') if !is_letter(before) => {
                let is = inside.get(at..).unwrap_or("").strip_prefix("is");
                let rest = is.filter(|rest| rest.starts_with(char::is_whitespace));
                let negated = rest.map(str::trim_start).and_then(|rest| rest.strip_prefix("not "));
                if let Some(rest) = negated.or(rest) {
                    let from = inside.len() - rest.len();
                    found.extend(callee(inside, start, (from, Called::Test)));
                }
            }
            (None, _) => {}
        }
        before = letter;
    }
}

/// The name that is called from a byte of a tag on.
fn callee(inside: &str, start: usize, (from, what): (usize, Called)) -> Option<Callee<'_>> {
    let rest = inside.get(from..)?;
    let name = rest.trim_start();
    let at = start + inside.len() - name.len();
    let length = name.find(|letter| !is_letter(letter)).unwrap_or(name.len());
    let name = name.get(..length).filter(|name| !name.is_empty())?;
    Some(Callee { at, what, name })
}

const fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::fault::{Fault, Severity, Text};

    fn faults_in(text: &str) -> Vec<Fault> {
        let source = Text::new("t.yaml".into(), text.into());
        let mut list = Vec::new();
        let mut compiler = Compiler {
            texts: &mut Texts::new(),
            symbols: &mut Symbols::default(),
            faults: &mut Faults { text: &source, list: &mut list },
            names: &Names {
                sight: Sight::CustomerAndEvent,
                offer: Known::No("`send` names no `offer`"),
                arm: vec!["title".into()],
                unsubscribe: Known::No("the trigger writes to nobody"),
                days_left: Known::No("the trigger is not about a date"),
                gaps: vec![("arm.title".into(), "arm `b` sets no `title`".to_owned())],
                asked: "customer.plan == 1".to_owned(),
            },
            properties: Vec::new(),
        };
        let extent = Extent { start: 0, end: u32::try_from(text.len()).unwrap() };
        compiler.words("t/en/body", &Words { text: text.into(), extent });
        list
    }

    #[test]
    fn what_people_write_is_taken() {
        for text in [
            "Hi {{ customer.first_name | default(\"there\") }}",
            "{% for name in customer.services %}{{ loop.index }}. {{ name }}{% endfor %}",
            "{% set total = event.total * 2 %}{{ total | round(2) }}",
            "{% if reasons %}{{ reasons[0].plain }}{% endif %} {{ arm.title | d(1) }} {{ now | date(\"d\") }}",
            "a | b {{ \"x | nothing\" }} { | c } {# {{ unknown }} #}",
            "{{ customer.plan | upper | truncate(length=9) }}{{ customer.id }}",
            "{% if event.total is number and event.total is not odd %}this is it{% endif %}",
            "{{ customer.name if customer.name else \"you\" }}{# x | y is z #}",
            "{% if customer.name %}{{ customer.name }}{% endif %}",
        ] {
            assert_eq!(faults_in(text), [], "{text}");
        }
    }

    #[test]
    fn what_not_everybody_has_is_pointed_at() {
        for (text, meant) in [
            ("Hi {{ customer.name }}", "customer.name"),
            ("{{ customer.address.city | upper }}", "customer.address.city"),
            ("{% if customer.named %}{{ customer.name }}{% endif %}", "customer.name"),
            ("{{ customer.first | default(1) }} {{ customer.first }}", "customer.first"),
            ("{{ arm.title }}", "arm.title"),
        ] {
            let faults = faults_in(text);
            let source = Text::new("t.yaml".into(), text.into());
            let pointed: Vec<_> =
                faults.iter().map(|fault| (fault.severity, source.slice(fault.extent))).collect();
            assert_eq!(pointed, [(Severity::Warning, meant)], "{text}");
        }
    }

    #[test]
    fn each_wrong_name_is_pointed_at() {
        for (text, meant) in [
            ("Hi {{ customr.name }}", "customr.name"),
            ("Hi {{ x.customer.name }} {{ customer.plan }}", "x.customer.name"),
            ("{{ offer.code }}", "offer.code"),
            ("{{ days_left }}", "days_left"),
            ("{{ arm.tip }}", "arm.tip"),
            ("{{ score.churn }}", "score.churn"),
            ("{{ event }}", "event"),
            ("您好 {{ event.total | mony }}", "mony"),
            ("{% if event.total | frist %}{% endif %}", "frist"),
            ("{% if event.total is evn %}{% endif %}", "evn"),
            ("{{ 1 if event.total is not  defind else 2 }}", "defind"),
            ("{{ range(3) }}", "range"),
        ] {
            let faults = faults_in(text);
            let source = Text::new("t.yaml".into(), text.into());
            let pointed: Vec<&str> =
                faults.iter().map(|fault| source.slice(fault.extent)).collect();
            assert_eq!(pointed, [meant], "{text}");
        }
    }
}
