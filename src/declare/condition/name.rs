//! The names in a condition: what each stands for, and what was meant by one that stands for nothing.

use cel::common::ast::{Expr as Cel, IdedExpr, LiteralValue, operators};

use super::check::{Checker, Kind, Sight, Typed};
use crate::declare::suggest;
use crate::declare::symbols::Sessions;
use crate::engine::condition::{Expr, SessionField};
use crate::engine::health::DAYS_MAX;
use crate::engine::slot::ScoreSlot;

/// Names that stand for something.
const ROOTS: &[&str] = &["customer", "event", "score", "health", "session"];

impl Checker<'_, '_> {
    /// `customer.plan`, `has(customer.plan)`, `customer["plan"]`.
    pub(super) fn name(&mut self, node: &IdedExpr) -> Option<Typed> {
        if let Cel::Select(select) = &node.expr
            && select.test
        {
            let mut path = vec![select.field.as_str()];
            let root = self.path(&select.operand, &mut path)?;
            let of = self.resolve(node, &root, &path)?;
            return Some(Typed { expr: Expr::Has(Box::new(of.expr)), kind: Kind::Truth });
        }
        let mut path = Vec::new();
        let root = self.path(node, &mut path)?;
        self.resolve(node, &root, &path)
    }

    /// Collects the members of a name, innermost last, and gives its root.
    fn path<'t>(&mut self, node: &'t IdedExpr, path: &mut Vec<&'t str>) -> Option<String> {
        match &node.expr {
            Cel::Ident(root) => {
                path.reverse();
                Some(root.clone())
            }
            Cel::Select(select) if !select.test => {
                path.push(&select.field);
                self.path(&select.operand, path)
            }
            Cel::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
                [of, IdedExpr { expr: Cel::Literal(LiteralValue::String(key)), .. }] => {
                    path.push(key.inner());
                    self.path(of, path)
                }
                [_, key, ..] => {
                    let help = "a list is asked with `in`: \"a\" in customer.services".to_owned();
                    self.fault(
                        "E011",
                        key,
                        "only a name in quotes can stand in brackets",
                        Some(help),
                    );
                    None
                }
                _ => None,
            },
            _ => {
                self.fault("E011", node, "only names have members", None);
                None
            }
        }
    }

    fn resolve(&mut self, node: &IdedExpr, root: &str, path: &[&str]) -> Option<Typed> {
        let any = |expr| Some(Typed { expr, kind: Kind::Any });
        match (root, path, self.sight) {
            ("customer" | "score" | "health" | "session", _, Sight::Event) => {
                let message = format!("`{root}` is not known here: this looks at the event alone");
                self.fault("E011", node, message, None);
                None
            }
            ("event", _, Sight::Customer(why)) => {
                self.fault("E011", node, format!("there is no `event` here: {why}"), None);
                None
            }
            ("customer", ["id"], _) => Some(Typed { expr: Expr::CustomerId, kind: Kind::Text }),
            ("customer", [name, below @ ..], _) => any(Expr::Trait {
                slot: self.symbols.trait_(name),
                path: below.iter().map(|member| Box::from(*member)).collect(),
            }),
            ("event", [_, ..], _) => {
                let path = path.join(".");
                let kind = self.kind_of_property(node, &path, None)?;
                Some(Typed { expr: Expr::Property(self.symbols.property(&path)), kind })
            }
            ("score", [name], _) => self.score(node, name),
            ("health", [field], _) => self.health(node, field),
            ("session", ["events"], _) => {
                self.symbols.sessions = Sessions::Used;
                Some(Typed { expr: Expr::Session(SessionField::Events), kind: Kind::Number })
            }
            ("session", ["minutes"], _) => {
                self.symbols.sessions = Sessions::Used;
                Some(Typed { expr: Expr::Session(SessionField::Minutes), kind: Kind::Number })
            }
            ("session", _, _) => {
                let help = "known: `session.events`, `session.minutes`".to_owned();
                self.fault("E011", node, "a session has no such field", Some(help));
                None
            }
            ("customer" | "event" | "score" | "health", _, _) => {
                let (message, help) = match root {
                    "customer" => ("`customer` alone is no value", "name a trait: customer.plan"),
                    "event" => ("`event` alone is no value", "name a property: event.total"),
                    "score" => ("a score has no members", "name its model: score.churn"),
                    _ => (
                        "health has no such field",
                        "known: `health.score`, `health.band`, `health.trend_7d`",
                    ),
                };
                self.fault("E011", node, message, Some(help.to_owned()));
                None
            }
            _ => self.stranger(node, root, path),
        }
    }

    /// A name that stands for nothing.
    fn stranger(&mut self, node: &IdedExpr, root: &str, path: &[&str]) -> Option<Typed> {
        let help = if let Some(near) = suggest::nearest(root, ROOTS.iter().copied()) {
            Some(format!("did you mean `{near}`?"))
        } else if super::function::is_function(root) {
            Some(format!("it is a function: {root}(...)"))
        } else if path.is_empty() {
            Some(format!(
                "a text needs quotes: \"{root}\"; a trait is customer.{root}, a property event.{root}"
            ))
        } else {
            suggest::help(root, ROOTS.iter().copied())
        };
        self.fault("E011", node, format!("nothing is called `{root}` here"), help);
        None
    }

    fn score(&mut self, node: &IdedExpr, written: &str) -> Option<Typed> {
        if let Some(slot) = self.symbols.score(written) {
            return Some(Typed { expr: Expr::Score(slot), kind: Kind::Number });
        }
        if let Some(slot) = written.strip_suffix("_was").and_then(|name| self.symbols.score(name)) {
            return Some(Typed { expr: Expr::ScoreWas(slot), kind: Kind::Number });
        }
        if let Some(slot) = written.strip_suffix("_band").and_then(|name| self.symbols.score(name))
        {
            return Some(Typed { expr: Expr::Band(slot), kind: Kind::Band(slot) });
        }
        if let Some((name, days)) = written.rsplit_once("_trend_")
            && let (Some(score), Some(days)) = (self.symbols.score(name), trend_days(days))
        {
            return Some(self.trend(score, days));
        }
        if self.symbols.texts.iter().any(|known| *known.name == *written) {
            let message = format!("model `{written}` reads texts and scores nobody");
            let help = format!("ask about an event: event.{written}, or its history");
            self.fault("E032", node, message, Some(help));
            return None;
        }
        let names: Vec<_> = self.symbols.scores.iter().map(|score| score.name.clone()).collect();
        let known = names.iter().map(|name| &**name);
        let help = suggest::help(written, known).unwrap_or_else(|| {
            format!(
                "declare it: models/{written}.yaml, with `type: pushed` if it is computed elsewhere"
            )
        });
        self.fault("E032", node, format!("there is no model `{written}`"), Some(help));
        None
    }

    /// The value now less that of some days ago, which must be remembered for it.
    fn trend(&mut self, score: ScoreSlot, days: u16) -> Typed {
        self.symbols.remember(score, days);
        Typed { expr: Expr::Trend { score, days }, kind: Kind::Number }
    }

    fn health(&mut self, node: &IdedExpr, field: &str) -> Option<Typed> {
        let Some(score) = self.symbols.score("health") else {
            let help = "declare it: models/health.yaml".to_owned();
            self.fault("E032", node, "there is no model `health`", Some(help));
            return None;
        };
        let trend = field.strip_prefix("trend_").and_then(trend_days);
        Some(match (field, trend) {
            ("score", _) => Typed { expr: Expr::Score(score), kind: Kind::Number },
            ("band", _) => Typed { expr: Expr::Band(score), kind: Kind::Band(score) },
            (_, Some(days)) => self.trend(score, days),
            _ => {
                let known = ["score", "band", "trend_7d", "trend_28d"];
                self.fault(
                    "E011",
                    node,
                    format!("health has no `{field}`"),
                    suggest::help(field, known),
                );
                return None;
            }
        })
    }
}

fn trend_days(text: &str) -> Option<u16> {
    text.strip_suffix('d')?.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days))
}
