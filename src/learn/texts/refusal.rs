//! Why nothing was learned from labelled texts, and what to do about it.

use crate::stats::Fault;

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TextRefusal {
    /// There are no rows.
    #[error(
        "there are no labelled texts: {rows} rows, {short} of them without a text that is long enough, {unlabelled} without a label"
    )]
    Nothing {
        /// Rows.
        rows: usize,
        /// Without a text.
        short: usize,
        /// Without a label.
        unlabelled: usize,
    },
    /// Labels that stand for nothing.
    #[error("the label{} `{}` {} none of the model's", if labels.len() == 1 { "" } else { "s" },
        labels.join("`, `"), if labels.len() == 1 { "is" } else { "are" })]
    Strange {
        /// Which.
        labels: Vec<Box<str>>,
        /// What labels may be.
        known: Vec<Box<str>>,
    },
    /// Only one class.
    #[error("every text is `{class}`: there is nothing to tell apart")]
    OneClass {
        /// Which.
        class: Box<str>,
    },
    /// Too few texts.
    #[error("`{class}` has {have} different texts, and {need} are the least")]
    TooFew {
        /// The rarest class.
        class: Box<str>,
        /// How many.
        have: usize,
        /// How many are needed.
        need: u64,
    },
    /// A piece that gives the label away.
    #[error(
        "`{piece}` stands in every text that is `{class}` and in no other: it looks as if labels stood in the texts"
    )]
    Leak {
        /// The piece.
        piece: Box<str>,
        /// What it gives away.
        class: Box<str>,
    },
    /// It is not good enough to speak.
    #[error("what was learned is not good enough: {}", misses.join("; "))]
    NotGoodEnough {
        /// What it lacks.
        misses: Vec<String>,
    },
    /// The rows cannot be fitted.
    #[error("the texts cannot be fitted: {0}")]
    Fault(#[from] Fault),
    /// What was fitted could not be served.
    #[error("what was fitted cannot be served: {0}")]
    Unservable(String),
}

impl TextRefusal {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Nothing { .. } => {
                "look at `learn: {columns: {text: ..., label: ...}}` and `characters` of the model"
                    .to_owned()
            }
            Self::Strange { known, .. } => {
                let known = known.join("`, `");
                format!(
                    "known: `{known}`; say in `classes` what stands for which: `classes: {{upset: \
                     [0, bad]}}`"
                )
            }
            Self::OneClass { .. } => "label texts of the other classes too".to_owned(),
            Self::TooFew { .. } => {
                "label more texts (repeated ones do not count), or lower `refuse_below: {labels: \
                 ...}` knowingly"
                    .to_owned()
            }
            Self::Leak { piece, .. } => format!(
                "take it out of the texts; if customers really write it, say `--trust '{piece}'`"
            ),
            Self::NotGoodEnough { .. } => {
                "the model in force stays, if there is one: label more texts, and look at those \
                 whose label is doubtful"
                    .to_owned()
            }
            Self::Fault(_) => "look at the texts".to_owned(),
            Self::Unservable(_) => "look at the texts: some must be extreme".to_owned(),
        }
    }
}
