//! Asks the other side whether it took a call whose result was lost.

use minijinja::Value;
use minijinja::value::Serde;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};

use super::super::client::{self, header_name, header_value};
use super::super::egress::check_url;
use super::super::outcome::Answer;
use super::answer::{Compiled, compiled, holds, seen, word};
use super::template::{PROBE_URL, Seen, Templates};
use super::{method, same_place};
use crate::config::{Egress, ProbeConfig};
use crate::engine::time::Timestamp;

/// A question as templates, and what its answers mean.
#[derive(Debug)]
pub(super) struct Probe {
    method: reqwest::Method,
    /// What the URL comes to for a sample: no row may lead elsewhere.
    sample: Url,
    headers: Vec<(HeaderName, String)>,
    found: Compiled,
    absent: Compiled,
    external_id: Compiled,
}

impl Probe {
    /// Compiles the templates and writes a sample.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub(super) fn new(
        config: &ProbeConfig,
        templates: &mut Templates,
        egress: Egress,
    ) -> Result<Self, String> {
        templates.add(PROBE_URL, &config.url)?;
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let template = format!("probe.headers.{name}");
            templates.add(&template, value)?;
            headers.push((header_name(name)?, template));
        }
        let sample = Value::from(Serde(templates.sample()));
        let url = templates.render(PROBE_URL, &sample)?;
        let probe = Self {
            method: method(config.method),
            sample: check_url(&url, egress)?,
            headers,
            found: compiled("probe.found_when", Some(&config.found_when))?,
            absent: compiled("probe.absent_when", Some(&config.absent_when))?,
            external_id: compiled("probe.external_id", config.external_id.as_ref())?,
        };
        probe.headers(templates, &sample)?;
        Ok(probe)
    }

    fn headers(&self, templates: &Templates, seen: &Value) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            let value = templates.render(template, seen)?;
            headers.insert(name.clone(), header_value(name.as_str(), &value)?);
        }
        Ok(headers)
    }

    /// The request that asks about a row.
    pub(super) fn write(
        &self,
        templates: &Templates,
        seen: Seen,
        egress: Egress,
    ) -> Result<(reqwest::Method, Url, HeaderMap), String> {
        let seen = Value::from(Serde(seen));
        let text = templates.render(PROBE_URL, &seen)?;
        let url = same_place(check_url(&text, egress)?, &text, &self.sample)?;
        Ok((self.method.clone(), url, self.headers(templates, &seen)?))
    }

    /// What an answer means. What says neither yes nor no is no answer.
    pub(super) fn read(
        &self,
        status: u16,
        headers: &HeaderMap,
        rest: &client::Rest,
        now: Timestamp,
    ) -> Answer {
        let seen = seen(status, headers, rest, now);
        let whole = matches!(rest, client::Rest::Whole(_));
        if whole && holds(self.found.as_ref(), &seen) == Some(true) {
            return Answer::Taken { name: word(self.external_id.as_ref(), &seen) };
        }
        if whole && holds(self.absent.as_ref(), &seen) == Some(true) {
            return Answer::Absent;
        }
        Answer::Unclear { why: format!("it was asked, and answered {status}") }
    }
}
