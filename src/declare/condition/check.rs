//! Names, types and shapes of a parsed condition; what passes is lowered to the engine's tree.

use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, operators};

use super::parse::Tree;
use super::walk;
use crate::declare::fault::Extent;
use crate::declare::node::Embedded;
use crate::declare::read::Faults;
use crate::declare::suggest;
use crate::declare::symbols::{Sessions, Symbols};
use crate::engine::condition::{Arithmetic, Comparison, Expr, SessionField};
use crate::engine::slot::ScoreSlot;
use crate::engine::value::Value;

/// What a condition can see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    /// The customer and an event.
    CustomerAndEvent,
    /// The customer; there is no event, and why.
    Customer(&'static str),
    /// The event alone: a filter of history.
    Event,
}

/// What kind of value an expression gives, as far as that is known before it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Known only when evaluated: traits and properties.
    Any,
    /// True or false.
    Truth,
    /// A number.
    Number,
    /// A text.
    Text,
    /// The band of a score.
    Band(ScoreSlot),
    /// A list.
    List,
}

impl Kind {
    /// For messages.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::Text | Self::Band(_) => "a text",
            Self::List => "a list",
        }
    }

    /// Whether a value of this kind can be compared with one of the other.
    fn meets(self, other: Self) -> bool {
        let text = |kind| matches!(kind, Self::Text | Self::Band(_));
        self == Self::Any || other == Self::Any || self == other || (text(self) && text(other))
    }
}

/// An expression with its kind.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
}

/// Names that stand for something.
const ROOTS: &[&str] = &["customer", "event", "score", "health", "session"];

/// One condition being checked.
#[derive(Debug)]
pub(super) struct Checker<'a, 'f> {
    pub(super) text: &'a Embedded,
    pub(super) tree: &'a Tree,
    pub(super) sight: Sight,
    pub(super) symbols: &'a mut Symbols,
    pub(super) faults: &'a mut Faults<'f>,
}

impl Checker<'_, '_> {
    /// Checks the whole.
    pub(super) fn check(&mut self, wanted: Kind) -> Option<(Expr, Kind)> {
        let root = &self.tree.root;
        if wanted == Kind::Truth {
            return Some((self.truth(root)?, Kind::Truth));
        }
        let typed = self.lower(root)?;
        if !typed.kind.meets(wanted) {
            let message =
                format!("{} is wanted here, this is {}", wanted.noun(), typed.kind.noun());
            self.fault("E012", root, message, None);
            return None;
        }
        Some((typed.expr, typed.kind))
    }

    /// An expression where true or false is wanted.
    pub(super) fn truth(&mut self, node: &IdedExpr) -> Option<Expr> {
        if let Cel::Call(CallExpr { func_name, args, .. }) = &node.expr
            && let (operators::CONDITIONAL, [condition, then, otherwise]) =
                (func_name.as_str(), args.as_slice())
        {
            // Both sides are wanted as truth values, so a bare name there counts as one: the
            // whole must not, or a missing side would pass for false.
            let parts = [condition, then, otherwise].map(|part| self.truth(part).map(Box::new));
            let [condition, then, otherwise] = parts;
            return Some(Expr::If { condition: condition?, then: then?, otherwise: otherwise? });
        }
        let typed = self.lower(node)?;
        match typed.kind {
            Kind::Truth => Some(typed.expr),
            // A bare name: what nobody ever set is not so.
            Kind::Any => Some(Expr::Flag(Box::new(typed.expr))),
            Kind::Number | Kind::Text | Kind::Band(_) | Kind::List => {
                let message =
                    format!("true or false is wanted here, this is {}", typed.kind.noun());
                let help = match typed.kind {
                    Kind::Number => Some("compare it: `... > 0`".to_owned()),
                    Kind::Text | Kind::Band(_) => Some("compare it: `... == \"...\"`".to_owned()),
                    _ => None,
                };
                self.fault("E012", node, message, help);
                None
            }
        }
    }

    /// An expression where a number is wanted.
    pub(super) fn number(&mut self, node: &IdedExpr) -> Option<Expr> {
        self.wanted(node, Kind::Number)
    }

    /// An expression of a kind that is wanted.
    pub(super) fn wanted(&mut self, node: &IdedExpr, kind: Kind) -> Option<Expr> {
        let typed = self.lower(node)?;
        if typed.kind.meets(kind) {
            return Some(typed.expr);
        }
        let message = format!("{} is wanted here, this is {}", kind.noun(), typed.kind.noun());
        self.fault("E012", node, message, None);
        None
    }

    /// Any expression.
    pub(super) fn lower(&mut self, node: &IdedExpr) -> Option<Typed> {
        match &node.expr {
            Cel::Literal(literal) => self.literal(node, literal),
            Cel::Ident(_) | Cel::Select(_) => self.name(node),
            Cel::List(list) => self.list(node, &list.elements),
            Cel::Call(call) => self.call(node, call),
            Cel::Comprehension(_) => {
                let message =
                    "loops (`all`, `exists`, `map`, `filter`) are not part of the language";
                self.fault("E013", node, message, None);
                None
            }
            Cel::Map(_) | Cel::Struct(_) | Cel::Unspecified => {
                self.fault("E010", node, "this has no meaning here", None);
                None
            }
        }
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Option<Typed> {
        let number =
            |number: f64| Typed { expr: Expr::Literal(Value::Num(number)), kind: Kind::Number };
        Some(match literal {
            LiteralValue::Boolean(flag) => {
                Typed { expr: Expr::Literal(Value::Bool(*flag.inner())), kind: Kind::Truth }
            }
            LiteralValue::Double(value) => number(*value.inner()),
            // Through text, because there is no lossless conversion to spell here.
            LiteralValue::Int(value) => number(value.inner().to_string().parse().ok()?),
            LiteralValue::UInt(value) => number(value.inner().to_string().parse().ok()?),
            LiteralValue::String(text) => {
                Typed { expr: Expr::Literal(Value::Str(text.inner().into())), kind: Kind::Text }
            }
            LiteralValue::Null => {
                let help = "ask whether it is known: has(customer.phone), !has(customer.phone)";
                self.fault("E012", node, "there is no `null` here", Some(help.to_owned()));
                return None;
            }
            LiteralValue::Bytes(_) => {
                self.fault("E012", node, "there are no bytes here", None);
                return None;
            }
        })
    }

    fn list(&mut self, node: &IdedExpr, elements: &[IdedExpr]) -> Option<Typed> {
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            match self.lower(element)?.expr {
                Expr::Literal(value) => values.push(value),
                _ => {
                    let message = "a list holds fixed values only";
                    let help =
                        "compare one by one: `a == customer.x || a == customer.y`".to_owned();
                    self.fault("E012", element, message, Some(help));
                    return None;
                }
            }
        }
        if values.is_empty() {
            self.fault("E012", node, "this list is empty", None);
            return None;
        }
        Some(Typed { expr: Expr::Literal(Value::List(values.into())), kind: Kind::List })
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let args = call.args.as_slice();
        let truth = |expr| Some(Typed { expr, kind: Kind::Truth });
        match (call.func_name.as_str(), args) {
            (operators::LOGICAL_AND, [_, _]) => truth(self.joined(node, operators::LOGICAL_AND)?),
            (operators::LOGICAL_OR, [_, _]) => truth(self.joined(node, operators::LOGICAL_OR)?),
            (operators::LOGICAL_NOT, [of]) => truth(Expr::Not(Box::new(self.truth(of)?))),
            (operators::IN, [needle, haystack]) => truth(self.contained(node, needle, haystack)?),
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                self.choice(node, condition, then, otherwise)
            }
            (operators::NEGATE, [of]) => {
                let expr = match self.number(of)? {
                    Expr::Literal(Value::Num(number)) => Expr::Literal(Value::Num(-number)),
                    other => Expr::Negate(Box::new(other)),
                };
                Some(Typed { expr, kind: Kind::Number })
            }
            (operators::INDEX, [_, _]) => self.name(node),
            (name, [left, right]) if comparison(name).is_some() => {
                truth(self.compared(node, comparison(name)?, left, right)?)
            }
            (name, [left, right]) if arithmetic(name).is_some() => {
                self.computed(node, arithmetic(name)?, left, right)
            }
            _ => self.function(node, call),
        }
    }

    /// `a && b && c` in any grouping, flattened, cheap parts first: the order of parts does not
    /// show in the outcome.
    fn joined(&mut self, node: &IdedExpr, operator: &str) -> Option<Expr> {
        let mut leaves = Vec::new();
        flatten(node, operator, &mut leaves);
        let parts: Vec<Option<Expr>> = leaves.into_iter().map(|leaf| self.truth(leaf)).collect();
        let mut parts: Vec<Expr> = parts.into_iter().collect::<Option<_>>()?;
        parts.sort_by_cached_key(walk::cost);
        let parts = parts.into_boxed_slice();
        Some(if operator == operators::LOGICAL_AND { Expr::All(parts) } else { Expr::Any(parts) })
    }

    fn compared(
        &mut self,
        node: &IdedExpr,
        op: Comparison,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Option<Expr> {
        let (first, second) = (self.lower(left), self.lower(right));
        let (first, second) = (first?, second?);
        if !first.kind.meets(second.kind) {
            let (a, b) = (first.kind.noun(), second.kind.noun());
            let help = quoted_number(&first, &second).or_else(|| quoted_number(&second, &first));
            self.fault("E012", node, format!("{a} is compared with {b}, which never holds"), help);
            return None;
        }
        let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual);
        for (typed, side) in [(&first, left), (&second, right)] {
            if ordered && matches!(typed.kind, Kind::Truth | Kind::List) {
                let message =
                    format!("{} has no order: only `==` and `!=` compare it", typed.kind.noun());
                self.fault("E012", side, message, None);
                return None;
            }
        }
        self.band(&first, &second, right)?;
        self.band(&second, &first, left)?;
        // `20 <= event.total` becomes `event.total >= 20`: one shape for the index to look for.
        let (op, left, right) = match (&first.expr, &second.expr) {
            (Expr::Literal(_), Expr::Literal(_)) => (op, first.expr, second.expr),
            (Expr::Literal(_), _) => (mirrored(op), second.expr, first.expr),
            _ => (op, first.expr, second.expr),
        };
        Some(Expr::Compare { op, left: Box::new(left), right: Box::new(right) })
    }

    /// A band that is compared with a text must have that name.
    fn band(&mut self, band: &Typed, other: &Typed, at: &IdedExpr) -> Option<()> {
        let Kind::Band(score) = band.kind else { return Some(()) };
        let names = match &other.expr {
            Expr::Literal(Value::Str(text)) => vec![text.clone()],
            Expr::Literal(Value::List(items)) => items
                .iter()
                .filter_map(|item| match item {
                    Value::Str(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => return Some(()),
        };
        let known = self.symbols.scores.get(score.index())?.clone();
        for name in names {
            if !known.bands.iter().any(|band| **band == *name) {
                let help = suggest::help(&name, known.bands.iter().map(|band| &**band));
                let message = format!("model `{}` has no band `{name}`", known.name);
                self.fault("E011", at, message, help);
                return None;
            }
        }
        Some(())
    }

    fn contained(
        &mut self,
        node: &IdedExpr,
        needle: &IdedExpr,
        haystack: &IdedExpr,
    ) -> Option<Expr> {
        let (wanted, list) = (self.lower(needle), self.lower(haystack));
        let (wanted, list) = (wanted?, list?);
        if !list.kind.meets(Kind::List) {
            let message = format!("a list is wanted behind `in`, this is {}", list.kind.noun());
            let help = match list.kind {
                Kind::Text | Kind::Band(_) => {
                    Some("for a part of a text: .contains(\"...\")".to_owned())
                }
                _ => None,
            };
            self.fault("E012", haystack, message, help);
            return None;
        }
        if let Expr::Literal(Value::List(items)) = &list.expr {
            let fits = |item: &Value| wanted.kind.meets(kind_of(item));
            if !items.iter().any(fits) {
                let message = format!("{} is never in this list", wanted.kind.noun());
                self.fault("E012", node, message, None);
                return None;
            }
        }
        self.band(&wanted, &list, haystack)?;
        Some(Expr::In { needle: Box::new(wanted.expr), haystack: Box::new(list.expr) })
    }

    fn computed(
        &mut self,
        node: &IdedExpr,
        op: Arithmetic,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Option<Typed> {
        let (first, second) = (self.number(left), self.number(right));
        let (first, second) = (first?, second?);
        let zero =
            |expr: &Expr| matches!(expr, Expr::Literal(Value::Num(number)) if number.abs() == 0.0);
        if matches!(op, Arithmetic::Divide | Arithmetic::Remainder) && zero(&second) {
            self.fault("E012", node, "this divides by zero", None);
            return None;
        }
        let expr = Expr::Arithmetic { op, left: Box::new(first), right: Box::new(second) };
        Some(Typed { expr, kind: Kind::Number })
    }

    fn choice(
        &mut self,
        node: &IdedExpr,
        condition: &IdedExpr,
        then: &IdedExpr,
        otherwise: &IdedExpr,
    ) -> Option<Typed> {
        let condition = self.truth(condition);
        let (then, otherwise) = (self.lower(then), self.lower(otherwise));
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        if !then.kind.meets(otherwise.kind) {
            let (a, b) = (then.kind.noun(), otherwise.kind.noun());
            self.fault(
                "E012",
                node,
                format!("this gives {a} or {b}; both must be of one kind"),
                None,
            );
            return None;
        }
        let kind = if then.kind == otherwise.kind { then.kind } else { Kind::Any };
        let (condition, then, otherwise) =
            (Box::new(condition), Box::new(then.expr), Box::new(otherwise.expr));
        Some(Typed { expr: Expr::If { condition, then, otherwise }, kind })
    }

    /// `customer.plan`, `has(customer.plan)`, `customer["plan"]`.
    fn name(&mut self, node: &IdedExpr) -> Option<Typed> {
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
            ("customer", [name, below @ ..], _) => any(Expr::Trait {
                slot: self.symbols.trait_(name),
                path: below.iter().map(|member| Box::from(*member)).collect(),
            }),
            ("event", [_, ..], _) => any(Expr::Property(self.symbols.property(&path.join(".")))),
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
            return Some(Typed { expr: Expr::Trend { score, days }, kind: Kind::Number });
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
            (_, Some(days)) => Typed { expr: Expr::Trend { score, days }, kind: Kind::Number },
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

    /// Notes a fault at a node.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        node: &IdedExpr,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let extent = self.extent(node);
        self.faults.error(code, extent, message, help);
    }

    /// The bytes of the file that a node came from.
    pub(super) fn extent(&self, node: &IdedExpr) -> Extent {
        // A name is underlined from its root on.
        let mut first = node;
        let mut last = node;
        while let Cel::Select(select) = &first.expr {
            last = if std::ptr::eq(last, node) { first } else { last };
            first = &select.operand;
        }
        let (start, end) = self.tree.extent(first);
        let (_, last_end) = self.tree.extent(last);
        let tail = match &node.expr {
            // The node of a member is placed at its dot; the member follows.
            Cel::Select(select) => last_end.max(end) + select.field.len(),
            _ => end,
        };
        self.text.extent_of(start, tail.max(end))
    }
}

fn flatten<'t>(node: &'t IdedExpr, operator: &str, leaves: &mut Vec<&'t IdedExpr>) {
    match &node.expr {
        Cel::Call(call) if call.func_name == operator => {
            call.args.iter().for_each(|part| flatten(part, operator, leaves));
        }
        _ => leaves.push(node),
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

const fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Equal => Comparison::Equal,
        Comparison::NotEqual => Comparison::NotEqual,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Truth,
        Value::Num(_) => Kind::Number,
        Value::Str(_) => Kind::Text,
        Value::List(_) => Kind::List,
        Value::Map(_) => Kind::Any,
    }
}

fn trend_days(text: &str) -> Option<u8> {
    text.strip_suffix('d')?.parse().ok().filter(|days| (1..=28).contains(days))
}

/// `count(..) == "3"`: the quotes are too much.
fn quoted_number(one: &Typed, other: &Typed) -> Option<String> {
    match (&one.expr, other.kind) {
        (Expr::Literal(Value::Str(text)), Kind::Number) if text.trim().parse::<f64>().is_ok() => {
            Some(format!("write {} without quotes", text.trim()))
        }
        (Expr::Literal(Value::Str(text)), Kind::Truth) if matches!(&**text, "true" | "false") => {
            Some(format!("write {text} without quotes"))
        }
        _ => None,
    }
}
