//! Writes outreach to a topic of Kafka: the body of a webhook, keyed by the customer.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::channel::Channel;
use super::outcome::CallResult;
use super::webhook;
use crate::config::TopicConfig;
use crate::engine::time::Timestamp;
use crate::kafka::outlet::{Outlet, Written};
use crate::kafka::settings::Settings;
use crate::links::Links;
use crate::store::record::OutboxRow;

/// A topic.
#[derive(Debug)]
pub struct Topic {
    outlet: Outlet,
    /// Where receipts are taken in.
    links: Option<Arc<Links>>,
}

impl Topic {
    /// Makes the producer.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(
        channel: &str,
        config: &TopicConfig,
        links: Option<Arc<Links>>,
    ) -> Result<Self, String> {
        let Some(kafka) = &config.kafka else {
            return Err("it has no brokers: name them here or below `kafka:`".to_owned());
        };
        let settings = Settings::new(kafka, &format!("channel-{channel}"));
        let outlet = Outlet::new(&settings, &config.topic, config.timeout);
        Ok(Self { outlet: outlet.map_err(|error| error.to_string())?, links })
    }

    async fn write(&self, row: &OutboxRow) -> CallResult {
        let body = match webhook::body(row, self.links.as_deref()) {
            Ok(body) => body,
            Err(why) => return CallResult::Rejected { why },
        };
        let headers: [(&str, &[u8]); 3] = [
            ("id", row.decision.as_bytes()),
            ("type", webhook::TYPE.as_bytes()),
            ("content-type", b"application/json"),
        ];
        match self.outlet.write(&row.customer, &body, &headers).await {
            Written::Durable => CallResult::Delivered,
            Written::NotNow(why) => CallResult::NotSent { why, not_before: None },
            Written::Never(why) => CallResult::Rejected { why },
            Written::Unknown(why) => CallResult::Unknown { why },
        }
    }
}

impl Channel for Topic {
    fn call<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.write(row))
    }
}
