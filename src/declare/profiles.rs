//! Which triggers look at customers through a score, or through what a model read in their texts.

use std::sync::Arc;

use super::condition;
use crate::engine::catalog::{Action, EventClause, Profiles, SeriesSpec, Trigger, When};
use crate::engine::condition::{Condition, Expr};
use crate::engine::reading::Reader;

/// Marks the triggers whose `when`, `if` or `offer` look at a score or at what a reader says.
pub(crate) fn mark(
    triggers: &mut [Trigger],
    readers: &[Reader],
    properties: &[Arc<str>],
    series: &[SeriesSpec],
) {
    let read = |name: &str| {
        let first = name.split('.').next().unwrap_or(name);
        readers.iter().any(|reader| *reader.name == *first)
    };
    let is_read: Vec<bool> = properties.iter().map(|name| read(name)).collect();
    let looks = Looks { is_read, series };
    for trigger in triggers {
        let asked = trigger.conditions.iter().any(|condition| looks.at(condition));
        if asked || looks.when(&trigger.when) || looks.offers(&trigger.action) {
            trigger.profiles = Profiles::Yes;
        }
    }
}

struct Looks<'s> {
    /// Of each property whether a reader gives it.
    is_read: Vec<bool>,
    series: &'s [SeriesSpec],
}

impl Looks<'_> {
    fn when(&self, when: &When) -> bool {
        let filtered = |filter: &Option<Condition>| filter.as_ref().is_some_and(|one| self.at(one));
        let clause = |clause: &EventClause| filtered(&clause.filter) || filtered(&clause.affects);
        match when {
            When::Score { .. } => true,
            When::Event(clauses) => clauses.iter().any(clause),
            When::Sequence { steps, .. } => steps.iter().any(|step| filtered(&step.filter)),
            When::Session { filter, .. } => filtered(filter),
            When::Change { .. } | When::Date { .. } | When::Schedule { .. } => false,
        }
    }

    /// What is offered is a decision, too. A task goes to a person, who decides.
    fn offers(&self, action: &Action) -> bool {
        let Action::Send(send) = action else { return false };
        send.offers.iter().filter_map(|offer| offer.condition.as_ref()).any(|one| self.at(one))
    }

    fn at(&self, condition: &Condition) -> bool {
        condition::has_part(&condition.expr, &|expr| match expr {
            Expr::Score(_)
            | Expr::ScoreWas(_)
            | Expr::Band(_)
            | Expr::Trend { .. }
            | Expr::ScoreOver { .. } => true,
            Expr::Property(slot) => self.is_read.get(slot.index()).copied().unwrap_or(false),
            Expr::Last(_) | Expr::History(_) => {
                let mut found = std::collections::BTreeSet::new();
                condition::series(expr, &mut found);
                let specs = found.iter().filter_map(|slot| self.series.get(slot.index()));
                specs.filter_map(|spec| spec.filter.as_ref()).any(|filter| self.at(filter))
            }
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::declare::{Source, SourceKind, load};
    use crate::engine::catalog::{Profiles, Sending};

    #[test]
    fn a_trigger_that_looks_at_a_score_anywhere_profiles() {
        let profiles = |more: &str| {
            let kind = if more.contains("kind:") { "" } else { "kind: behavior\n" };
            let trigger = format!(
                "trigger: t\n{kind}about: a\nowner: a@b.example\n{more}\
                 send: {{purpose: service, via: [email], message: {{en: {{body: x}}}}}}\n"
            );
            let risk = "model: risk\ntype: pushed\nabout: a\n".to_owned();
            let source = |kind, path: &str, text: String| Source {
                path: path.into(),
                text: text.into(),
                kind,
            };
            let sources = [
                source(SourceKind::Model, "m.yaml", risk),
                source(SourceKind::Trigger, "t.yaml", trigger),
            ];
            let loaded = load(&sources, Sending::DryRun);
            loaded.map(|loaded| loaded.catalog.triggers[0].profiles).unwrap()
        };
        for (more, expected) in [
            ("when: {event: E}\n", Profiles::No),
            ("when: {event: E}\nif: customer.risk > 1\n", Profiles::No),
            ("when: {event: E}\nif: score.risk > 1\n", Profiles::Yes),
            ("when: {event: E}\nif: customer.a || !(min(score.risk, \"7d\") > 1)\n", Profiles::Yes),
            ("when: {event: E, where: score.risk > 1}\n", Profiles::Yes),
            ("kind: status\nwhen: {score: risk, rises_above: 0.5}\n", Profiles::Yes),
        ] {
            assert_eq!(profiles(more), expected, "{more}");
        }
    }
}
