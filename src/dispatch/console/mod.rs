//! Prints messages on standard output: for trying things out, and for channels not yet configured.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::channel::Channel;
use super::outcome::CallResult;
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;

/// Most characters of one field that are printed.
const FIELD_CHARS_MAX: usize = 2_000;
/// Length of the line above a message.
const RULE_CHARS: usize = 72;

/// Prints messages.
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<dyn Write + Send>>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Console {
    /// On standard output.
    pub fn stdout() -> Self {
        Self { out: Arc::new(Mutex::new(io::stdout())) }
    }
}

impl Channel for Console {
    fn call<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, CallResult> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.write_all(block(row).as_bytes()).and_then(|()| out.flush());
        let result = match written {
            Ok(()) => CallResult::Delivered,
            // Nobody reads standard output any more: that will not change.
            Err(error) => CallResult::Rejected { why: format!("it cannot be printed: {error}") },
        };
        Box::pin(std::future::ready(result))
    }
}

/// A message as people read it.
fn block(row: &OutboxRow) -> String {
    let mut text = String::new();
    let to = row.address.as_deref().unwrap_or(&row.customer);
    let head = format!("── {} to {} ", clean(&row.channel), clean(to));
    let rule = "─".repeat(RULE_CHARS.saturating_sub(head.chars().count()));
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.push_str(&args.to_string());
        text.push('\n');
    };
    line(format_args!("{head}{rule}"));
    for field in &row.content {
        let kept: String = field.text.chars().take(FIELD_CHARS_MAX).collect();
        for (number, words) in kept.lines().enumerate() {
            let name = if number == 0 { clean(&field.name) } else { String::new() };
            line(format_args!("  {name:>8}  {}", clean(words)));
        }
    }
    let offer = row.offer.as_deref().map(|code| format!(" · offer {}", clean(code)));
    let arm = row.arm.as_deref().map(|arm| format!(" · arm {}", clean(arm)));
    line(format_args!(
        "  {:>8}  {} ({}) · decision {}{}{}",
        "why",
        clean(&row.trigger),
        clean(&row.purpose),
        row.decision,
        offer.unwrap_or_default(),
        arm.unwrap_or_default(),
    ));
    text
}

/// Without the characters that steer a terminal: texts come from customers' properties.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::row;
    use crate::store::record::Field;

    #[test]
    fn a_message_is_a_readable_block() {
        let field = |name: &str, text: &str| Field { name: name.into(), text: text.into() };
        let row = OutboxRow {
            content: vec![
                field("title", "Stuck?\u{1b}[31m"),
                field("body", "We can help.\nJust reply.\u{9b}2J"),
            ],
            offer: Some("WELCOME10".into()),
            ..row()
        };
        let expected = "\
── email to ada@x.example ──────────────────────────────────────────────
     title  Stuck?[31m
      body  We can help.
            Just reply.2J
       why  checkout-hesitation (marketing) · decision 07070707070707070707070707070707 · offer WELCOME10
";
        assert_eq!(block(&row), expected);
    }

    #[tokio::test]
    async fn an_output_that_is_closed_refuses() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let console = Console { out: Arc::new(Mutex::new(Closed)) };
        let result = console.call(&row(), Timestamp::MIN).await;
        assert_eq!(result.word(), "rejected");
    }
}
