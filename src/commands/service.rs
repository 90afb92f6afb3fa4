//! Talks to a running service over its HTTP API.

use std::time::Duration;

use super::console::Error;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait before asking a busy service again, when it does not say.
const AGAIN: Duration = Duration::from_secs(1);

/// A running service, and how to be let in.
pub struct Service {
    url: reqwest::Url,
    token: Option<String>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for Service {
    /// Without the token, which is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// What a service answered.
#[derive(Debug)]
pub enum Reply {
    /// It did it.
    Done(String),
    /// Ask again after this.
    Busy(Duration),
    /// It will not.
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        text: String,
    },
}

impl Reply {
    /// The answer.
    ///
    /// # Errors
    /// When it will not, or not now: in its own words.
    pub fn done(self) -> Result<String, Error> {
        match self {
            Self::Done(text) => Ok(text),
            Self::Busy(_) => {
                Err(Error::refused("the service is not ready", "try again in a moment"))
            }
            Self::Refused { status: 401 | 403, .. } => {
                Err(Error::refused("the service wants a token", "give it with --token"))
            }
            Self::Refused { text, .. } => {
                let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                let what = answer.get("error").and_then(serde_json::Value::as_str).unwrap_or(&text);
                Err(Error::refused(what, ""))
            }
        }
    }
}

impl Service {
    /// At an address, with a token or write key where it wants one.
    ///
    /// # Errors
    /// When the address is none.
    pub fn at(url: &str, token: Option<String>) -> Result<Self, Error> {
        let failed =
            |what: String| Error::refused(what, "give an address like http://localhost:8080");
        let url = reqwest::Url::parse(url).map_err(|error| failed(format!("`{url}`: {error}")))?;
        // Somebody else in this process may have installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        Ok(Self { url, token, client, runtime })
    }

    /// Asks.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, Error> {
        let mut url = self.join(path)?;
        url.query_pairs_mut().extend_pairs(query);
        let request = self.client.get(url);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.send(request)
    }

    /// Hands over events.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn post(&self, path: &str, body: String) -> Result<Reply, Error> {
        let request = self.client.post(self.join(path)?).body(body);
        let request = request.header("content-type", "application/json");
        let request = match &self.token {
            Some(key) => request.basic_auth(key, Some("")),
            None => request,
        };
        self.send(request)
    }

    /// Gives an order, with the token of the API.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn order(&self, path: &str, body: String) -> Result<Reply, Error> {
        let request = self.client.post(self.join(path)?).body(body);
        let request = request.header("content-type", "application/json");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.send(request)
    }

    fn join(&self, path: &str) -> Result<reqwest::Url, Error> {
        self.url.join(path).map_err(|error| Error::refused(error.to_string(), ""))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply, Error> {
        let url = &self.url;
        let answer = self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            let wait = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok());
            let wait = wait.and_then(|wait| wait.parse().ok()).map_or(AGAIN, Duration::from_secs);
            let text = response.text().await?;
            Ok::<_, reqwest::Error>(match status.as_u16() {
                200..=299 => Reply::Done(text),
                429 | 503 => Reply::Busy(wait),
                status => Reply::Refused { status, text },
            })
        });
        answer.map_err(|error| {
            let why =
                if error.is_timeout() { "it did not answer in time" } else { "is it running?" };
            Error::refused(format!("the service at {url} cannot be reached: {why}"), "")
        })
    }
}
