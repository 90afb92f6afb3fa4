//! The cursor over a JSON text.

use super::text::{self, Text};
use super::{DEPTH_MAX, Fault, FaultKind, number, skip};

/// A value as it stands in the text. Lists and objects are checked but not yet taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Raw<'a> {
    /// There is no such member.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Num(f64),
    /// A text.
    Text(Text<'a>),
    /// A list with its brackets.
    List(&'a str),
    /// An object with its braces.
    Object(&'a str),
}

/// A cursor that checks what it passes.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    /// Starts before the first byte.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The byte it stands before, from 0.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Passes white space; whether anything follows.
    pub fn more(&mut self) -> bool {
        self.next_byte().is_some()
    }

    /// Checks that only white space follows.
    ///
    /// # Errors
    /// When something else does.
    pub fn finish(&mut self) -> Result<(), Fault> {
        if self.more() { Err(self.fault(FaultKind::Trailing)) } else { Ok(()) }
    }

    /// Whether the value that follows is an object.
    pub fn at_object(&mut self) -> bool {
        self.next_byte() == Some(b'{')
    }

    /// Whether the value that follows is a list.
    pub fn at_list(&mut self) -> bool {
        self.next_byte() == Some(b'[')
    }

    /// Passes an object. `member` gets each key, its escapes undone, and must pass exactly its value.
    ///
    /// # Errors
    /// When what follows is not an object, or whatever `member` gives.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'{')?;
        if self.next_byte() == Some(b'}') {
            self.close();
            return Ok(());
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = self.take_text()?;
            self.expect(b':')?;
            let decoded;
            let key = match key {
                Text::Plain(key) => key,
                Text::Escaped(_) => {
                    decoded = key.decode();
                    &*decoded
                }
            };
            member(self, key)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break self.close(),
                _ => return Err(self.unexpected()),
            }
        }
        Ok(())
    }

    /// Passes a list. `item` must pass exactly one value.
    ///
    /// # Errors
    /// When what follows is not a list, or whatever `item` gives.
    pub fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'[')?;
        if self.next_byte() == Some(b']') {
            self.close();
            return Ok(());
        }
        loop {
            item(self)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break self.close(),
                _ => return Err(self.unexpected()),
            }
        }
        Ok(())
    }

    /// Passes one value of any kind and gives it.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn value(&mut self) -> Result<Raw<'a>, Fault> {
        match self.next_byte() {
            Some(b'"') => self.take_text().map(Raw::Text),
            Some(b'{') => {
                let from = self.at;
                self.skip()?;
                Ok(Raw::Object(self.since(from)))
            }
            Some(b'[') => {
                let from = self.at;
                self.skip()?;
                Ok(Raw::List(self.since(from)))
            }
            Some(b't') => self.word("true").map(|()| Raw::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Raw::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Raw::Null),
            Some(b'-' | b'0'..=b'9') => self.take_number().map(Raw::Num),
            _ => Err(self.unexpected()),
        }
    }

    /// Passes one value of any kind.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.at = skip::value(self.text, self.at, self.depth)?;
        Ok(())
    }

    /// The text between an earlier position and this one.
    pub fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    #[inline(always)]
    fn next_byte(&mut self) -> Option<u8> {
        self.at = skip::space(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn take_text(&mut self) -> Result<Text<'a>, Fault> {
        let from = self.at + 1;
        let stop = text::plain_until(self.text.as_bytes(), from);
        if self.text.as_bytes().get(stop) == Some(&b'"') {
            self.at = stop + 1;
            return Ok(Text::Plain(self.text.get(from..stop).unwrap_or_default()));
        }
        self.at = text::end_of_escaped(self.text.as_bytes(), stop)?;
        Ok(Text::Escaped(self.text.get(from..self.at - 1).unwrap_or_default()))
    }

    #[inline]
    fn take_number(&mut self) -> Result<f64, Fault> {
        let (number, after) = number::scan(self.text, self.at)?;
        self.at = after;
        Ok(number)
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        self.at = skip::word(self.text.as_bytes(), self.at, word)?;
        Ok(())
    }

    #[inline(always)]
    fn expect(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.next_byte() != Some(wanted) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        self.expect(bracket)?;
        if DEPTH_MAX <= self.depth {
            return Err(self.fault(FaultKind::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    const fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    #[cold]
    fn unexpected(&self) -> Fault {
        skip::unexpected(self.text.as_bytes(), self.at)
    }

    #[cold]
    const fn fault(&self, kind: FaultKind) -> Fault {
        Fault { kind, at: self.at }
    }
}
