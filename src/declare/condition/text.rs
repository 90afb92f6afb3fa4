//! Properties that models read from texts: which there are, and of which events.

use cel::common::ast::{Expr as Cel, IdedExpr, LiteralValue};

use super::check::{Checker, Kind, Typed};
use crate::declare::reader::no_class;
use crate::declare::suggest;
use crate::engine::condition::Expr;
use crate::engine::value::Value;

impl Checker<'_, '_> {
    /// What kind of value a property of an event has; where `event` is known, whether a model that
    /// the property belongs to reads it.
    pub(super) fn kind_of_property(
        &mut self,
        node: &IdedExpr,
        path: &str,
        event: Option<&str>,
    ) -> Option<Kind> {
        let (model, class) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let found = self.symbols.texts.iter().position(|known| *known.name == *model);
        let Some(place) = found else { return Some(Kind::Any) };
        let known = self.symbols.texts.get(place)?.clone();
        if let Some(class) = class
            && !known.classes.iter().any(|own| **own == *class)
        {
            let (message, help) = no_class(&known, class);
            self.fault("E011", node, message, help);
            return None;
        }
        if let Some(event) = event
            && !known.reads.iter().any(|own| **own == *event)
        {
            let help = suggest::help(event, known.reads.iter().map(|own| &**own));
            let message = format!("model `{model}` reads no text of `{event}`");
            self.fault("E011", node, message, help);
            return None;
        }
        Some(if class.is_some() { Kind::Number } else { Kind::Class(place) })
    }

    /// What kind of value a property has in the history of an event.
    pub(super) fn kind_of_history(&mut self, event: &IdedExpr, of: &IdedExpr) -> Option<Kind> {
        match (fixed(event), fixed(of)) {
            (Some(event), Some(path)) => self.kind_of_property(of, &path, Some(&event)),
            // What is wrong with them is said where they are needed.
            _ => Some(Kind::Any),
        }
    }

    /// The same, where a number is wanted.
    pub(super) fn number_of_history(&mut self, event: &IdedExpr, of: &IdedExpr) -> Option<()> {
        let Kind::Class(place) = self.kind_of_history(event, of)? else { return Some(()) };
        let known = self.symbols.texts.get(place)?;
        let class = known.classes.last().map_or("...", |class| class);
        let help = format!("name a class, whose chance is one: \"{}.{class}\"", known.name);
        let message = format!("a number is wanted here, `{}` is a text", known.name);
        self.fault("E012", of, message, Some(help));
        None
    }

    /// A class that is compared with a text must have that name.
    pub(super) fn class(&mut self, class: &Typed, other: &Typed, at: &IdedExpr) -> Option<()> {
        let Kind::Class(place) = class.kind else { return Some(()) };
        let known = self.symbols.texts.get(place)?.clone();
        let one = |value: &Value| match value {
            Value::Str(text) => Some(text.to_string()),
            _ => None,
        };
        let names: Vec<String> = match &other.expr {
            Expr::Literal(Value::List(items)) => items.iter().filter_map(one).collect(),
            Expr::Literal(value) => one(value).into_iter().collect(),
            _ => return Some(()),
        };
        for name in names {
            if !known.classes.iter().any(|own| **own == *name) {
                let (message, help) = no_class(&known, &name);
                self.fault("E011", at, message, help);
                return None;
            }
        }
        Some(())
    }
}

fn fixed(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Cel::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}
