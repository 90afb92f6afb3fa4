//! Why: one concrete sentence for each verdict and each rule, with names and local times.

use super::Teller;
use crate::engine::catalog::{Action, Catalog, Sending};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Detail, Finding, Passed, Reason, Rule, Ruling, Verdict};
use crate::engine::input::Answer;
use crate::engine::time::{Timestamp, Zone};

/// Contacts named when a cap is explained.
const HOLDERS_SHOWN: usize = 3;

/// The wall clock in whose time things are told.
#[derive(Clone, Debug)]
pub struct WallClock {
    zone: Zone,
}

impl WallClock {
    /// The customer's; the policy's when theirs is unknown.
    pub fn of(catalog: &Catalog, state: &CustomerState) -> Self {
        let own = state.text_trait(catalog.known.timezone).and_then(Zone::parse);
        Self { zone: own.unwrap_or_else(|| catalog.policy.zone.clone()) }
    }

    /// In a zone.
    pub const fn in_zone(zone: Zone) -> Self {
        Self { zone }
    }

    /// An instant as people say it: `Mon 2 Mar 09:12`.
    pub fn say(&self, at: Timestamp) -> String {
        say_local(at.in_zone(&self.zone))
    }

    /// The name of its zone.
    pub fn zone(&self) -> &str {
        self.zone.name()
    }
}

fn say_local(local: jiff::civil::DateTime) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |names: &[&'static str], index: i8| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    let weekday = name(&DAYS, local.weekday().to_sunday_zero_offset());
    let month = name(&MONTHS, local.month() - 1);
    format!("{weekday} {} {month} {:02}:{:02}", local.day(), local.hour(), local.minute())
}

impl Teller<'_> {
    /// The reason of a ruling, in one sentence.
    pub fn why(&self, ruling: &Ruling, clock: &WallClock) -> String {
        let held = ruling.findings.iter().filter(|finding| finding.passed == Passed::No);
        let details: Vec<String> = held.map(|finding| self.detail(finding, clock)).collect();
        self.why_with(ruling, clock, details.iter().map(String::as_str))
    }

    /// The same, where it is known already what the rules that held it back looked at.
    pub(super) fn why_with<'d>(
        &self,
        ruling: &Ruling,
        clock: &WallClock,
        details: impl Iterator<Item = &'d str>,
    ) -> String {
        let details: Vec<&str> = details.filter(|detail| !detail.is_empty()).collect();
        let details = details.join("; ");
        let reason = ruling.verdict.reason().map(Reason::sentence).unwrap_or_default();
        let mut why = match &ruling.verdict {
            Verdict::Send { channel } => {
                let channel = self.channel(*channel);
                let sent = match self.catalog.sending {
                    Sending::On => "sent",
                    Sending::DryRun => "it would be sent, were sending not off,",
                };
                let name = self.name(ruling);
                let before = ruling.findings.iter().find_map(|finding| match &finding.detail {
                    Detail::Text(text) if finding.passed == Passed::Yes => Some(text),
                    _ => None,
                });
                let before = before.map(|before| format!("; {before}")).unwrap_or_default();
                format!("`{name}` fired and every rule let it pass: {sent} on `{channel}`{before}")
            }
            Verdict::Task => {
                let list = self.catalog.trigger(ruling.trigger).and_then(|trigger| match &trigger
                    .action
                {
                    Action::Task(task) => Some(self.channel(task.channel)),
                    Action::Send(_) => None,
                });
                let list = list.unwrap_or("tasks");
                format!(
                    "`{}` fired and asks for a person: put on the list `{list}`",
                    self.name(ruling)
                )
            }
            Verdict::HoldOut { .. } => {
                format!(
                    "every rule let it pass, but {reason}: nothing is sent, and what follows is compared"
                )
            }
            Verdict::Defer { until, .. } => {
                let detail = if details.is_empty() { reason } else { &details };
                format!("{detail}; decided again {}", clock.say(*until))
            }
            Verdict::Suppress { .. }
            | Verdict::Expire { .. }
            | Verdict::Cancel { .. }
            | Verdict::Unknown { .. } => {
                if details.is_empty() {
                    reason.to_owned()
                } else if ruling.verdict.reason().is_some_and(is_told_by_its_details) {
                    details
                } else {
                    format!("{reason}: {details}")
                }
            }
        };
        let tells_time = matches!(ruling.verdict, Verdict::Defer { .. })
            || ruling.findings.iter().any(tells_time);
        if tells_time && !matches!(ruling.verdict, Verdict::Send { .. } | Verdict::Task) {
            why.push_str(" (");
            why.push_str(clock.zone());
            why.push(')');
        }
        why
    }

    /// What a rule looked at, in a sentence; empty when there is nothing to say.
    pub fn detail(&self, finding: &Finding, clock: &WallClock) -> String {
        match &finding.detail {
            Detail::None => String::new(),
            Detail::Text(text) => text.to_string(),
            Detail::Freeze { by, until } => match (finding.rule, until) {
                (Rule::OncePer, Some(until)) => {
                    format!("`{by}` has acted already and rests until {}", clock.say(*until))
                }
                (Rule::QuietHours, Some(until)) => {
                    format!("blackout `{by}` lasts until {}", clock.say(*until))
                }
                (Rule::Consent, Some(until)) => {
                    format!("the customer asked for a pause until {}", clock.say(*until))
                }
                (_, Some(until)) => format!("`{by}` holds it back until {}", clock.say(*until)),
                (_, None) => format!("`{by}` holds it back as long as its condition holds"),
            },
            Detail::Consent { purpose, known } => {
                let purpose = self.purpose(*purpose);
                match known {
                    Some(Answer::Granted) => format!("the customer said yes to `{purpose}`"),
                    Some(Answer::Denied) => format!("the customer said no to `{purpose}`"),
                    None => format!("no answer is known for `{purpose}`"),
                }
            }
            Detail::Refused { at, source } => {
                let at = clock.say(*at);
                format!("the customer asked {at} that no score decides (from `{source}`)")
            }
            Detail::Channel(Some(channel)) => format!("reachable on `{}`", self.channel(*channel)),
            Detail::Channel(None) => "no channel of the trigger reaches the customer".to_owned(),
            Detail::Arm(arm) => format!("in `{arm}`"),
            Detail::Winner(slot) => format!("`{}` goes first", self.trigger(*slot)),
            Detail::Quiet { local, until } => {
                let (now, end) = (say_local(*local), clock.say(*until));
                format!("it is {now} for the customer, and quiet until {end}")
            }
            Detail::Ramp { share, comes_in } => {
                let of = f64::from(share.0) / 100.0;
                let comes = clock.say(*comes_in);
                match finding.passed {
                    Passed::Yes => {
                        format!("it has come to {of}% of all, and to this customer {comes}")
                    }
                    Passed::No => {
                        format!("it has come to {of}% of all, and comes to this customer {comes}")
                    }
                }
            }
            Detail::Unanswered { messages, after, since, free_at } => {
                let (times, have) = match messages {
                    1 => ("1 message".to_owned(), "has"),
                    many => (format!("{many} messages"), "have"),
                };
                let since = clock.say(*since);
                let of = format!("{times} since {since} {have} had no answer, {after} may");
                match free_at {
                    Some(at) => format!(
                        "{of}: a person takes over; written to again once the customer answers, or from \
                         {} on",
                        clock.say(*at)
                    ),
                    None => of,
                }
            }
            Detail::Cap { .. } => self.cap(finding, clock),
        }
    }

    fn cap(&self, finding: &Finding, clock: &WallClock) -> String {
        let Detail::Cap { name, used, at_most, holders, free_at } = &finding.detail else {
            return String::new();
        };
        if finding.passed == Passed::Yes {
            return format!("cap `{name}`: {used} of {at_most} used");
        }
        let shown: Vec<String> = holders
            .iter()
            .rev()
            .take(HOLDERS_SHOWN)
            .map(|(at, trigger)| format!("`{}` ({})", self.trigger(*trigger), clock.say(*at)))
            .collect();
        let more = holders.len().saturating_sub(shown.len());
        let by = match (shown.split_last(), more) {
            (None, _) => String::new(),
            (Some((last, [])), 0) => format!(" by {last}"),
            (Some((last, others)), 0) => format!(" by {} and {last}", others.join(", ")),
            (Some(_), more) => format!(" by {} and {more} more", shown.join(", ")),
        };
        let free = match free_at {
            Some(at) => format!("next free {}", clock.say(*at)),
            None => "it allows none".to_owned(),
        };
        format!("cap `{name}` is held{by}; {free}")
    }

    fn name(&self, ruling: &Ruling) -> &str {
        self.trigger(ruling.trigger)
    }
}

/// Whether what the rule looked at says all that the reason's own sentence says.
const fn is_told_by_its_details(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoConsent
            | Reason::OptedOut
            | Reason::Paused
            | Reason::Profiling
            | Reason::OncePer
            | Reason::Capped
            | Reason::AccountCap
            | Reason::Budget
            | Reason::QuietHours
            | Reason::Blackout
            | Reason::Unanswered
    )
}

/// Whether a finding is told with a time of day.
fn tells_time(finding: &Finding) -> bool {
    finding.passed == Passed::No
        && match &finding.detail {
            Detail::Freeze { until, .. } => until.is_some(),
            Detail::Quiet { .. }
            | Detail::Cap { .. }
            | Detail::Refused { .. }
            | Detail::Unanswered { .. }
            | Detail::Ramp { .. } => true,
            Detail::None
            | Detail::Text(_)
            | Detail::Consent { .. }
            | Detail::Channel(_)
            | Detail::Arm(_)
            | Detail::Winner(_) => false,
        }
}
