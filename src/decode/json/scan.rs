//! The cursor over a JSON text.

use super::number;
use super::text::{self, Text};
use super::{DEPTH_MAX, Fault, FaultKind};

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

    /// Passes an object. `member` must pass exactly the value of each key.
    ///
    /// # Errors
    /// When what follows is not an object, or whatever `member` gives.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'{')?;
        if self.next_byte() == Some(b'}') {
            return self.close();
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = self.take_text()?;
            self.expect(b':')?;
            member(self, key)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.close(),
                _ => return Err(self.unexpected()),
            }
        }
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
            return self.close();
        }
        loop {
            item(self)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.close(),
                _ => return Err(self.unexpected()),
            }
        }
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
        match self.next_byte() {
            Some(b'"') => self.take_text().map(drop),
            Some(b'{') => self.object(|scanner, _| scanner.skip()),
            Some(b'[') => self.list(Self::skip),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.take_number().map(drop),
            _ => Err(self.unexpected()),
        }
    }

    /// The text between an earlier position and this one.
    pub fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if b' ' < byte || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn take_text(&mut self) -> Result<Text<'a>, Fault> {
        let (text, after) = text::scan(self.text, self.at + 1)?;
        self.at = after;
        Ok(text)
    }

    #[inline]
    fn take_number(&mut self) -> Result<f64, Fault> {
        let (number, after) = number::scan(self.text, self.at)?;
        self.at = after;
        Ok(number)
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.fault(FaultKind::Unexpected));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
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

    fn close(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    #[cold]
    fn unexpected(&self) -> Fault {
        let kind =
            if self.at < self.text.len() { FaultKind::Unexpected } else { FaultKind::Unfinished };
        self.fault(kind)
    }

    #[cold]
    const fn fault(&self, kind: FaultKind) -> Fault {
        Fault { kind, at: self.at }
    }
}
