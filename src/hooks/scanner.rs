//! Whether a link was followed by a person. Programs that guard mailboxes follow all of them, and at
//! once.

use crate::engine::time::{Span, Timestamp};

/// Nobody reads a message and follows a link in it so soon after it was taken.
pub(super) const READ_MIN: Span = Span::SECOND.times(10);
/// What programs call themselves, in small letters.
const PROGRAMS: [&str; 20] = [
    "bot",
    "crawl",
    "spider",
    "preview",
    "scan",
    "proxy",
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "symantec",
    "fireeye",
    "trendmicro",
    "headless",
    "python",
    "curl/",
    "wget/",
    "java/",
    "go-http-client",
    "httpclient",
];

/// Whether a click is a program's: it says so, or it came before a person could have read.
pub(super) fn is_program(
    agent: Option<&str>,
    taken_at: Option<Timestamp>,
    clicked_at: Timestamp,
) -> bool {
    let agent = agent.map(str::to_lowercase);
    let says_so = agent.is_some_and(|agent| PROGRAMS.iter().any(|name| agent.contains(name)));
    says_so || taken_at.is_some_and(|taken_at| clicked_at < taken_at + READ_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_so_or_are_too_fast() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let person = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";
        for (agent, taken_at, clicked_at, expected) in [
            (Some(person), Some(at(0)), at(60), false),
            (Some(person), Some(at(0)), at(9), true),
            (Some(person), Some(at(0)), at(10), false),
            (Some(person), None, at(0), false),
            (None, None, at(0), false),
            (Some("Mozilla/5.0 (compatible; BarracudaCentral)"), None, at(60), true),
            (Some("Mozilla/5.0 HeadlessChrome/120"), None, at(60), true),
            (Some("curl/8.0"), Some(at(0)), at(3_600), true),
        ] {
            assert_eq!(is_program(agent, taken_at, clicked_at), expected, "{agent:?} {clicked_at}");
        }
    }
}
