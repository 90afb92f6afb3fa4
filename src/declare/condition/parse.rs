//! The only room that knows the CEL parser's way of failing: its words become people's words.

use std::collections::BTreeMap;

use cel::common::ast::IdedExpr;
use cel::parser::Parser;

use super::Wrong;
use super::scan::{Token, TokenKind};

/// Recursion the parser may do: more than the scan lets through, less than hurts.
const RECURSION_MAX: u16 = 64;

/// A parsed condition.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its root.
    pub(super) root: IdedExpr,
    // Bytes of each node, by its id.
    extents: BTreeMap<u64, (usize, usize)>,
    tokens: Vec<Token>,
}

impl Tree {
    /// The bytes of a node: a literal's or name's own, an operator's for what it joins.
    pub(super) fn extent(&self, node: &IdedExpr) -> (usize, usize) {
        let (start, end) = self.extents.get(&node.id).copied().unwrap_or((0, 1));
        // A call is placed at its bracket; its name stands before that.
        let at = self.tokens.iter().position(|token| token.start == start);
        match at.and_then(|at| Some((self.tokens.get(at)?, self.tokens.get(at.checked_sub(1)?)?))) {
            Some((bracket, name))
                if bracket.kind == TokenKind::Open && name.kind == TokenKind::Word =>
            {
                (name.start, name.end)
            }
            _ => (start, end),
        }
    }

    /// Where so many members of a name end that begins at `start`: the node of a member does not
    /// know.
    pub(super) fn end_of_members(&self, start: usize, members: usize) -> Option<usize> {
        let root = self.tokens.iter().position(|token| token.start == start)?;
        // Each is a dot and a word.
        let last = self.tokens.get(root + 2 * members)?;
        (last.kind == TokenKind::Word).then_some(last.end)
    }
}

/// Parses a scanned condition.
pub(super) fn parse(text: &str, tokens: &[Token]) -> Result<Tree, Wrong> {
    let parser = Parser::new().max_recursion_depth(RECURSION_MAX);
    match parser.parse_with_source_info(text) {
        Ok((root, info)) => {
            let mut extents = BTreeMap::new();
            // Ids are given in order from 1; the bound is far above what a scanned text can need.
            for id in 1..=4096 {
                let Some((start, stop)) = info.offset_for(id) else { break };
                // The end is the last byte meant; a letter may begin there and go on.
                let end = (stop as usize + 1..).find(|end| text.is_char_boundary(*end));
                extents.insert(id, (start as usize, end.unwrap_or(text.len())));
            }
            Ok(Tree { root, extents, tokens: tokens.to_vec() })
        }
        Err(errors) => {
            let first = errors.errors.first();
            let column = first.map_or(0, |error| error.pos.1.max(1) - 1);
            let line = first.map_or(1, |error| error.pos.0.max(1));
            let message = first.map_or("", |error| error.msg.as_str());
            Err(translate(text, tokens, (line, column), message))
        }
    }
}

/// The parser counts letters; the file is pointed at in bytes.
fn bytes_of_letters(text: &str) -> impl Fn(usize) -> usize + use<> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let length = text.len();
    move |letter| starts.get(letter).copied().unwrap_or(length)
}

/// Words that cannot be names.
const RESERVED: &[&str] = &["in", "true", "false", "null"];

fn translate(text: &str, tokens: &[Token], (line, column): (isize, isize), raw: &str) -> Wrong {
    let before: usize = text
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(|line| line.chars().count())
        .sum();
    let at = bytes_of_letters(text)(before + usize::try_from(column).unwrap_or(0));
    let token = tokens.iter().find(|token| token.start <= at && at < token.end);
    let (start, end) = token.map_or((at, at + 1), |token| (token.start, token.end));
    let written = text.get(start..end).unwrap_or("");
    let (message, help) = match token {
        None => ("this condition ends too early".to_owned(), None),
        Some(_) if raw.contains("recursion") => {
            ("this condition is nested too deeply".to_owned(), None)
        }
        Some(_) if raw.contains("has()") => (
            "`has` asks for a trait or property".to_owned(),
            Some("write has(customer.phone) or has(event.total)".to_owned()),
        ),
        Some(_) if RESERVED.contains(&written) => (
            format!("`{written}` is a word of the language"),
            Some(format!("put the name in brackets: customer[\"{written}\"]")),
        ),
        Some(token) => match token.kind {
            TokenKind::Word | TokenKind::Number | TokenKind::Text => (
                format!("`{written}` does not follow from what stands before it"),
                Some(
                    "join conditions with `&&` or `||`, compare with `==`; texts need quotes"
                        .to_owned(),
                ),
            ),
            _ => (format!("`{written}` does not belong here"), None),
        },
    };
    Wrong { code: "E010", start, end, message, help }
}
