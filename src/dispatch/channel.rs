//! What every channel can do, and how one is made from its configuration.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::{ChannelConfig, ChannelKind, Hears};
use crate::engine::time::Timestamp;
use crate::links::Links;
use crate::store::record::OutboxRow;

use super::console::Console;
use super::http::Http;
use super::in_app::InApp;
use super::outcome::{Answer, CallResult};
use super::smtp::Smtp;
use super::tables::Tables;
#[cfg(feature = "kafka")]
use super::topic::Topic;
use super::web_push::WebPush;
use super::webhook::Webhook;

/// A way to reach a customer. One call is one attempt; trying again is not its concern.
pub trait Channel: Send + Sync + std::fmt::Debug {
    /// Makes one attempt, at a time, and says what it came to. It returns within its own timeout.
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult>;

    /// Asks the other side whether it took a call whose result was lost; sends nothing.
    fn ask<'a>(&'a self, _: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, Answer> {
        let why = "this channel cannot be asked".to_owned();
        Box::pin(std::future::ready(Answer::Unclear { why }))
    }
}

/// A channel that cannot be made from its configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: channel `{channel}` cannot be used: {why}")]
pub struct Unusable {
    /// Its name.
    pub channel: String,
    /// Where it is configured.
    pub place: String,
    /// Why, and what to do.
    pub why: String,
}

/// Makes a channel.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn make(
    config: &ChannelConfig,
    in_app: &InApp,
    links: &Arc<Links>,
) -> Result<Arc<dyn Channel>, Unusable> {
    let links = match config.receipts.hears() {
        Hears::Receipts => Some(Arc::clone(links)),
        Hears::Nothing => None,
    };
    let unusable =
        |why| Unusable { channel: config.name.clone(), place: config.place.clone(), why };
    Ok(match &config.kind {
        ChannelKind::Console => Arc::new(Console::stdout()),
        ChannelKind::InApp => Arc::new(in_app.clone()),
        ChannelKind::Webhook(webhook) => {
            Arc::new(Webhook::new(webhook).map_err(unusable)?.heard(links))
        }
        ChannelKind::Http(http) => Arc::new(Http::new(http).map_err(unusable)?.heard(links)),
        ChannelKind::Smtp(smtp) => Arc::new(Smtp::new(smtp).map_err(unusable)?),
        #[cfg(feature = "kafka")]
        ChannelKind::Kafka(topic) => {
            Arc::new(Topic::new(&config.name, topic, links).map_err(unusable)?)
        }
        #[cfg(not(feature = "kafka"))]
        ChannelKind::Kafka(_) => {
            return Err(unusable("this build knows no Kafka (feature `kafka`)".to_owned()));
        }
        ChannelKind::WebPush(push) => {
            let push = WebPush::new(push).map_err(unusable)?;
            let (channel, public_key) = (&config.name, push.public_key());
            tracing::info!(channel, public_key, "pages subscribe to web push with this key");
            Arc::new(push)
        }
        ChannelKind::Csv(csv) => Arc::new(Tables::new(&config.name, csv).map_err(unusable)?),
    })
}
