//! Names, types and shapes of a parsed condition; what passes is lowered to the engine's tree.

use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, operators};

use super::parse::Tree;
use super::walk;
use crate::declare::fault::Extent;
use crate::declare::node::Embedded;
use crate::declare::read::Faults;
use crate::declare::suggest;
use crate::declare::symbols::Symbols;
use crate::engine::condition::{Arithmetic, Comparison, Expr};
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
    /// The class of a text, by the place of the model that reads it.
    Class(usize),
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
            Self::Text | Self::Band(_) | Self::Class(_) => "a text",
            Self::List => "a list",
        }
    }

    /// Whether a value of this kind can be compared with one of the other.
    fn meets(self, other: Self) -> bool {
        let text = |kind| matches!(kind, Self::Text | Self::Band(_) | Self::Class(_));
        self == Self::Any || other == Self::Any || self == other || (text(self) && text(other))
    }
}

/// An expression with its kind.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
}

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
            Kind::Number | Kind::Text | Kind::Band(_) | Kind::Class(_) | Kind::List => {
                let message =
                    format!("true or false is wanted here, this is {}", typed.kind.noun());
                let help = match typed.kind {
                    Kind::Number => Some("compare it: `... > 0`".to_owned()),
                    Kind::Text | Kind::Band(_) | Kind::Class(_) => {
                        Some("compare it: `... == \"...\"`".to_owned())
                    }
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
        self.class(&first, &second, right)?;
        self.class(&second, &first, left)?;
        // `20 <= event.total` becomes `event.total >= 20`: one shape for the index to look for.
        let (op, left, right) = match (&first.expr, &second.expr) {
            (Expr::Literal(_), Expr::Literal(_)) => (op, first.expr, second.expr),
            (Expr::Literal(_), _) => (op.mirrored(), second.expr, first.expr),
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
                Kind::Text | Kind::Band(_) | Kind::Class(_) => {
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
        self.class(&wanted, &list, haystack)?;
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
        let (mut first, mut members) = (node, 0);
        while let Cel::Select(select) = &first.expr {
            (first, members) = (&select.operand, members + 1);
        }
        let (start, end) = self.tree.extent(first);
        let tail = self.tree.end_of_members(start, members).unwrap_or(end);
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
