//! What an answer means, by expressions over its status, headers and body.

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, Expression, UndefinedBehavior, Value};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Serialize;

use super::super::client::Rest;
use super::super::outcome::{self, CallResult, of_status};
use super::template;
use crate::config::AnswerConfig;
use crate::engine::time::Timestamp;

/// Instructions that one expression may take.
const FUEL: u64 = 20_000;
/// Longest reason or name that is kept of what the other side said, in characters.
const SAID_CHARS_MAX: usize = 120;

/// Expressions know no templates; one environment is enough for all of them.
static EXPRESSIONS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    env.set_debug(false);
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env
});

pub(super) type Compiled = Option<Expression<'static, 'static>>;

/// Reads answers.
#[derive(Debug)]
pub(super) struct Judge {
    success: Compiled,
    retry: Compiled,
    retry_after: Compiled,
    external_id: Compiled,
    reason: Compiled,
}

/// What a call came to, and by what name the other side knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) result: CallResult,
    pub(super) external_id: Option<String>,
}

/// What expressions see.
#[derive(Debug, Serialize)]
struct Seen {
    status: u16,
    headers: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    now: i64,
}

impl Judge {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn new(config: &AnswerConfig) -> Result<Self, String> {
        let compile = |key: &str, source: &Option<String>| compiled(key, source.as_ref());
        Ok(Self {
            success: compile("success_when", &config.success_when)?,
            retry: compile("retry_when", &config.retry_when)?,
            retry_after: compile("retry_after", &config.retry_after)?,
            external_id: compile("external_id", &config.external_id)?,
            reason: compile("reason", &config.reason)?,
        })
    }

    /// What an answer means.
    pub(super) fn read(
        &self,
        status: u16,
        headers: &HeaderMap,
        rest: &Rest,
        now: Timestamp,
    ) -> Judged {
        let seen = seen(status, headers, rest, now);
        let result = self.result(status, headers, rest, &seen, now);
        let external_id = match result {
            CallResult::Delivered | CallResult::DeliveredAs { .. } => {
                word(self.external_id.as_ref(), &seen)
            }
            CallResult::Accepted { .. }
            | CallResult::Rejected { .. }
            | CallResult::Gone { .. }
            | CallResult::NotSent { .. }
            | CallResult::PutOff { .. }
            | CallResult::Unknown { .. } => None,
        };
        Judged { result, external_id }
    }

    fn result(
        &self,
        status: u16,
        headers: &HeaderMap,
        rest: &Rest,
        seen: &Value,
        now: Timestamp,
    ) -> CallResult {
        let waits = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let by_status = of_status(status, waits, now);
        let said = || match word(self.reason.as_ref(), seen) {
            Some(reason) => format!("{} and says `{reason}`", outcome::said(status)),
            None => outcome::said(status),
        };
        if holds(self.retry.as_ref(), seen) == Some(true) {
            let seconds = word(self.retry_after.as_ref(), seen);
            let waits = seconds.as_deref().or(waits);
            let not_before = waits.and_then(|text| outcome::rest_until(text, now));
            return CallResult::NotSent { why: said(), not_before };
        }
        match (holds(self.success.as_ref(), seen), by_status) {
            (Some(true), _) => CallResult::Delivered,
            (Some(false), CallResult::Delivered) => match rest {
                Rest::Whole(_) => CallResult::Rejected { why: said() },
                Rest::Cut => {
                    let why = format!("{}, and the rest could not be read", outcome::said(status));
                    CallResult::Unknown { why }
                }
            },
            (Some(false) | None, CallResult::Rejected { why }) => {
                let why = if (300..400).contains(&status) { why } else { said() };
                CallResult::Rejected { why }
            }
            (Some(false) | None, by_status) => by_status,
        }
    }
}

/// Compiles an expression.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compiled(key: &str, source: Option<&String>) -> Result<Compiled, String> {
    let Some(source) = source else { return Ok(None) };
    let compiled = EXPRESSIONS.compile_expression_owned(source.clone());
    compiled.map(Some).map_err(|error| format!("`{key}`: {}", template::said(&error)))
}

pub(super) fn seen(status: u16, headers: &HeaderMap, rest: &Rest, now: Timestamp) -> Value {
    let texts = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
    });
    let body = match rest {
        Rest::Whole(bytes) => Some(match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(json) => Value::from(Serde(json)),
            Err(_) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
        }),
        Rest::Cut => None,
    };
    let now = now.as_millis().div_euclid(1_000);
    Value::from(Serde(Seen { status, headers: Value::from_pairs(texts), body, now }))
}

/// Whether an expression holds; one that cannot be evaluated does not. `None` without one.
pub(super) fn holds(
    expression: Option<&Expression<'static, 'static>>,
    seen: &Value,
) -> Option<bool> {
    let value = expression?.eval(seen.clone());
    Some(value.is_ok_and(|value| value.is_true()))
}

/// What an expression comes to, as a word without controls.
pub(super) fn word(
    expression: Option<&Expression<'static, 'static>>,
    seen: &Value,
) -> Option<String> {
    let value = expression?.eval(seen.clone()).ok()?;
    if value.is_undefined() || value.is_none() {
        return None;
    }
    let text = value.to_string();
    let kept: String = text.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
    (!kept.is_empty()).then_some(kept)
}
