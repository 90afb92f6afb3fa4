//! Templates that make much out of little: what MiniJinja's fuel does not count is found in their text.
//!
//! An operator takes one step, however long its result is. A name that holds a text twice, a second one
//! that holds the first twice, and so on, fills any memory in a few dozen steps, and with lists keeps
//! whoever compares or prints them for ever; a text times a great number fills it, too; and what nests
//! deeply, or is a long way by dots, fills the stack of whoever compiles or renders it. All else is bounded where
//! it is made: see `filters`.

use std::collections::BTreeSet;

/// Names, signs and texts in one tag at most, each part of a name by itself: each may nest.
const TOKENS_MAX: usize = 500;
/// Blocks inside of each other at most; each `elif` is one.
const DEPTH_MAX: usize = 64;
/// Texts put together in one tag at most.
const JOINED_MAX: usize = 50;
/// What the numbers beside `*` in one tag may come to.
const TIMES_MAX: f64 = 10_000.0;
/// What a text or a list that stands there may be multiplied by.
const REPEATED_MAX: f64 = 1_000.0;
/// Rounds in which names are followed: so many names in a row are followed to the last.
const ROUNDS_MAX: usize = 64;

/// A part of a tag.
#[derive(Clone, Debug, PartialEq)]
enum Token<'s> {
    /// A name with what follows it by dots.
    Name(&'s str),
    Number(f64),
    Text,
    Sign(char),
}

impl<'s> Token<'s> {
    /// The name that it begins with.
    fn root(&self) -> Option<&'s str> {
        match self {
            Self::Name(name) => name.split('.').next(),
            Self::Number(_) | Self::Text | Self::Sign(_) => None,
        }
    }

    /// How many steps it is.
    fn parts(&self) -> usize {
        match self {
            Self::Name(name) => 1 + name.matches('.').count(),
            Self::Number(_) | Self::Text | Self::Sign(_) => 1,
        }
    }

    fn is_sign(&self, signs: &[char]) -> bool {
        matches!(self, Self::Sign(sign) if signs.contains(sign))
    }
}

/// Looks for what would fill the memory.
///
/// # Errors
/// What, and what to write instead.
pub(super) fn check(source: &str) -> Result<(), String> {
    let tags: Vec<Vec<Token<'_>>> = tags(source).into_iter().map(tokens).collect();
    depth(&tags)?;
    for tag in &tags {
        if TOKENS_MAX < tag.iter().map(Token::parts).sum() {
            return Err(format!("a tag has more than {TOKENS_MAX} parts"));
        }
        let joined = tag.iter().filter(|token| token.is_sign(&['~', '+'])).count();
        if JOINED_MAX < joined {
            return Err(format!(
                "a tag puts more than {JOINED_MAX} things together: print each in its place"
            ));
        }
        times(tag)?;
    }
    let grown = grown(&tags);
    for tag in &tags {
        let Some(Binding { word, from, .. }) = binds(tag) else { continue };
        let grows = from.iter().any(|token| token.is_sign(&['~', '+', '*']))
            || (word != "for" && makes_list(&from));
        let name = from.iter().filter_map(|token| token.root()).find(|name| grown.contains(name));
        if let Some(name) = name.filter(|_| grows) {
            return Err(format!(
                "`{name}` is named by a tag, and put together again by another that names: such texts double; \
                 write `{{% set x %}}...{{% endset %}}`"
            ));
        }
    }
    Ok(())
}

/// Whether a list or a map is written out: a bracket that follows nothing is no index, and a
/// parenthesis that follows nothing and has a comma is a list, too.
fn makes_list(from: &[&Token<'_>]) -> bool {
    let follows = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| from.get(at));
        before.is_some_and(|before| {
            matches!(before, Token::Name(_) | Token::Text) || before.is_sign(&[']', ')', '}'])
        })
    };
    let has_comma = from.iter().any(|token| token.is_sign(&[',']));
    from.iter().enumerate().any(|(at, token)| {
        token.is_sign(&['{'])
            || (token.is_sign(&['[']) && !follows(at))
            || (token.is_sign(&['(']) && has_comma && !follows(at))
    })
}

/// How deep blocks are inside of each other.
fn depth(tags: &[Vec<Token<'_>>]) -> Result<(), String> {
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    for tag in tags {
        let Some(Token::Name(word)) = tag.first() else { continue };
        match *word {
            "for" | "if" | "with" | "filter" | "block" | "autoescape" | "macro" | "call" => {
                open.push(1)
            }
            "set" if !tag.iter().any(|token| token.is_sign(&['='])) => open.push(1),
            "elif" => {
                if let Some(last) = open.last_mut() {
                    *last += 1;
                }
            }
            word if word.starts_with("end") => {
                depth = depth.saturating_sub(open.pop().unwrap_or_default());
                continue;
            }
            _ => continue,
        }
        depth += 1;
        if DEPTH_MAX < depth {
            return Err(format!("more than {DEPTH_MAX} blocks are inside of each other"));
        }
    }
    Ok(())
}

/// Texts, lists and numbers times numbers.
fn times(tag: &[Token<'_>]) -> Result<(), String> {
    let mut product = 1.0_f64;
    for (index, sign) in tag.iter().enumerate().filter(|(_, token)| token.is_sign(&['*'])) {
        let beside = |at: Option<usize>| at.and_then(|at| tag.get(at));
        let both = [beside(index.checked_sub(1)), beside(index.checked_add(1))];
        let number = |token: &Token<'_>| match token {
            Token::Number(number) => Some(number.abs()),
            Token::Name(_) | Token::Text | Token::Sign(_) => None,
        };
        let numbers: f64 = both.iter().flatten().filter_map(|token| number(token)).product();
        let made = |token: &&Token<'_>| **token == Token::Text || token.is_sign(&[']', '[', '}']);
        let known = both.iter().flatten().any(|token| number(token).is_some());
        if both.iter().flatten().any(made) && (!known || REPEATED_MAX < numbers) {
            return Err(format!("a text or list is repeated more than {REPEATED_MAX} times"));
        }
        // One between two of them is one number.
        let shared = index.checked_sub(2).and_then(|at| tag.get(at)) == Some(sign);
        let left = both.first().copied().flatten().filter(|_| shared).and_then(number);
        let numbers = left.filter(|left| 0.0 < *left).map_or(numbers, |left| numbers / left);
        // `**` is a power.
        let power = both.iter().flatten().any(|token| token == &sign);
        product *= numbers.max(1.0) * if power { 1_000.0 } else { 1.0 };
    }
    if TIMES_MAX < product {
        return Err(format!("numbers beside `*` come to more than {TIMES_MAX}"));
    }
    Ok(())
}

/// The names that tags give to what may have grown: also by way of other names.
fn grown<'s>(tags: &[Vec<Token<'s>>]) -> BTreeSet<&'s str> {
    let mut grown: BTreeSet<&str> = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let before = grown.len();
        for tag in tags {
            let Some(Binding { word, names, from }) = binds(tag) else { continue };
            let plain = word == "for"
                && from.iter().all(|token| match token {
                    Token::Name(_) => token.root().is_some_and(|root| !grown.contains(root)),
                    Token::Number(_) => true,
                    Token::Text | Token::Sign(_) => false,
                });
            if !plain {
                grown.extend(names);
            }
        }
        if grown.len() == before {
            break;
        }
    }
    grown
}

/// A tag that gives names.
struct Binding<'t, 's> {
    word: &'s str,
    names: Vec<&'s str>,
    /// What they are given to.
    from: Vec<&'t Token<'s>>,
}

fn binds<'t, 's>(tag: &'t [Token<'s>]) -> Option<Binding<'t, 's>> {
    let (Token::Name(word), rest) = tag.split_first()? else { return None };
    let is_given = |at: usize| match *word {
        "set" => !rest.iter().take(at).any(|token| token.is_sign(&['='])),
        "for" => !rest.iter().take(at).any(|token| *token == Token::Name("in")),
        _ => {
            let next =
                |after: usize| rest.get(at + after).is_some_and(|token| token.is_sign(&['=']));
            next(1) && !next(2)
        }
    };
    if !matches!(*word, "set" | "for" | "with") {
        return None;
    }
    let (given, from): (Vec<_>, Vec<_>) =
        rest.iter().enumerate().partition(|(at, _)| is_given(*at));
    let names = given.iter().filter_map(|(_, token)| match token {
        Token::Name(name) if *name != "in" => token.root(),
        Token::Name(_) | Token::Number(_) | Token::Text | Token::Sign(_) => None,
    });
    let from = from.into_iter().map(|(_, token)| token);
    Some(Binding { word, names: names.collect(), from: from.collect() })
}

/// What stands in tags, without comments.
fn tags(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(open) = rest.find('{') {
        let inner = rest.get(open + 1..).unwrap_or_default();
        let close = match inner.chars().next() {
            Some('{') => "}}",
            Some('%') => "%}",
            Some('#') => "#}",
            _ => {
                rest = inner;
                continue;
            }
        };
        let inner = inner.get(1..).unwrap_or_default();
        let end = match close {
            "#}" => inner.find(close),
            _ => end_of(inner, close),
        };
        let (tag, after) =
            inner.split_at_checked(end.unwrap_or(inner.len())).unwrap_or((inner, ""));
        if close != "#}" {
            found.push(tag.trim_matches(['-', '+']));
        }
        rest = after;
    }
    found
}

/// Where a tag ends: behind the texts in it.
fn end_of(inner: &str, close: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = inner.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(close) {
            return Some(at);
        }
        at += if rest.starts_with(['"', '\'']) {
            text_end(rest)
        } else {
            rest.chars().next()?.len_utf8()
        };
    }
    None
}

/// Bytes of a text with its quotes.
fn text_end(text: &str) -> usize {
    let quote = text.chars().next();
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if Some(letter) == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn tokens(tag: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = tag.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
        let (token, length) = if first == '"' || first == '\'' {
            (Token::Text, text_end(rest))
        } else if first.is_numeric() {
            let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let digits = rest.get(..length).unwrap_or_default().replace('_', "");
            // One in another notation is taken for a great one.
            (Token::Number(digits.parse().unwrap_or(f64::INFINITY)), length)
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            (Token::Name(rest.get(..length).unwrap_or_default()), length)
        } else {
            (Token::Sign(first), first.len_utf8())
        };
        found.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_no_bomb() {
        for text in [
            "Hi {{ customer.name }}, {{ event.total * 1.21 }} + {{ event.a + event.b }}",
            "{% set total = event.price * event.seats %}{{ total * 1.21 | money('EUR') }}",
            "{% for item in event.items %}{% set sum = item.price * item.seats %}{{ sum }}{% endfor %}",
            "{% set greeting = 'Hi ' ~ customer.name %}{{ greeting ~ '!' }}",
            "{% set line %}{{ '-' * 40 }}{% endset %}{{ line }}{# {{ 'x' * 99999 }} #}",
            "{% with name = customer.name | d('you') %}{{ name }}{% endwith %} 5 ~ 5 * 5 { ~ }",
            "{{ '~' ~ \"a\\\"* 99999\" }} {% if event.a * 100 > 5 %}x{% endif %}",
            "{% set first = customer.list[0] %}{% set other = first[1] %}{{ [first, other] | join }}",
            "{% set name = customer.name | d('you') %}{% set both = name | default(event.a, true) %}{{ both }}",
            "{{ \"}}\" }}{%- for a, b in customer.m | items -%}{{ a ~ b }}{%- endfor -%}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn bounds_hold_to_the_last_one() {
        let joined = |times: usize| format!("{{{{ a{} }}}}", " ~ a".repeat(times));
        let parts = |times: usize| format!("{{{{ {} }}}}", "a ".repeat(times));
        let way = |times: usize| format!("{{{{ a{} }}}}", ".a".repeat(times - 1));
        let blocks =
            |times: usize| format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(times - 1));
        let side_by_side = "{% for a in b %}{% endfor %}".repeat(1_000);
        for (fits, too_much) in [
            (joined(JOINED_MAX), joined(JOINED_MAX + 1)),
            (parts(TOKENS_MAX), parts(TOKENS_MAX + 1)),
            (blocks(DEPTH_MAX), blocks(DEPTH_MAX + 1)),
            ("{{ 'x' * 1000 }}".to_owned(), "{{ 'x' * 1001 }}".to_owned()),
            ("{{ a.b * 10 * 1000 }}".to_owned(), "{{ a.b * 10 * 1001 }}".to_owned()),
            ("{{ a.b * c.d }}".to_owned(), "{{ 'x' * c.d }}".to_owned()),
            (way(TOKENS_MAX), way(TOKENS_MAX + 1)),
            ("{% set d = [a, a] %}".to_owned(), "{% set d = [1] %}{% set d = [d, d] %}".to_owned()),
            (
                "{% set d = {'a': a} %}".to_owned(),
                "{% set d = 1 %}{% set e = {'a': d} %}".to_owned(),
            ),
            ("{% set d = (a) %}".to_owned(), "{% set d = 1 %}{% set e = (d, d) %}".to_owned()),
            ("{% set ns.a = [b] %}".to_owned(), "{% set ns.a = [ns.a, ns.a] %}".to_owned()),
            (side_by_side.clone(), side_by_side.replace("{% endfor %}", "")),
        ] {
            assert_eq!(check(&fits), Ok(()), "{fits}");
            assert!(check(&too_much).is_err(), "{too_much}");
        }
    }
}
