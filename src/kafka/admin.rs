//! Asks the brokers how our topics are, and makes them as they must be.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::types::RDKafkaErrorCode;

use super::settings::Settings;
use super::topics::{Found, Step, Wanted};
use super::{Error, topics};
use crate::clock::Stopwatch;
use crate::engine::time::Span;

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a new topic is there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The cluster as its brokers tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Number and address of each broker.
    pub brokers: Vec<(i32, String)>,
    /// The partitions of the topics that were asked for and exist, by number.
    pub topics: BTreeMap<String, Vec<Partition>>,
}

/// A partition as its brokers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whether a broker leads it: otherwise it is out of reach.
    pub has_leader: bool,
    /// How many copies it has.
    pub copies: usize,
    /// How many of them are up to date.
    pub in_sync: usize,
}

/// The settings of a topic, or why they are not told.
pub type Described = Result<BTreeMap<String, String>, RDKafkaErrorCode>;

/// Asks and changes.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    brokers: String,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl Admin {
    /// A client for questions about topics. It does not connect before the first.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let client = AdminClient::from_config(&settings.admin())
            .map_err(|error| Error::of("the properties", &error))?;
        Ok(Self { client, brokers: settings.config().brokers.clone() })
    }

    /// How many brokers there are.
    ///
    /// # Errors
    /// When none answers.
    pub fn brokers(&self) -> Result<usize, Error> {
        let metadata = self.client.inner().fetch_metadata(None, PATIENCE);
        let metadata =
            metadata.map_err(|error| self.unreachable("asking for the brokers", &error))?;
        Ok(metadata.brokers().len())
    }

    /// The brokers, and the partitions of the topics of these names that exist.
    ///
    /// # Errors
    /// When none answers.
    pub fn layout(&self, names: &[&str]) -> Result<Layout, Error> {
        let metadata = self.client.inner().fetch_metadata(None, PATIENCE);
        let metadata =
            metadata.map_err(|error| self.unreachable("asking for the brokers", &error))?;
        let address = |broker: &rdkafka::metadata::MetadataBroker| {
            (broker.id(), format!("{}:{}", broker.host(), broker.port()))
        };
        let partition = |partition: &rdkafka::metadata::MetadataPartition| Partition {
            has_leader: 0 <= partition.leader(),
            copies: partition.replicas().len(),
            in_sync: partition.isr().len(),
        };
        let topics = metadata.topics().iter().filter(|topic| names.contains(&topic.name()));
        let topics = topics.map(|topic| {
            let mut partitions: Vec<_> = topic.partitions().iter().collect();
            partitions.sort_by_key(|partition| partition.id());
            (topic.name().to_owned(), partitions.into_iter().map(partition).collect())
        });
        Ok(Layout {
            brokers: metadata.brokers().iter().map(address).collect(),
            topics: topics.collect(),
        })
    }

    /// How topics are set up, each with why that is not told.
    pub async fn describe<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> BTreeMap<String, Described> {
        let mut all = BTreeMap::new();
        for name in names {
            let topic = [ResourceSpecifier::Topic(name)];
            let described = match self.client.describe_configs(&topic, &options()).await {
                Ok(answers) => answers.into_iter().next(),
                Err(error) => {
                    Some(Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)))
                }
            };
            let described = described.unwrap_or(Err(RDKafkaErrorCode::Unknown));
            let settings = described.map(|resource| {
                let entries = resource.entries.into_iter();
                entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
            });
            all.insert(name.to_owned(), settings);
        }
        all
    }

    /// How the topics of these names are; those that do not exist are left out.
    ///
    /// # Errors
    /// When the brokers do not answer, or not to us.
    pub async fn find(&self, names: &[&str]) -> Result<BTreeMap<String, Found>, Error> {
        // All topics at once: asking for one by name would make it where brokers make topics.
        let metadata = self.client.inner().fetch_metadata(None, PATIENCE);
        let metadata =
            metadata.map_err(|error| self.unreachable("asking for the topics", &error))?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics() {
            if names.contains(&topic.name()) {
                let partitions = u16::try_from(topic.partitions().len()).unwrap_or(u16::MAX);
                let there = Found { partitions, settings: BTreeMap::new() };
                found.insert(topic.name().to_owned(), there);
            }
        }
        let specifiers: Vec<_> =
            found.keys().map(|name| ResourceSpecifier::Topic(name)).collect::<Vec<_>>();
        if specifiers.is_empty() {
            return Ok(found);
        }
        let described = self.client.describe_configs(&specifiers, &options()).await;
        let described =
            described.map_err(|error| Error::of("asking how topics are set up", &error))?;
        let mut settings = BTreeMap::new();
        for resource in described {
            let resource = resource.map_err(|code| Error::Failed {
                doing: "asking how topics are set up",
                why: code.to_string(),
            })?;
            let rdkafka::admin::OwnedResourceSpecifier::Topic(name) = resource.specifier else {
                continue;
            };
            let entries = resource.entries.into_iter();
            let entries = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
            settings.insert(name, entries);
        }
        for (name, topic) in &mut found {
            topic.settings = settings.remove(name).unwrap_or_default();
        }
        Ok(found)
    }

    /// Does one step of a plan.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn apply(&self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Create(wanted) => self.create(wanted).await,
            Step::Alter { topic, changes } => self.alter(topic, changes).await,
            Step::Partitions { .. } => Err(Error::Topics(vec![step.to_string()])),
        }
    }

    async fn create(&self, wanted: &Wanted) -> Result<(), Error> {
        let replication = TopicReplication::Fixed(i32::from(wanted.replication));
        let mut topic = NewTopic::new(&wanted.name, i32::from(wanted.partitions), replication);
        for (name, value) in wanted.settings.iter().chain(&wanted.suggested) {
            topic = topic.set(name, value);
        }
        let made = self.client.create_topics([&topic], &options()).await;
        let made = made.map_err(|error| Error::of("making a topic", &error))?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Error::Topics(vec![format!("`{name}` was not made: {code}")]));
                }
            }
        }
        self.await_shown(wanted).await
    }

    /// Brokers tell of a new topic a little later than they make it.
    async fn await_shown(&self, wanted: &Wanted) -> Result<(), Error> {
        let watch = Stopwatch::start();
        while watch.elapsed() < PATIENCE {
            let found = self.find(&[&wanted.name]).await?;
            if found.get(&wanted.name).is_some_and(|found| found.partitions == wanted.partitions) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(Error::Topics(vec![format!("`{}` was made, but no broker tells of it", wanted.name)]))
    }

    /// The brokers replace all settings of a topic at once, so those it has are sent along.
    async fn alter(
        &self,
        topic: &str,
        changes: &[(&'static str, Option<String>, String)],
    ) -> Result<(), Error> {
        let described = self
            .client
            .describe_configs(&[ResourceSpecifier::Topic(topic)], &options())
            .await
            .map_err(|error| Error::of("asking how a topic is set up", &error))?;
        let kept: Vec<(String, String)> = described
            .into_iter()
            .flatten()
            .flat_map(|resource| resource.entries)
            .filter(|entry| matches!(entry.source, ConfigSource::DynamicTopic))
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect();
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &kept {
            alter = alter.set(name, value);
        }
        for (name, _, value) in changes {
            alter = alter.set(name, value);
        }
        let altered = self.client.alter_configs([&alter], &options()).await;
        let altered = altered.map_err(|error| Error::of("changing a topic", &error))?;
        for result in altered {
            if let Err((_, code)) = result {
                return Err(Error::Topics(vec![format!("`{topic}` was not changed: {code}")]));
            }
        }
        Ok(())
    }

    /// Checks that every topic is as it must be, and says how many shards there are.
    ///
    /// # Errors
    /// What is to be done, and by which command.
    pub async fn check(&self, names: &topics::Names) -> Result<u16, Error> {
        let found = self.find(&names.all()).await?;
        let shards = found.get(&names.events).map_or(0, |events| events.partitions);
        let missing = || format!("there is no topic `{}`", names.events);
        let mut faults: Vec<String> = match shards {
            0 => vec![missing()],
            _ => topics::plan(&names.wanted(shards, 1), &found)
                .iter()
                .map(|step| match step {
                    Step::Create(wanted) => format!("there is no topic `{}`", wanted.name),
                    other => other.to_string(),
                })
                .collect(),
        };
        if faults.is_empty() {
            return Ok(shards);
        }
        faults.push("`heedful kafka init` shows what is to be done, `--apply` does it".to_owned());
        Err(Error::Topics(faults))
    }

    /// How long a compacted topic tells that something was deleted, at least.
    ///
    /// # Errors
    /// When the brokers do not answer, or not to us.
    pub async fn deleted_kept(&self, topic: &str) -> Result<Span, Error> {
        let found = self.find(&[topic]).await?;
        let kept = found.get(topic).and_then(|found| found.settings.get("delete.retention.ms"));
        // Not told, it is not relied upon.
        let millis = kept.and_then(|millis| millis.parse().ok()).unwrap_or_default();
        Ok(Span::from_millis(millis))
    }

    fn unreachable(&self, doing: &'static str, error: &rdkafka::error::KafkaError) -> Error {
        Error::Unreachable { doing, why: error.to_string(), brokers: self.brokers.clone() }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
