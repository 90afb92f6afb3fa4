//! One verdict of the governor with twenty caps in force, against reading the same ledger once for
//! each cap: prints a table, asserts nothing about time.
//!
//! `cargo bench --bench govern [-- --rounds=5]`. Times are the processor's.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

#[path = "common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use common::Fallible;
use common::meter::{self, median, nanos_each};
use common::table::{Goal, Table};
use heedful::declare::{self, Source, SourceKind};
use heedful::engine::catalog::{Catalog, Sending};
use heedful::engine::customer::{Cause, Consent, Contact, ContactKind, CustomerState};
use heedful::engine::decision::VerdictKind;
use heedful::engine::govern::{self, Proposal};
use heedful::engine::id::{CustomerId, DecisionId};
use heedful::engine::input::{Answer, Told};
use heedful::engine::slot::{ChannelSlot, PurposeSlot, TraitSlot, TriggerSlot};
use heedful::engine::time::{Span, Timestamp};
use heedful::engine::value::Value;

/// Verdicts in a round.
const VERDICTS: usize = 200_000;
/// Rounds unless the command line says otherwise. The middle one counts.
const ROUNDS: usize = 5;
/// Caps in force.
const CAPS: usize = 20;
/// Contacts in the ledger, over two weeks.
const CONTACTS: i64 = 12;
/// One every so many hours.
const EVERY_HOURS: i64 = 28;
/// A Monday noon.
const NOON: &str = "2026-03-02T12:00:00Z";

fn main() -> Fallible<()> {
    let rounds = std::env::args().find_map(|arg| arg.strip_prefix("--rounds=")?.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let roomy = Desk::new(|_| 99)?;
    let nearly = Desk::new(|window| window.map_or(1, contacts_in) + 1)?;
    let full = Desk::new(|_| 2)?;
    let mut baseline = Vec::new();
    let (mut sent, mut narrowly, mut capped) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (_, cost) = meter::alone(|| scan(&roomy.state));
        baseline.push(nanos_each(cost.cpu, VERDICTS));
        for (desk, kind, times) in [
            (&roomy, VerdictKind::Send, &mut sent),
            (&nearly, VerdictKind::Send, &mut narrowly),
            (&full, VerdictKind::Defer, &mut capped),
        ] {
            let mut state = desk.state.clone();
            let (given, cost) = meter::alone(|| desk.judge(&mut state));
            if given != Some(kind) {
                return Err(format!("{given:?} instead of {kind:?}").into());
            }
            times.push(nanos_each(cost.cpu, VERDICTS));
        }
        println!("round {round} of {rounds}");
    }
    let (baseline, sent) = (median(baseline), median(sent));
    let (narrowly, capped) = (median(narrowly), median(capped));
    let mut table =
        Table::new(format!("one verdict, {CAPS} caps, {CONTACTS} contacts in the ledger"));
    table.add(
        "reading the ledger once per cap",
        format!("{baseline:.0} ns"),
        (baseline / 1_000.0, "µs"),
        Goal::None,
    );
    let ratio = |nanos: f64| format!("{nanos:.0} ns, {:.1} x", nanos / baseline);
    let goal = Goal::AtMost(1.0);
    table.add("sent: every cap has room", ratio(sent), (sent / 1_000.0, "µs"), goal);
    let value = (narrowly / 1_000.0, "µs");
    table.add("sent: every cap has room for just one more", ratio(narrowly), value, goal);
    table.add(
        "deferred: caps are full, the free instant",
        ratio(capped),
        (capped / 1_000.0, "µs"),
        Goal::None,
    );
    table.print();
    Ok(())
}

/// What no governor can do without: looking at each contact once for each cap.
fn scan(state: &CustomerState) {
    for _ in 0..VERDICTS {
        for cap in 0..CAPS {
            let of = |contact: &&Contact| usize::from(contact.trigger.0) != cap;
            black_box(black_box(state).ledger.iter().filter(of).count());
        }
    }
}

/// A customer, a trigger and its rules.
struct Desk {
    catalog: Arc<Catalog>,
    state: CustomerState,
    now: Timestamp,
}

impl Desk {
    /// Every cap allows at most so many, by the days of its window if it has one.
    fn new(at_most: impl Fn(Option<usize>) -> usize) -> Fallible<Self> {
        let catalog = catalog(at_most)?;
        let now = Timestamp::parse(NOON).ok_or("no instant")?;
        let mut state = CustomerState::new(CustomerId::new("ann"), now - Span::DAY.times(90));
        for (name, value) in [("email", "ann@shop.example"), ("timezone", "Europe/Amsterdam")] {
            let slot = catalog.traits.iter().position(|known| **known == *name);
            let slot = TraitSlot(u16::try_from(slot.ok_or("no such trait")?)?);
            state.traits.push((slot, Value::Str(value.into())));
        }
        state.traits.sort_by_key(|(slot, _)| *slot);
        let (purpose, channel) = (PurposeSlot(0), None);
        let (answer, at, source) = (Answer::Granted, now - Span::DAY.times(60), "bench".into());
        state.rare.consents.push(Consent {
            purpose: Some(purpose),
            channel,
            answer,
            at,
            source,
            evidence: None,
        });
        for number in 0..CONTACTS {
            state.ledger.push(Contact {
                at: now - Span::HOUR.times(EVERY_HOURS * (CONTACTS - number)),
                decision: number.unsigned_abs(),
                trigger: TriggerSlot(0),
                purpose: Some(PurposeSlot(0)),
                channel: ChannelSlot(0),
                tags: 1,
                kind: ContactKind::Sent,
                told: Told::Nothing,
            });
        }
        Ok(Self { catalog, state, now })
    }

    /// Judges one outreach after the other; each is taken back, so that the next finds the same.
    fn judge(&self, state: &mut CustomerState) -> Option<VerdictKind> {
        let trigger = self.catalog.trigger(TriggerSlot(0))?;
        let cause = Cause {
            occurrence: "e1".into(),
            at: self.now,
            clause: 0,
            object: None,
            properties: thin_vec::ThinVec::new(),
        };
        let id = DecisionId::derive(&trigger.id, &state.id, &cause.occurrence);
        let decided_at = self.now;
        let proposal = Proposal { id, slot: TriggerSlot(0), trigger, cause: &cause, decided_at };
        let mut last = None;
        for _ in 0..VERDICTS {
            let asked = std::slice::from_ref(black_box(&proposal));
            let judged = govern::judge(&self.catalog, state, asked, self.now);
            last = judged.first().map(|judgement| judgement.verdict.kind());
            black_box(judged);
            if last == Some(VerdictKind::Send) {
                govern::withdraw(state, id);
            }
        }
        last
    }
}

/// Contacts in a window that ends now.
fn contacts_in(days: usize) -> usize {
    let made = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24) / EVERY_HOURS;
    usize::try_from(made.min(CONTACTS)).unwrap_or_default()
}

fn catalog(at_most: impl Fn(Option<usize>) -> usize) -> Fallible<Arc<Catalog>> {
    let mut policy = String::from(
        "purposes:\n  marketing: {consent: opt_in, caps: count, unknown_zone: refuse, expires_after: 60d}\n\
         channels:\n  email: {needs: email}\nquiet_hours:\n  - {from: \"21:00\", to: \"08:00\"}\ncaps:\n",
    );
    for number in 0..CAPS {
        let scope = [
            "all: true, ",
            "purpose: marketing, ",
            "channel: email, ",
            "trigger: hello, ",
            "tag: news, ",
        ];
        let scope = scope.get(number % scope.len()).copied().unwrap_or_default();
        let days = number + 1;
        let (per, at_most) = match number % 4 {
            0 | 1 => (format!("rolling {days}d"), at_most(Some(days))),
            2 => ("day".to_owned(), at_most(None)),
            _ => ("week".to_owned(), at_most(None)),
        };
        writeln!(policy, "  - {{{scope}at_most: {at_most}, per: {per}}}")?;
    }
    let trigger = "trigger: hello\nkind: behavior\nabout: A bench.\nowner: bench\ntags: [news]\n\
                   when:\n  event: Ping\nsend:\n  purpose: marketing\n  via: [email]\n  message:\n    en: {subject: s, body: \"b {{ unsubscribe_url }}\"}\n";
    let source = |name: &str, kind, text: &str| Source {
        path: format!("{name}.yaml").into(),
        kind,
        text: text.into(),
    };
    let sources = [
        source("policy", SourceKind::Policy, &policy),
        source("hello", SourceKind::Trigger, trigger),
    ];
    match declare::load(&sources, Sending::On) {
        Ok(loaded) => Ok(Arc::new(loaded.catalog)),
        Err(faults) => Err(format!("{faults:?}").into()),
    }
}
