//! Asks the other side whether it took a call whose result was lost.

use minijinja::Value;
use minijinja::value::Serde;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::super::client::{self, header_name, header_value};
use super::super::egress::check_url;
use super::super::outcome::Answer;
use super::answer::{Compiled, compiled, holds, seen, word};
use super::template::{CONFIRM_BODY, CONFIRM_URL, PROBE_BODY, PROBE_URL, Seen, Templates};
use super::{Written, check_json, method, same_place};
use crate::config::{Egress, ProbeConfig};
use crate::engine::time::Timestamp;

/// Whether something is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    Nothing,
    Body,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Whether a call arrived whose result was lost.
    Call,
    /// Whether somebody confirmed what was taken.
    Confirmation,
}

impl About {
    /// The names of its templates.
    const fn templates(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Call => ("probe", PROBE_URL, PROBE_BODY),
            Self::Confirmation => ("confirm", CONFIRM_URL, CONFIRM_BODY),
        }
    }
}

/// A question as templates, and what its answers mean.
#[derive(Debug)]
pub(super) struct Probe {
    about: About,
    has_body: Sends,
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
        (about, config): (About, &ProbeConfig),
        (templates, sample): (&mut Templates, Seen),
        egress: Egress,
    ) -> Result<Self, String> {
        let (prefix, url_name, body_name) = about.templates();
        templates.add(url_name, &config.url)?;
        let has_body = match &config.body {
            Some(body) => {
                templates.add(body_name, body)?;
                Sends::Body
            }
            None => Sends::Nothing,
        };
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let template = format!("{prefix}.headers.{name}");
            templates.add(&template, value)?;
            headers.push((header_name(name)?, template));
        }
        let sample = Value::from(Serde(sample));
        let url = templates.render(url_name, &sample)?;
        let probe = Self {
            about,
            has_body,
            method: method(config.method),
            sample: check_url(&url, egress)?,
            headers,
            found: compiled(&format!("{prefix}: when it was"), Some(&config.found_when))?,
            absent: compiled(&format!("{prefix}: when it was not"), Some(&config.absent_when))?,
            external_id: compiled("probe.external_id", config.external_id.as_ref())?,
        };
        probe.headers(templates, &sample)?;
        probe.body(templates, &sample)?;
        Ok(probe)
    }

    fn headers(&self, templates: &Templates, seen: &Value) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        if self.has_body == Sends::Body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
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
    ) -> Result<(reqwest::Method, Written), String> {
        let seen = Value::from(Serde(seen));
        let text = templates.render(self.about.templates().1, &seen)?;
        let url = same_place(check_url(&text, egress)?, &text, &self.sample)?;
        let (headers, body) = (self.headers(templates, &seen)?, self.body(templates, &seen)?);
        Ok((self.method.clone(), Written { url, headers, body }))
    }

    fn body(&self, templates: &Templates, seen: &Value) -> Result<Vec<u8>, String> {
        match self.has_body {
            Sends::Nothing => Ok(Vec::new()),
            Sends::Body => {
                let text = templates.render(self.about.templates().2, seen)?;
                check_json(&text)?;
                Ok(text.into_bytes())
            }
        }
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
