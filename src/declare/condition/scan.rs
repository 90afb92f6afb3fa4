//! Bounds a condition before the parser sees it, and answers what people write by habit.
//!
//! The parser recurses and would abort the process on a deep text: nothing goes to it that has not
//! passed here.

use super::Wrong;

/// Longest condition, in bytes.
pub(crate) const BYTES_MAX: usize = 1024;
/// Deepest nesting of brackets and of signs in a row.
const DEPTH_MAX: usize = 24;
/// Most operators (`.`, `?` and opening brackets count, commas do not).
const OPERATORS_MAX: usize = 128;
/// Most tokens.
const TOKENS_MAX: usize = 512;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// First byte.
    pub(super) start: usize,
    /// First byte after it.
    pub(super) end: usize,
    /// What it is.
    pub(super) kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Word,
    /// A number.
    Number,
    /// A text in quotes.
    Text,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// A comma or colon.
    Separator,
    /// Anything else.
    Operator,
}

/// Splits a condition into tokens, or says what is wrong with it.
pub(super) fn scan(text: &str) -> Result<Vec<Token>, Wrong> {
    if BYTES_MAX < text.len() {
        let message =
            format!("this condition has {} bytes; at most {BYTES_MAX} are read", text.len());
        let help = "split it: several lines under `if` must all hold".to_owned();
        return Err(wrong("E015", 0, 1, message, Some(help)));
    }
    if text.trim().is_empty() {
        return Err(wrong("E010", 0, 1, "this condition is empty".to_owned(), None));
    }
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let width = rest.len() - rest.trim_start().len();
        if 0 < width {
            at += width;
            continue;
        }
        let token = next(text, at, rest)?;
        at = token.end;
        tokens.push(token);
        if TOKENS_MAX < tokens.len() {
            return Err(too_complex(token));
        }
    }
    habits(text, &tokens)?;
    bound(text, &tokens)?;
    Ok(tokens)
}

fn next(text: &str, start: usize, rest: &str) -> Result<Token, Wrong> {
    let first = rest.chars().next().unwrap_or(' ');
    let while_len = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
    let (length, kind) = match first {
        '"' | '\'' => return quoted(start, rest, first),
        '_' | 'a'..='z' | 'A'..='Z' => {
            let length = while_len(|c| c == '_' || c.is_ascii_alphanumeric());
            let prefixed =
                matches!(rest.get(length..).and_then(|tail| tail.chars().next()), Some('"' | '\''))
                    && matches!(
                        rest.get(..length),
                        Some("r" | "R" | "b" | "B" | "rb" | "br" | "bR" | "rB")
                    );
            if prefixed {
                let message = "texts have no prefix here".to_owned();
                return Err(wrong("E010", start, start + length, message, None));
            }
            (length, TokenKind::Word)
        }
        '0'..='9' => return number(text, start, rest),
        '(' | '[' => (1, TokenKind::Open),
        ')' | ']' => (1, TokenKind::Close),
        ',' | ':' => (1, TokenKind::Separator),
        '&' | '|' | '=' | '!' | '<' | '>' | '+' | '-' | '*' | '/' | '%' | '.' | '?' => {
            return operator(start, rest, first);
        }
        _ => return Err(stranger(start, first, rest)),
    };
    Ok(Token { start, end: start + length, kind })
}

fn quoted(start: usize, rest: &str, quote: char) -> Result<Token, Wrong> {
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return Ok(Token { start, end: start + at + 1, kind: TokenKind::Text });
        }
    }
    let help = Some(format!("close it with {quote}"));
    let message = "the quote that opens here is not closed".to_owned();
    Err(wrong("E010", start, start + 1, message, help))
}

fn number(text: &str, start: usize, rest: &str) -> Result<Token, Wrong> {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or("");
        from + tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())
    };
    let whole = digits(0);
    let mut end = whole;
    if rest.get(whole..).is_some_and(|tail| tail.starts_with('.')) && digits(whole + 1) != whole + 1
    {
        end = digits(whole + 1);
    }
    let tail = rest.get(end..).unwrap_or("");
    let word = tail.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(tail.len());
    let unit = tail.get(..word).unwrap_or("");
    if unit.is_empty() {
        return Ok(Token { start, end: start + end, kind: TokenKind::Number });
    }
    let written = text.get(start..start + end + word).unwrap_or("");
    let (message, help) = if ["ms", "s", "m", "h", "d", "w"].contains(&unit) {
        (format!("`{written}` needs quotes"), Some(format!("write \"{written}\"")))
    } else {
        (format!("`{written}` is neither a number nor a name"), None)
    };
    Err(wrong("E010", start, start + end + word, message, help))
}

/// Operators that exist, longest first.
const OPERATORS: &[&str] =
    &["&&", "||", "==", "!=", "<=", ">=", "!", "<", ">", "+", "-", "*", "/", "%", ".", "?"];
/// Operators that do not, and what was meant.
const STRANGE_OPERATORS: &[(&str, &str)] = &[
    ("===", "write `==`"),
    ("!==", "write `!=`"),
    ("=>", "write `>=`"),
    ("=<", "write `<=`"),
    ("<>", "write `!=`"),
    ("=~", "there are no patterns; use .contains(\"...\") or .startsWith(\"...\")"),
    ("//", "comments stand behind ` #`, outside of the condition"),
    ("**", "there is no power"),
    ("..", "names are joined with one dot"),
];

fn operator(start: usize, rest: &str, first: char) -> Result<Token, Wrong> {
    for (written, help) in STRANGE_OPERATORS {
        if rest.starts_with(written) {
            let message = format!("`{written}` is not an operator");
            let help = Some((*help).to_owned());
            return Err(wrong("E010", start, start + written.len(), message, help));
        }
    }
    if let Some(found) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
        return Ok(Token { start, end: start + found.len(), kind: TokenKind::Operator });
    }
    let help = match first {
        '=' => "compare with `==`",
        '&' => "join with `&&`",
        _ => "join with `||`",
    };
    let message = format!("`{first}` alone is not an operator");
    Err(wrong("E010", start, start + 1, message, Some(help.to_owned())))
}

fn stranger(start: usize, first: char, rest: &str) -> Wrong {
    let end = start + first.len_utf8();
    let (message, help) = match first {
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '`' => {
            (format!("`{first}` is not a quote here"), Some("use straight quotes: \"...\""))
        }
        '{' if rest.starts_with("{{") => (
            "a condition is written without `{{ }}`".to_owned(),
            Some("names stand bare: customer.plan == \"pro\""),
        ),
        '{' | '}' => ("braces have no meaning here".to_owned(), None),
        ';' => (
            "`;` has no meaning here".to_owned(),
            Some("join with `&&`, or use several lines under `if`"),
        ),
        '≥' => ("`≥` is not an operator".to_owned(), Some("write `>=`")),
        '≤' => ("`≤` is not an operator".to_owned(), Some("write `<=`")),
        '≠' => ("`≠` is not an operator".to_owned(), Some("write `!=`")),
        '$' | '@' | '#' => (
            format!("`{first}` has no meaning here"),
            Some("names are customer.<trait> and event.<property>; texts need quotes"),
        ),
        letter if letter.is_alphabetic() => (
            format!("`{letter}` cannot stand outside of quotes"),
            Some("a text needs quotes, a name with such letters too: customer[\"...\"]"),
        ),
        letter if letter.is_control() => {
            (format!("the character {} has no meaning here", letter.escape_default()), None)
        }
        letter => (format!("`{letter}` has no meaning here"), None),
    };
    wrong("E010", start, end, message, help.map(str::to_owned))
}

/// Words that join conditions elsewhere.
fn habits(text: &str, tokens: &[Token]) -> Result<(), Wrong> {
    let ends_value = |token: Option<&Token>| {
        token.is_some_and(|token| {
            !matches!(token.kind, TokenKind::Open | TokenKind::Operator | TokenKind::Separator)
        })
    };
    for (index, token) in
        tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::Word)
    {
        let written = text.get(token.start..token.end).unwrap_or("");
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let after = tokens.get(index + 1);
        let joins = ends_value(before) && after.is_some();
        let help = match written.to_ascii_lowercase().as_str() {
            "and" if joins => "join with `&&`",
            "or" if joins => "join with `||`",
            "not" if joins => "write !(customer.plan in [\"a\", \"b\"])",
            "not"
                if !ends_value(before)
                    && after.is_some_and(|next| next.kind == TokenKind::Word) =>
            {
                "write `!`"
            }
            "is" | "equals" | "eq" if joins => "compare with `==`",
            "contains" | "startswith" | "endswith" | "like" if joins => {
                "write customer.email.contains(\"...\")"
            }
            "in" if joins && written != "in" => "write `in` in small letters",
            "none" | "nil" | "undefined" if !ends_value(after) && !dotted(before, text) => {
                "ask for it: has(customer.phone), !has(customer.phone)"
            }
            "true" | "false" if !matches!(written, "true" | "false") => "write it in small letters",
            _ => continue,
        };
        let message = format!("`{written}` is not part of the language");
        return Err(wrong("E010", token.start, token.end, message, Some(help.to_owned())));
    }
    Ok(())
}

fn dotted(before: Option<&Token>, text: &str) -> bool {
    before.is_some_and(|token| text.get(token.start..token.end) == Some("."))
}

fn bound(text: &str, tokens: &[Token]) -> Result<(), Wrong> {
    let mut open: Vec<Token> = Vec::new();
    let mut operators = 0;
    let mut signs = 0;
    for token in tokens {
        let written = text.get(token.start..token.end).unwrap_or("");
        signs = if matches!(written, "!" | "-") { signs + 1 } else { 0 };
        match token.kind {
            TokenKind::Operator => operators += 1,
            TokenKind::Open => {
                operators += 1;
                open.push(*token);
            }
            TokenKind::Close => {
                let opens = if written == ")" { "(" } else { "[" };
                let fits =
                    open.pop().and_then(|token| text.get(token.start..token.end)) == Some(opens);
                if !fits {
                    let message = format!("`{written}` closes nothing");
                    return Err(wrong("E010", token.start, token.end, message, None));
                }
            }
            TokenKind::Word if written == "in" => operators += 1,
            _ => {}
        }
        if DEPTH_MAX < open.len() || DEPTH_MAX < signs || OPERATORS_MAX < operators {
            return Err(too_complex(*token));
        }
    }
    match open.last() {
        Some(token) => {
            let message = "the bracket that opens here is not closed".to_owned();
            Err(wrong("E010", token.start, token.end, message, None))
        }
        None => Ok(()),
    }
}

fn too_complex(token: Token) -> Wrong {
    let message = "this condition is too complex".to_owned();
    let help = format!(
        "at most {OPERATORS_MAX} operators and {DEPTH_MAX} levels; use several lines under `if`"
    );
    wrong("E015", token.start, token.end, message, Some(help))
}

fn wrong(
    code: &'static str,
    start: usize,
    end: usize,
    message: String,
    help: Option<String>,
) -> Wrong {
    Wrong { code, start, end, message, help }
}
