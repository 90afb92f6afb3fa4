//! Our topics: their names, how each must be set up, and what is to be done where one is not.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::KafkaConfig;

/// How long compacted topics keep what was deleted: longer than any node is away.
const DELETED_KEPT_MS: u64 = 7 * 24 * 3_600_000;
/// How long events are kept unless the operator says otherwise: what can be replayed and back-tested.
const EVENTS_KEPT_MS: u64 = 30 * 24 * 3_600_000;

/// The names of our topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What happened. Its partitions are the shards.
    pub events: String,
    /// What Heedful tells the owner of a customer: outcomes, wishes to be forgotten.
    pub internal: String,
    /// States, marks and outboxes, by key: what a new owner of a shard restores.
    pub changelog: String,
    /// Every decision, with its why.
    pub decisions: String,
    /// What is to be sent.
    pub outreach: String,
    /// What became of it.
    pub deliveries: String,
    /// Who was exposed to which arm.
    pub exposures: String,
    /// The newest scores of each customer.
    pub scores: String,
    /// What was refused, and why.
    pub dead_letters: String,
}

/// What a topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its partitions; all topics that are read by shard have as many.
    pub partitions: u16,
    /// Its copies, when it is made now.
    pub replication: u16,
    /// Settings that must be as they are here, or nothing works.
    pub settings: Vec<(&'static str, String)>,
    /// Settings a new topic is given, which operators may change.
    pub suggested: Vec<(&'static str, String)>,
}

/// A topic as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many partitions it has.
    pub partitions: u16,
    /// How it is set up.
    pub settings: BTreeMap<String, String>,
}

/// Something to be done about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make it.
    Create(Wanted),
    /// Change settings of it.
    Alter {
        /// Which.
        topic: String,
        /// Name, value now (if any), value wanted.
        changes: Vec<(&'static str, Option<String>, String)>,
    },
    /// It has another number of partitions than the events: nothing that can be mended by itself.
    Partitions {
        /// Which.
        topic: String,
        /// How many it has.
        found: u16,
        /// How many it must have.
        wanted: u16,
    },
}

impl Names {
    /// By what the file says.
    pub fn new(config: &KafkaConfig) -> Self {
        let name = |what: &str| format!("{}.{what}", config.prefix);
        Self {
            events: config.events.clone(),
            internal: name("internal"),
            changelog: name("changelog"),
            decisions: name("decisions"),
            outreach: name("outreach"),
            deliveries: name("deliveries"),
            exposures: name("exposures"),
            scores: name("scores"),
            dead_letters: name("dlq"),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&str; 9] {
        [
            &self.events,
            &self.internal,
            &self.changelog,
            &self.decisions,
            &self.outreach,
            &self.deliveries,
            &self.exposures,
            &self.scores,
            &self.dead_letters,
        ]
    }

    /// What each must be like, for so many shards.
    pub fn wanted(&self, shards: u16, replication: u16) -> Vec<Wanted> {
        let safe = if replication < 3 { 1 } else { 2 };
        let topic = |name: &str, settings: &[(&'static str, &str)], kept: Option<u64>| {
            let mut suggested = vec![("min.insync.replicas", safe.to_string())];
            suggested.extend(kept.map(|millis| ("retention.ms", millis.to_string())));
            if settings.contains(&("cleanup.policy", "compact")) {
                suggested.push(("delete.retention.ms", DELETED_KEPT_MS.to_string()));
                suggested.push(("max.compaction.lag.ms", DELETED_KEPT_MS.to_string()));
            }
            Wanted {
                name: name.to_owned(),
                partitions: shards,
                replication,
                settings: settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
                suggested,
            }
        };
        let appended: &[_] = &[("message.timestamp.type", "LogAppendTime")];
        let compacted: &[_] = &[("cleanup.policy", "compact")];
        let kept = Some(EVENTS_KEPT_MS);
        vec![
            topic(&self.events, appended, kept),
            topic(&self.internal, appended, kept),
            topic(&self.changelog, compacted, None),
            topic(&self.decisions, &[], kept),
            topic(&self.outreach, &[], kept),
            topic(&self.deliveries, &[], kept),
            topic(&self.exposures, &[], kept),
            topic(&self.scores, compacted, None),
            topic(&self.dead_letters, &[], kept),
        ]
    }
}

/// What has to be done so that every topic is as it must be.
pub fn plan(wanted: &[Wanted], found: &BTreeMap<String, Found>) -> Vec<Step> {
    let mut steps = Vec::new();
    for wanted in wanted {
        let Some(found) = found.get(&wanted.name) else {
            steps.push(Step::Create(wanted.clone()));
            continue;
        };
        if found.partitions != wanted.partitions {
            steps.push(Step::Partitions {
                topic: wanted.name.clone(),
                found: found.partitions,
                wanted: wanted.partitions,
            });
        }
        let changes: Vec<_> = wanted
            .settings
            .iter()
            .map(|(name, value)| (*name, found.settings.get(*name).cloned(), value.clone()))
            .filter(|(_, now, value)| now.as_ref() != Some(value))
            .collect();
        if !changes.is_empty() {
            steps.push(Step::Alter { topic: wanted.name.clone(), changes });
        }
    }
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(Wanted { name, partitions, replication, settings, suggested }) => {
                write!(
                    f,
                    "create `{name}`: {partitions} partitions, replication factor {replication}"
                )?;
                for (name, value) in settings.iter().chain(suggested) {
                    write!(f, ", {name}={value}")?;
                }
                Ok(())
            }
            Self::Alter { topic, changes } => {
                write!(f, "alter `{topic}`:")?;
                for (index, (name, now, value)) in changes.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let now = now.as_deref().unwrap_or("unset");
                    write!(f, "{comma} {name}={value} (now {now})")?;
                }
                Ok(())
            }
            Self::Partitions { topic, found, wanted } => write!(
                f,
                "`{topic}` has {found} partitions and must have {wanted}, as many as the events: \
                 customers would change their shards, so this is not mended by itself"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&KafkaConfig::new("a:1"))
    }

    fn as_wanted(wanted: &[Wanted]) -> BTreeMap<String, Found> {
        let found = |topic: &Wanted| Found {
            partitions: topic.partitions,
            settings: topic
                .settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        };
        wanted.iter().map(|topic| (topic.name.clone(), found(topic))).collect()
    }

    #[test]
    fn nothing_is_to_be_done_about_topics_that_are_as_they_must_be() {
        let wanted = names().wanted(12, 3);
        assert_eq!(wanted.len(), names().all().len());
        assert_eq!(plan(&wanted, &as_wanted(&wanted)), []);
        assert_eq!(plan(&wanted, &BTreeMap::new()).len(), wanted.len());
    }

    #[test]
    fn what_differs_is_told_with_what_it_is_now() {
        let wanted = names().wanted(12, 3);
        let mut found = as_wanted(&wanted);
        let events = found.get_mut("heedful.events").unwrap();
        events.settings.insert("message.timestamp.type".to_owned(), "CreateTime".to_owned());
        found.get_mut("heedful.changelog").unwrap().partitions = 8;
        let told: Vec<String> = plan(&wanted, &found).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "alter `heedful.events`: message.timestamp.type=LogAppendTime (now CreateTime)",
                "`heedful.changelog` has 8 partitions and must have 12, as many as the events: \
                 customers would change their shards, so this is not mended by itself",
            ]
        );
    }
}
