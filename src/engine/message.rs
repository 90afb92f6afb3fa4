//! From template and state to the text a channel carries.

use super::catalog::Trigger;
use super::decision::Content;
use super::evaluate::Scope;
use super::value::Value;

/// Compiled templates by name.
pub struct Texts {
    env: minijinja::Environment<'static>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// What a template sees beside `customer`, `event`, `score` and `health`.
#[derive(Clone, Debug, Default)]
pub struct Extras<'a> {
    /// `offer.code`.
    pub offer: Option<&'a str>,
    /// `arm.<name>`.
    pub arm: &'a [(Box<str>, Value)],
    /// `days_left`: calendar days until the trigger's date.
    pub days_left: Option<i64>,
    /// `reasons`: of the trigger's score, worst first.
    pub reasons: &'a [Box<str>],
}

impl Texts {
    /// An environment with our filters, strict about undefined names, bounded in fuel and output.
    pub fn new() -> Self {
        Self { env: minijinja::Environment::new() }
    }

    /// Compiles a template.
    ///
    /// # Errors
    /// The message, with its line inside the template.
    pub fn add(&mut self, _name: &str, _source: &str) -> Result<(), minijinja::Error> {
        let _ = &self.env;
        unimplemented!()
    }

    /// Renders the variant of a trigger's message for the customer's locale.
    ///
    /// # Errors
    /// A sentence that says which field failed and why.
    pub fn message(
        &self,
        _trigger: &Trigger,
        _scope: &Scope<'_>,
        _extras: &Extras<'_>,
    ) -> Result<Content, String> {
        unimplemented!()
    }

    /// Renders one template.
    ///
    /// # Errors
    /// A sentence that says why.
    pub fn render(
        &self,
        _name: &str,
        _scope: &Scope<'_>,
        _extras: &Extras<'_>,
    ) -> Result<Box<str>, String> {
        unimplemented!()
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}
