//! Faults of the configuration, shown with the line they stand in.

use std::fmt;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, flag or variable.
    pub origin: String,
    /// Line and column from 1, in a file.
    pub at: Option<(u64, u64)>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    // The line as written. Values of variables are never put into it, so that no secret is shown.
    line: Option<String>,
}

/// Everything wrong with the configuration, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Fault {
    /// A fault of a flag or variable.
    pub fn of(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: origin.into(), at: None, message: message.into(), help: None, line: None }
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the line it stands in contains a text.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.line.as_ref().is_some_and(|line| line.contains(text))
    }

    /// At a place of the file whose text is given.
    #[must_use]
    pub fn at(mut self, line: u64, column: u64, text: &str) -> Self {
        self.at = Some((line, column));
        self.line = usize::try_from(line)
            .ok()
            .and_then(|line| text.lines().nth(line.checked_sub(1)?))
            .map(str::to_owned);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: ", self.origin)?,
            None => write!(f, "{}: ", self.origin)?,
        }
        f.write_str(&self.message)?;
        if let (Some(line), Some((number, column))) = (&self.line, self.at) {
            let margin = number.to_string();
            let before = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
            // Tabs are kept so that the caret stands below its character.
            let pad: String =
                line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n  {margin} | {line}\n  {} | {pad}^", " ".repeat(margin.len()))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl Faults {
    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
