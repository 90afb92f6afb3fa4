//! From `send:` and `task:` to what a trigger does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::condition;
use super::node::Key;
use super::read::{Entries, Faults, OneOrMany};
use super::scalar::{Line, Whole, Words, life_time, some_time};
use super::template::{Compiler, Form, Names};
use super::trigger::{Context, LINES_MAX, text_name};
use super::words::trigger::{
    FallBackWord, OfferLine, OnCapWord, Send, Task, Trigger as Raw, UrgencyWord, Variant,
};
use crate::engine::catalog::{
    Action, Due, FallBack, Message, Offer, SendAction, TaskAction, TaskPriority,
};
use crate::engine::condition::Expr;
use crate::engine::policy::OnCap;
use crate::engine::slot::PropertySlot;
use crate::engine::task::CHAIN_MAX;
use crate::engine::time::Span;
use crate::engine::value::Value;

/// The field that is HTML.
const PAGE: &str = "html";

/// What a trigger does, and the properties of the event that it takes.
#[derive(Debug)]
pub(crate) struct Built {
    /// What it does.
    pub(crate) action: Action,
    /// What it takes.
    pub(crate) properties: BTreeSet<PropertySlot>,
    /// Content hashes of the files it names with `template:`.
    pub(crate) files: Vec<Arc<str>>,
}

/// Checks `send:` or `task:`.
pub(crate) fn build(
    trigger: &str,
    raw: &Raw,
    names: &Names,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Built> {
    let mut building = Building {
        trigger,
        names,
        context,
        faults,
        properties: BTreeSet::new(),
        files: Vec::new(),
    };
    let action = match (&raw.send, &raw.task) {
        (Some(send), None) => building.send(send).map(Action::Send),
        (None, Some(task)) => building.task(task).map(Action::Task),
        (Some(_), Some(task)) => {
            let help = "two triggers can share one `when`".to_owned();
            let message = "a trigger either sends or hands over";
            building.faults.error("E007", task.extent, message, help);
            None
        }
        (None, None) => {
            let help = "add `send:` (write to the customer) or `task:` (hand it to a person)";
            let message = "nothing here says what to do";
            building.faults.lacks(raw, "E003", message, help.to_owned());
            None
        }
    };
    Some(Built { action: action?, properties: building.properties, files: building.files })
}

/// A field of a message and the name of its text.
type Field = (Box<str>, Box<str>);

struct Building<'b, 'c, 'f> {
    trigger: &'b str,
    names: &'b Names,
    context: &'b mut Context<'c>,
    faults: &'b mut Faults<'f>,
    properties: BTreeSet<PropertySlot>,
    files: Vec<Arc<str>>,
}

impl Building<'_, '_, '_> {
    fn send(&mut self, raw: &Send) -> Option<SendAction> {
        let purpose = raw.purpose.0.as_ref();
        let purpose = purpose.and_then(|word| self.context.registry.purpose(word, self.faults));
        let via: Vec<_> = raw
            .via
            .0
            .iter()
            .flat_map(|words| &words.0)
            .map(|word| self.context.registry.channel(word, self.faults))
            .collect();
        let offers = self.offers(raw.offer.as_ref());
        let expires_after = raw.expires_after.as_ref();
        let expires_after = expires_after.map(|span| life_time(span, self.faults));
        let spread_over = raw.spread_over.as_ref();
        let spread_over = spread_over.map(|span| some_time(span, self.faults));
        let message = raw.message.0.as_ref().and_then(|message| self.message(message));
        let fall_back = self.fall_back(raw, via.len());
        let worth = raw.worth.as_ref().map(|line| self.worth(line));
        Some(SendAction {
            purpose: purpose?,
            via: via.into_iter().collect::<Option<_>>()?,
            expires_after: expires_after.map_or(Some(None), |span| span.map(Some))?,
            spread_over: spread_over.map_or(Some(None), |span| span.map(Some))?,
            offers: offers?,
            message: message?,
            on_cap: raw.on_cap.map(|word| match word {
                OnCapWord::Defer => OnCap::Defer,
                OnCapWord::Drop => OnCap::Drop,
                OnCapWord::NextChannel => OnCap::NextChannel,
                OnCapWord::ReplaceLower => OnCap::ReplaceLower,
            }),
            fall_back: fall_back.map_or(Some(None), |found| found.map(Some))?,
            worth: worth.map_or(Some(None), |found| found.map(Some))?,
        })
    }

    /// What takes it to its next channel; `None` when nothing does.
    fn fall_back(&mut self, raw: &Send, channels: usize) -> Option<Option<FallBack>> {
        let after = raw.fall_back_after.as_ref();
        let found = match (after, raw.fall_back) {
            (Some(after), _) => some_time(after, self.faults).map(FallBack::Silent),
            (None, Some(FallBackWord::Refused)) => Some(FallBack::Refused),
            (None, None) => return None,
        };
        if channels < 2 {
            let help = "name the channels in their order: `via: [in_app, email]`".to_owned();
            let message = "there is no other channel to go to";
            self.faults.lacks(raw, "E090", message, help);
            return Some(None);
        }
        if let (Some(after), Some(expires)) = (after, &raw.expires_after)
            && expires.value <= after.value
        {
            let help = "make it shorter than `expires_after`".to_owned();
            let message = "it expires before it could go to the next channel";
            self.faults.error("E091", after.extent, message, help);
            return Some(None);
        }
        Some(found)
    }

    fn offers(&mut self, lines: Option<&OneOrMany<OfferLine>>) -> Option<Box<[Offer]>> {
        let lines = lines.map_or(&[][..], |lines| lines.0.as_slice());
        if let Some(line) = lines.get(LINES_MAX) {
            let message = format!("there are more than {LINES_MAX} offers");
            self.faults.error("E070", line.extent, message, None);
            return None;
        }
        let built: Vec<_> = lines.iter().map(|line| self.offer(line)).collect();
        if let Some((always, _)) =
            lines.iter().zip(lines.iter().skip(1)).find(|(line, _)| line.r#if.is_none())
        {
            let help = "the first line whose condition holds wins: put this one last".to_owned();
            let message = "this line always holds, so the ones below it never apply";
            self.faults.error("E007", always.extent, message, help);
        }
        built.into_iter().collect()
    }

    fn offer(&mut self, line: &OfferLine) -> Option<Offer> {
        let sight = self.names.sight;
        let condition = match &line.r#if {
            Some(text) => {
                let found = condition::condition(text, sight, self.context.symbols, self.faults)?;
                condition::properties(&found.expr, &mut self.properties);
                Some(found)
            }
            None => None,
        };
        Some(Offer { condition, code: line.r#use.0.as_ref()?.text.clone() })
    }

    fn message(&mut self, locales: &Entries<Variant>) -> Option<Message> {
        let variants: Vec<_> =
            locales.0.iter().map(|(locale, fields)| self.variant(locale, &fields.0)).collect();
        if variants.is_empty() {
            return None;
        }
        Some(Message { variants: variants.into_iter().collect::<Option<_>>()? })
    }

    fn variant(
        &mut self,
        locale: &Key,
        fields: &Entries<Words>,
    ) -> Option<(Box<str>, Box<[Field]>)> {
        if !is_locale(&locale.text) {
            let message = format!("`{}` is not a language", locale.text);
            let help = "write the fields below a language: `en:`, `de:`, `zh-CN:`".to_owned();
            self.faults.error("E005", locale.extent, message, help);
            return None;
        }
        if fields.0.is_empty() {
            self.faults.error("E003", locale.extent, "nothing is written in this language", None);
        }
        let mut built = Vec::with_capacity(fields.0.len());
        for (key, words) in &fields.0 {
            if &*key.text == "template" {
                built.push(self.file(&locale.text, words));
            } else {
                // Whoever sends it knows of HTML, and of no MJML.
                let (field, form) = match &*key.text {
                    "mjml" => (PAGE.into(), Form::Mjml),
                    _ => (key.text.clone(), Form::AsItIs),
                };
                let name = text_name(self.trigger, &[&locale.text, &field]);
                self.compile(|compiler| compiler.words(&name, words, form));
                built.push(Some((field, name)));
            }
        }
        self.pages(locale, fields);
        let built: Option<Box<[_]>> = built.into_iter().collect();
        Some((locale.text.clone(), built?))
    }

    /// Tells of a page that is written twice, and of MJML without the text that some read instead.
    fn pages(&mut self, locale: &Key, fields: &Entries<Words>) {
        let page = |key: &str, words: &Words| match (key, words.text.rsplit('.').next()) {
            ("html" | "mjml", _) | ("template", Some("html" | "htm" | "mjml")) => true,
            (_, _) => false,
        };
        let pages: Vec<_> = fields.0.iter().filter(|(key, words)| page(&key.text, words)).collect();
        if let Some((second, _)) = pages.get(1) {
            let help = "keep one of `html`, `mjml` and `template`".to_owned();
            self.faults.error("E103", second.extent, "this mail has its HTML already", help);
        }
        let mjml = pages.iter().find(|(key, words)| {
            &*key.text == "mjml" || &*key.text == "template" && words.text.ends_with(".mjml")
        });
        let has_text = fields.0.iter().any(|(key, words)| match &*key.text {
            "body" => true,
            "template" => !page("template", words),
            _ => false,
        });
        if let (Some((key, _)), false) = (mjml, has_text) {
            let message =
                format!("this mail has no text in `{}` for who reads no HTML", locale.text);
            let help = "write the same as text: `body:`".to_owned();
            self.faults.warning("W083", key.extent, message, help);
        }
    }

    /// `template: mail/renewal.html`: a file beside the trigger becomes the field `html`,
    /// whether it is HTML or MJML.
    fn file(&mut self, locale: &str, path: &Words) -> Option<Field> {
        let here = &*self.faults.text.path;
        let Some(found) = resolve(here, &path.text) else {
            let help = "name it from the trigger's folder on: `mail/renewal.html`".to_owned();
            self.faults.error("E022", path.extent, "this leads out of the folder", help);
            return None;
        };
        let Some(file) = self.context.assets.get(found.as_str()).copied() else {
            let known = self.context.assets.keys().copied();
            let help =
                super::suggest::help(&found, known).unwrap_or_else(|| format!("create `{found}`"));
            self.faults.error("E022", path.extent, format!("there is no file `{found}`"), help);
            return None;
        };
        let ending = found.rsplit('.').next();
        let field = match ending {
            Some("html" | "htm" | "mjml") => PAGE,
            _ => "body",
        };
        let name = text_name(self.trigger, &[locale, field]);
        self.files.push(super::hash(&file.text));
        if ending == Some("mjml") {
            let mut faults = Faults { text: file, list: self.faults.list };
            let mut compiler = Compiler {
                texts: self.context.texts,
                symbols: self.context.symbols,
                faults: &mut faults,
                names: self.names,
                properties: Vec::new(),
            };
            compiler.mjml(&name);
            let found = compiler.properties;
            self.properties.extend(found);
        } else {
            self.compile(|compiler| compiler.asset(&name, &file.text, path.extent));
        }
        Some((field.into(), name))
    }

    fn compile(&mut self, each: impl FnOnce(&mut Compiler<'_, '_>)) {
        let mut compiler = Compiler {
            texts: self.context.texts,
            symbols: self.context.symbols,
            faults: self.faults,
            names: self.names,
            properties: Vec::new(),
        };
        each(&mut compiler);
        let found = compiler.properties;
        self.properties.extend(found);
    }

    fn task(&mut self, raw: &Task) -> Option<TaskAction> {
        let channel = raw.r#in.0.as_ref();
        let channel = channel.and_then(|word| self.context.registry.channel(word, self.faults));
        let assign_to = raw.assign_to.as_ref().map(|line| self.assignee(line));
        let due = raw.due.as_ref().map(|word| self.due(word));
        let ack_within = raw.ack_within.as_ref().map(|span| some_time(span, self.faults));
        let expires_after = raw.expires_after.as_ref().map(|span| life_time(span, self.faults));
        let escalate_to = self.people(raw.escalate_to.as_ref());
        let team = raw.team.as_ref().map(|word| self.context.registry.team(word, self.faults));
        let worth = raw.worth.as_ref().map(|line| self.worth(line));
        if let (None, Some(skill)) = (&raw.team, raw.skills.iter().flat_map(|all| &all.0).next()) {
            let help = "add `team:`, a team of the policy, or leave `skills` out".to_owned();
            self.faults.error("E007", skill.extent, "nobody looks at these skills", help);
        }
        let title = text_name(self.trigger, &["task", "title"]);
        if let Some(words) = &raw.title.0 {
            self.compile(|compiler| compiler.words(&title, words, Form::AsItIs));
        }
        let suggest = raw.suggest.as_ref().map(|words| {
            let name = text_name(self.trigger, &["task", "suggest"]);
            self.compile(|compiler| compiler.words(&name, words, Form::AsItIs));
            name
        });
        let context = raw.context.as_ref();
        let reasons = context.and_then(|context| context.reasons.as_ref());
        let timeline = context.and_then(|context| context.timeline.as_ref());
        let include = context.and_then(|context| context.include.as_ref());
        for word in include.iter().flat_map(|words| &words.0) {
            self.context.symbols.trait_(&word.text);
        }
        Some(TaskAction {
            channel: channel?,
            assign_to: assign_to.map_or(Some(None), |found| found.map(Some))?,
            ack_within: ack_within.map_or(Some(None), |span| span.map(Some))?,
            due: due.map_or(Some(None), |found| found.map(Some))?,
            expires_after: expires_after.map_or(Some(None), |span| span.map(Some))?,
            escalate_to: escalate_to?,
            team: team.map_or(Some(None), |found| found.map(Some))?,
            skills: raw
                .skills
                .iter()
                .flat_map(|skills| &skills.0)
                .map(|skill| Arc::from(&*skill.text))
                .collect(),
            worth: worth.map_or(Some(None), |found| found.map(Some))?,
            priority: match raw.priority {
                Some(UrgencyWord::Low) => TaskPriority::Low,
                Some(UrgencyWord::Normal) | None => TaskPriority::Normal,
                Some(UrgencyWord::High) => TaskPriority::High,
                Some(UrgencyWord::Urgent) => TaskPriority::Urgent,
            },
            title,
            suggest,
            reasons: self.small(reasons, 5),
            timeline: self.small(timeline, 10),
            include: include
                .iter()
                .flat_map(|words| &words.0)
                .map(|word| word.text.clone())
                .collect(),
        })
    }

    fn worth(&mut self, line: &Line) -> Option<Expr> {
        let sight = self.names.sight;
        let found = condition::number(line, sight, self.context.symbols, self.faults)?;
        condition::properties(&found, &mut self.properties);
        Some(found)
    }

    fn people(&mut self, lines: Option<&OneOrMany<Line>>) -> Option<Box<[Expr]>> {
        let lines = lines.map_or(&[][..], |lines| lines.0.as_slice());
        if let Some(line) = lines.get(CHAIN_MAX) {
            let message = format!("a task goes on to at most {CHAIN_MAX} people");
            self.faults.error("E070", line.0.extent, message, None);
            return None;
        }
        let built: Vec<_> = lines.iter().map(|line| self.assignee(line)).collect();
        built.into_iter().collect()
    }

    /// An expression, or an address that stands for itself.
    fn assignee(&mut self, line: &Line) -> Option<Expr> {
        let text = line.0.text.trim();
        if text.contains('@') && !text.contains(['"', '\'']) {
            return Some(Expr::Literal(Value::Str(text.into())));
        }
        let sight = self.names.sight;
        let found = condition::text(line, sight, self.context.symbols, self.faults)?;
        condition::properties(&found, &mut self.properties);
        Some(found)
    }

    fn due(&mut self, word: &Words) -> Option<Due> {
        let text = word.text.trim();
        let days = text.strip_suffix("business days").or_else(|| text.strip_suffix("business day"));
        if let Some(count) = days.and_then(|count| count.trim().parse::<u16>().ok()) {
            return Some(Due::BusinessDays(count));
        }
        if let Some(span) = Span::parse(text) {
            return Some(Due::After(span));
        }
        let help = "write `4h` or `1 business day`".to_owned();
        self.faults.error("E005", word.extent, format!("`{text}` is not a time to be due"), help);
        None
    }

    fn small(&mut self, count: Option<&super::fault::Located<Whole>>, default: u8) -> u8 {
        let Some(count) = count else { return default };
        if let Ok(small) = u8::try_from(count.value.0)
            && usize::from(small) <= crate::engine::customer::TIMELINE_MAX
        {
            return small;
        }
        let most = crate::engine::customer::TIMELINE_MAX;
        self.faults.error("E005", count.extent, format!("at most {most} are kept"), None);
        default
    }
}

/// Whether a key can be a language: `en`, `zh-CN`, `sr-Latn-RS`, or `default`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let first = parts.next().unwrap_or("");
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    text == "default"
        || ((2..=3).contains(&first.len())
            && letters(first)
            && parts.all(|part| {
                (2..=8).contains(&part.len())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }))
}

/// A path beside a file, with `.` and `..` resolved; `None` when it leads above the root.
fn resolve(file: &str, path: &str) -> Option<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let absolute = folder.starts_with('/');
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let floor = parts.len();
    if path.starts_with('/') || path.contains('\\') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().filter(|_| floor <= parts.len())?;
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    Some(if absolute { format!("/{joined}") } else { joined })
}
