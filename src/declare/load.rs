//! One set of files becomes one catalog, all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cases::Reading;
use super::classifier::{self, Learning};
use super::fault::{Extent, Fault, Severity, Text};
use super::human_only::Reserved;
use super::misplaced::misplaced;
use super::model;
use super::node::Node;
use super::policy;
use super::read::{Faults, Read};
use super::reader;
use super::registry::Registry;
use super::symbols::{KnownScore, Sessions, Symbols};
use super::tests::{Subject, TestFile};
use super::trigger::{self, Context};
use super::when::IDLE_DEFAULT;
use super::words::model::{Model as RawModel, TypeWord};
use super::words::policy::Policy as RawPolicy;
use super::words::trigger::Trigger as RawTrigger;
use super::{Loaded, Source, SourceKind, yaml};
use crate::engine::catalog::{Catalog, Score, ScoreSource, Sending, Trigger};
use crate::engine::condition::Place;
use crate::engine::index::TriggerIndex;
use crate::engine::message::Texts;
use crate::engine::policy::Policy;
use crate::engine::reading::{Reader, Readers};
use crate::engine::task::TaskEvents;

/// Most files of one set.
const FILES_MAX: usize = 10_000;
/// Most triggers of one set.
const TRIGGERS_MAX: usize = 5_000;
/// Most models of one set.
const MODELS_MAX: usize = 256;
/// How the files of what was learned end.
pub const FITTED_SUFFIX: &str = ".model.json";
/// How the files of what was learned to be watched beside it end.
pub const CHALLENGER_SUFFIX: &str = ".challenger.json";
/// Longest text of a `template:` file, in bytes.
const ASSET_BYTES_MAX: usize = 256 * 1024;

/// Reads a set of files, all or nothing.
///
/// # Errors
/// Every fault of every file, in order of path and place.
pub fn load(sources: &[Source], sending: Sending) -> Result<Loaded, Vec<Fault>> {
    load_with(sources, sending, Learning::Nothing)
}

/// Reads a set of files, all or nothing, for one of its classifiers to learn: what it looks at is
/// kept of each customer, and its score is [`ScoreSource::Learning`].
///
/// [`ScoreSource::Learning`]: crate::engine::catalog::ScoreSource::Learning
///
/// # Errors
/// Every fault of every file, in order of path and place. A model that is not there, or is no
/// classifier, is none of them: the caller looks for it.
pub fn load_to_learn(sources: &[Source], model: &str) -> Result<Loaded, Vec<Fault>> {
    load_with(sources, Sending::DryRun, Learning::Model(model))
}

fn load_with(
    sources: &[Source],
    sending: Sending,
    learning: Learning<'_>,
) -> Result<Loaded, Vec<Fault>> {
    let mut list = Vec::new();
    if FILES_MAX < sources.len() {
        let message = format!("there are {} files; at most {FILES_MAX} are read", sources.len());
        list.push(nowhere("E070", message));
        return Err(list);
    }
    let texts: Vec<(SourceKind, Text)> = sorted(sources);
    let read = ReadFiles::new(&texts, &mut list);
    let loaded = read.build(sending, learning, &mut list);
    read.forget_consequences(&mut list);
    list.sort_by(|left, right| {
        let key = |fault: &Fault| (fault.place.file.clone(), fault.extent, fault.code);
        key(left).cmp(&key(right)).then_with(|| left.message.cmp(&right.message))
    });
    list.dedup();
    match loaded {
        Some(loaded) if list.iter().all(|fault| fault.severity == Severity::Warning) => {
            Ok(Loaded { warnings: list, ..loaded })
        }
        _ => Err(list),
    }
}

/// The order of paths, so that the order in which a folder is listed cannot show anywhere.
fn sorted(sources: &[Source]) -> Vec<(SourceKind, Text)> {
    let mut texts: Vec<_> = sources
        .iter()
        // A byte order mark is no part of the text, and every place would be off by it.
        .map(|source| {
            let text = source.text.strip_prefix('\u{feff}').map_or(source.text.clone(), Arc::from);
            (source.kind, Text::new(source.path.clone(), text))
        })
        .collect();
    texts.sort_by(|(_, left), (_, right)| left.path.cmp(&right.path));
    texts
}

/// A file that was read, whatever is wrong inside.
pub(super) struct ReadFile<'t, T> {
    pub(super) text: &'t Text,
    pub(super) raw: T,
}

pub(super) struct ReadFiles<'t> {
    texts: &'t [(SourceKind, Text)],
    pub(super) triggers: Vec<ReadFile<'t, RawTrigger>>,
    models: Vec<ReadFile<'t, RawModel>>,
    policy: Option<ReadFile<'t, RawPolicy>>,
    assets: BTreeMap<&'t str, &'t Text>,
    // What was learned, by the names of models.
    fitted: BTreeMap<&'t str, &'t Text>,
    challengers: BTreeMap<&'t str, &'t Text>,
    // Kinds of files that could not be read at all.
    unread: Vec<SourceKind>,
}

impl<'t> ReadFiles<'t> {
    fn new(texts: &'t [(SourceKind, Text)], list: &mut Vec<Fault>) -> Self {
        let mut files = Self {
            texts,
            triggers: Vec::new(),
            models: Vec::new(),
            policy: None,
            assets: BTreeMap::new(),
            fitted: BTreeMap::new(),
            challengers: BTreeMap::new(),
            unread: Vec::new(),
        };
        for (kind, text) in texts {
            files.add(*kind, text, list);
        }
        files.triggers.sort_by_key(|file| trigger::id_of(&file.raw));
        files.models.sort_by_key(|file| model_name(&file.raw));
        files
    }

    fn add(&mut self, kind: SourceKind, text: &'t Text, list: &mut Vec<Fault>) {
        let mut faults = Faults { text, list };
        if kind == SourceKind::Asset {
            if ASSET_BYTES_MAX < text.text.len() {
                let message = format!("this file has more than {ASSET_BYTES_MAX} bytes");
                faults.error("E070", Extent::default(), message, None);
            }
            self.assets.insert(&text.path, text);
            return;
        }
        if kind == SourceKind::Fitted {
            let file = text.path.rsplit(['/', '\\']).next().unwrap_or_default();
            if let Some(name) = file.strip_suffix(FITTED_SUFFIX) {
                self.fitted.insert(name, text);
            } else if let Some(name) = file.strip_suffix(CHALLENGER_SUFFIX) {
                self.challengers.insert(name, text);
            }
            return;
        }
        let node = match yaml::parse(text) {
            Ok(node) => node,
            Err(broken) => {
                faults.error("E001", broken.extent, broken.message, broken.help);
                self.unread.push(kind);
                return;
            }
        };
        if node.is_nothing() {
            let help = "an empty file declares nothing: fill or remove it".to_owned();
            faults.error("E001", Extent::default(), "this file is empty", help);
            self.unread.push(kind);
            return;
        }
        self.read(kind, text, &node, &mut faults);
    }

    fn read(&mut self, kind: SourceKind, text: &'t Text, node: &Node, faults: &mut Faults<'_>) {
        let read = match kind {
            SourceKind::Trigger => {
                RawTrigger::read(node, faults).map(|raw| self.triggers.push(ReadFile { text, raw }))
            }
            SourceKind::Model => {
                RawModel::read(node, faults).map(|raw| self.models.push(ReadFile { text, raw }))
            }
            SourceKind::Policy => RawPolicy::read(node, faults).map(|raw| {
                if let Some(first) = &self.policy {
                    let message = format!("there is a policy already: {}", first.text.path);
                    faults.error("E040", node.extent, message, "keep one of them".to_owned());
                }
                self.policy = Some(ReadFile { text, raw });
            }),
            SourceKind::Asset | SourceKind::Fitted => Some(()),
        };
        if read.is_none() {
            self.unread.push(kind);
        }
    }

    fn build(
        &self,
        sending: Sending,
        learning: Learning<'_>,
        list: &mut Vec<Fault>,
    ) -> Option<Loaded> {
        let base_text = Text::new("the built-in policy".into(), policy::BUILT_IN.into());
        let base = policy::built_in(&base_text)?;
        let base = policy::File { raw: base, text: &base_text };
        let given = self.given_policy();
        let registry = self.registry_with(&base, given.as_ref(), list);
        let mut symbols = Symbols::default();
        let known = symbols.known_traits();
        symbols.task_events();
        let models = self.model_names(&mut symbols, list);
        let policy = policy::build(&base, given.as_ref(), &registry, &mut symbols, list);
        let human_only = Reserved::of(&base, given.as_ref(), &registry, list);
        let teams = super::team::build(given.as_ref(), &policy.zone, list);
        let mut texts = Texts::new();
        let (mut triggers, idle) = {
            let mut context = Context {
                registry: &registry,
                human_only: &human_only,
                breaker: given.as_ref().and_then(|file| super::breaker::of_all(file, list)),
                zone: &policy.zone,
                assets: &self.assets,
                act_within: policy.act_within,
                symbols: &mut symbols,
                texts: &mut texts,
                idle: None,
            };
            (self.triggers(&mut context, list), context.idle)
        };
        let scores = self.scores(&models, learning, &mut symbols, list);
        let readers = self.readers(learning, &mut symbols, list);
        let tests = self.tests(&registry, &symbols, list);
        warn(&policy, &triggers, self, list);
        if !is_broken(list) {
            self.look_across((&policy, given.as_ref()), &triggers, &texts, list);
        }
        if let Some(table) = symbols.full {
            list.push(nowhere("E070", format!("the files together use too many {table}")));
        }
        if is_broken(list) {
            return None;
        }
        let session_idle = match symbols.sessions {
            Sessions::Used => Some(idle.unwrap_or(IDLE_DEFAULT)),
            Sessions::Unused => idle,
        };
        let tables = symbols.finish();
        super::profiles::mark(&mut triggers, &readers, &tables.properties, &tables.series);
        let readers = Readers::new(readers, tables.events.len());
        let task_events = TaskEvents::among(&tables.events);
        let catalog = Catalog {
            revision: self.revision(),
            index: TriggerIndex::build(&triggers, tables.events.len()),
            events: tables.events,
            traits: tables.traits,
            properties: tables.properties,
            series: tables.series,
            series_of_event: tables.series_of_event,
            triggers: triggers.into(),
            scores: scores.into(),
            readers,
            policy,
            texts,
            known,
            task_events,
            teams,
            session_idle,
            sending,
        };
        Some(Loaded { catalog, tests, warnings: Vec::new() })
    }

    /// What only all files together can be asked, once nothing else is wrong.
    fn look_across(
        &self,
        (policy, given): (&Policy, Option<&policy::File<'_>>),
        triggers: &[Trigger],
        texts: &Texts,
        list: &mut Vec<Fault>,
    ) {
        super::short_message::check(policy, triggers, self, list);
        super::loop_guard::check(policy, given, triggers, list);
        super::pools::check(policy, given, triggers, list);
        super::leaving::check(policy, triggers, texts, self, list);
    }

    fn given_policy(&self) -> Option<policy::File<'_>> {
        let given = self.policy.as_ref();
        given.map(|file| policy::File { raw: file.raw.clone(), text: file.text })
    }

    /// All names that files may refer to.
    fn registry_with(
        &self,
        base: &policy::File<'_>,
        given: Option<&policy::File<'_>>,
        list: &mut Vec<Fault>,
    ) -> Registry {
        let mut registry = self.registry(list);
        policy::register(base, given, &mut registry, list);
        registry.teams = super::team::names(given);
        registry
    }

    /// Names of triggers and their tags; each trigger once.
    fn registry(&self, list: &mut Vec<Fault>) -> Registry {
        let mut registry = Registry::default();
        let mut tags = BTreeSet::new();
        let mut places: BTreeMap<Arc<str>, Place> = BTreeMap::new();
        for file in &self.triggers {
            let mut faults = Faults { text: file.text, list };
            for tag in file.raw.tags.iter().flat_map(|tags| &tags.0) {
                tags.insert(Arc::from(&*tag.text));
            }
            let Some(name) = &file.raw.trigger.0 else { continue };
            let id: Arc<str> = Arc::from(&*name.text);
            once(&mut places, &id, "trigger", name.extent, &mut faults);
            registry.triggers.push(id);
        }
        if TRIGGERS_MAX < registry.triggers.len() {
            let count = registry.triggers.len();
            let message = format!("there are {count} triggers; at most {TRIGGERS_MAX} are allowed");
            list.push(nowhere("E070", message));
        }
        registry.tags = tags.into_iter().collect();
        registry
    }

    /// Names of models, so that everything may refer to them in any order.
    fn model_names(
        &self,
        symbols: &mut Symbols,
        list: &mut Vec<Fault>,
    ) -> Vec<(Arc<str>, TypeWord)> {
        let mut names = Vec::new();
        let mut places = BTreeMap::new();
        for file in &self.models {
            let mut faults = Faults { text: file.text, list };
            let Some(name) = &file.raw.model.0 else { continue };
            let id: Arc<str> = Arc::from(&*name.text);
            once(&mut places, &id, "model", name.extent, &mut faults);
            let bands = model::bands(&file.raw).into_iter().map(|(band, _)| band).collect();
            let days = model::days(&file.raw, &mut faults);
            match reader::known(&file.raw) {
                Some(known) => symbols.texts.push(known),
                None => symbols.scores.push(KnownScore { name: id.clone(), bands, days }),
            }
            if let Some(kind) = &file.raw.r#type.0 {
                names.push((id, kind.value));
            }
        }
        if MODELS_MAX < self.models.len() {
            let message = format!("there are more than {MODELS_MAX} models");
            list.push(nowhere("E070", message));
        }
        names
    }

    fn triggers(&self, context: &mut Context<'_>, list: &mut Vec<Fault>) -> Vec<Trigger> {
        let build = |file: &ReadFile<'_, RawTrigger>| {
            let mut faults = Faults { text: file.text, list };
            trigger::build(&file.raw, file.text, context, &mut faults)
        };
        self.triggers.iter().filter_map(build).collect()
    }

    fn scores(
        &self,
        models: &[(Arc<str>, TypeWord)],
        learning: Learning<'_>,
        symbols: &mut Symbols,
        list: &mut Vec<Fault>,
    ) -> Vec<Score> {
        for (name, text) in &self.fitted {
            let is_learned = |(own, kind): &(Arc<str>, TypeWord)| {
                **own == **name && matches!(kind, TypeWord::Classifier | TypeWord::Text)
            };
            if !models.iter().any(is_learned) {
                let message = format!("there is no model `{name}` that this was learned for");
                let help = "remove it, or bring the file of the model back".to_owned();
                Faults { text, list }.error("E080", Extent::default(), message, help);
            }
        }
        for (name, text) in &self.challengers {
            if !self.fitted.contains_key(name) {
                let message = format!("there is no `{name}{FITTED_SUFFIX}` to watch this beside");
                Faults { text, list }.warning("W007", Extent::default(), message, None);
            }
        }
        let build = |file: &ReadFile<'_, RawModel>| {
            let mut faults = Faults { text: file.text, list };
            let name = model_name(&file.raw);
            let of = |files: &BTreeMap<&str, &'t Text>| files.get(&**name.as_ref()?).copied();
            let fitted =
                classifier::Files { fitted: of(&self.fitted), rival: of(&self.challengers) };
            model::build(&file.raw, file.text, models, (learning, fitted), symbols, &mut faults)
        };
        let scored = self.models.iter().filter(|file| reader::known(&file.raw).is_none());
        let mut scores: Vec<Score> = scored.filter_map(build).collect();
        follow_cards(&mut scores);
        // What any file asks about, all of them have asked about by now.
        for score in &mut scores {
            let known = symbols.scores.iter().find(|known| known.name == score.name);
            score.days = known.map_or(score.days, |known| known.days);
        }
        scores
    }

    /// Models that read texts: after everything that may ask for what they say.
    fn readers(
        &self,
        learning: Learning<'_>,
        symbols: &mut Symbols,
        list: &mut Vec<Fault>,
    ) -> Vec<Reader> {
        let is_reader = |file: &&ReadFile<'_, RawModel>| {
            file.raw.r#type.0.as_ref().is_some_and(|kind| kind.value == TypeWord::Text)
        };
        let build = |file: &ReadFile<'_, RawModel>| {
            let mut faults = Faults { text: file.text, list };
            misplaced(&file.raw, TypeWord::Text, &mut faults);
            let fitted = model_name(&file.raw).and_then(|name| self.fitted.get(&*name)).copied();
            reader::build(&file.raw, file.text, (learning, fitted), symbols, &mut faults)
        };
        self.models.iter().filter(is_reader).filter_map(build).collect()
    }

    fn tests(
        &self,
        registry: &Registry,
        symbols: &Symbols,
        list: &mut Vec<Fault>,
    ) -> Vec<TestFile> {
        let mut files = Vec::new();
        for file in &self.triggers {
            let mut faults = Faults { text: file.text, list };
            let mut reading = Reading { registry, symbols, faults: &mut faults };
            let cases = reading.trigger(&file.raw);
            if let Some(trigger) = trigger::id_of(&file.raw) {
                let subject = Subject::Trigger { trigger, cases };
                files.push(TestFile { path: file.text.path.clone(), subject });
            }
        }
        for file in &self.models {
            let mut faults = Faults { text: file.text, list };
            let mut reading = Reading { registry, symbols, faults: &mut faults };
            let bands = model::bands(&file.raw);
            let bands: Vec<&str> = bands.iter().map(|(band, _)| &**band).collect();
            let cases = file.raw.tests.as_ref().map_or(&[][..], Vec::as_slice);
            let cases = reading.model(cases, &bands);
            if let Some(model) = model_name(&file.raw).filter(|_| !cases.is_empty()) {
                let subject = Subject::Model { model, cases };
                files.push(TestFile { path: file.text.path.clone(), subject });
            }
        }
        files
    }

    /// What is unknown only because the file that declares it could not be read is no news.
    fn forget_consequences(&self, list: &mut Vec<Fault>) {
        let unread = |kind| self.unread.contains(&kind);
        list.retain(|fault| match fault.code {
            "E030" | "E031" => !unread(SourceKind::Policy),
            "E032" => !unread(SourceKind::Model),
            "E033" | "E082" => !unread(SourceKind::Trigger),
            _ => true,
        });
    }

    /// Content hash over all files.
    fn revision(&self) -> Arc<str> {
        let mut all = String::new();
        for (_, text) in self.texts {
            for part in [&text.path, &text.text] {
                all.push_str(&super::hash(part));
            }
        }
        super::hash(&all)
    }
}

fn model_name(raw: &RawModel) -> Option<Arc<str>> {
    raw.model.0.as_ref().map(|name| Arc::from(&*name.text))
}

/// Notes a name that another file has already.
fn once(
    places: &mut BTreeMap<Arc<str>, Place>,
    id: &Arc<str>,
    what: &str,
    extent: Extent,
    faults: &mut Faults<'_>,
) {
    if let Some(other) = places.get(id) {
        let help = format!("the other one is {}:{}", other.file, other.line);
        faults.error("E040", extent, format!("there is another {what} `{id}`"), help);
        return;
    }
    places.insert(id.clone(), faults.text.place(extent.start));
}

/// Whoever stands in for a model is computed when the scorecard is.
fn follow_cards(scores: &mut [Score]) {
    for at in 0..scores.len() {
        let card = match scores.get(at).map(|score| &score.source) {
            Some(ScoreSource::StandIn(stand_in)) => scores.get(stand_in.card.index()),
            _ => None,
        };
        let Some(ScoreSource::Scorecard(card)) = card.map(|card| &card.source) else { continue };
        let (every, inputs) = (card.every, card.inputs.clone());
        if let Some(ScoreSource::StandIn(stand_in)) =
            scores.get_mut(at).map(|score| &mut score.source)
        {
            stand_in.follow(every, &inputs);
        }
    }
}

fn is_broken(list: &[Fault]) -> bool {
    list.iter().any(|fault| fault.severity == Severity::Error)
}

/// What looks wrong without being so.
fn warn(policy: &Policy, triggers: &[Trigger], files: &ReadFiles<'_>, list: &mut Vec<Fault>) {
    use crate::engine::catalog::Action;
    use crate::engine::policy::{CapLimit, CapRule, CapScope};
    let by_path: BTreeMap<_, _> =
        files.triggers.iter().map(|file| (&file.text.path, file)).collect();
    for trigger in triggers {
        let Action::Send(send) = &trigger.action else { continue };
        let Some(file) = by_path.get(&trigger.place.file) else {
            continue;
        };
        let mut faults = Faults { text: file.text, list };
        let counted = policy
            .purposes
            .get(send.purpose.index())
            .is_some_and(|purpose| purpose.capped == CapRule::Counted);
        let closed = policy.caps.iter().find(|cap| {
            let held = match cap.scope {
                CapScope::All => true,
                CapScope::Purpose(purpose) => purpose == send.purpose,
                CapScope::Channel(_) | CapScope::Trigger(_) | CapScope::Tag(_) => false,
            };
            let none = matches!(
                cap.limit,
                CapLimit::Rolling { at_most: 0, .. } | CapLimit::Calendar { at_most: 0, .. }
            );
            counted && held && none
        });
        if let Some(cap) = closed {
            let extent = file.raw.send.as_ref().map_or(file.raw.extent, |send| send.extent);
            let message = format!("this can never be sent: cap `{}` allows none", cap.name);
            faults.warning("W001", extent, message, None);
        }
        let purpose = policy.purposes.get(send.purpose.index());
        let life = send.expires_after.or(purpose.map(|purpose| purpose.expires_after));
        if let (Some(spread), Some(life)) = (send.spread_over, life)
            && life <= spread
        {
            let written = file.raw.send.as_ref().and_then(|send| send.spread_over.as_ref());
            let extent = written.map_or(file.raw.extent, |spread| spread.extent);
            let message = format!("spread over {spread}, part of them expire first, after {life}");
            let help = "spread them over less, or let them live longer: `expires_after`".to_owned();
            faults.warning("W005", extent, message, help);
        }
        let has = |locale: &str| send.message.variants.iter().any(|(name, _)| **name == *locale);
        if !has(&policy.locale) && !has("default") {
            let message = send.message.variants.first().map_or("", |(locale, _)| locale);
            let extent = file.raw.send.as_ref().map_or(file.raw.extent, |send| send.extent);
            let help = format!("customers of other languages get `{message}`");
            let message = format!("there is no text in the policy's language, `{}`", policy.locale);
            faults.warning("W002", extent, message, help);
        }
    }
}

/// A fault of the set as a whole.
fn nowhere(code: &'static str, message: String) -> Fault {
    Fault {
        code,
        severity: Severity::Error,
        message,
        place: Place::default(),
        extent: Extent::default(),
        help: None,
    }
}
