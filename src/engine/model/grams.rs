//! A text as hashed pieces: characters one by one and in pairs, words one by one and in pairs.
//!
//! No dictionary and no tokenizer, so it serves Chinese and English alike; the price is that two
//! pieces may share a bucket, which 2^16 and more buckets make rare.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::refused::{Refused, senseless};

/// Characters of a text that are read; the rest is left out.
pub(super) const TEXT_CHARS_MAX: usize = 2_000;
/// Pieces a text can give: every character ends at most `LENGTH_MAX` pieces and two word pieces.
const PIECES_MAX: usize = TEXT_CHARS_MAX * (LENGTH_MAX + 2) + 2;
/// Characters in the longest piece.
const LENGTH_MAX: usize = 4;

/// Which pieces are taken and how many buckets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// There are 2^bits buckets: 8 to 20.
    pub bits: u8,
    /// Pieces of 1 to so many characters: 0 (none) to 4.
    pub chars: u8,
    /// Pieces of 1 to so many words: 0 (none) to 2. A word is a run of letters and digits outside
    /// the scripts that are written without spaces.
    pub words: u8,
}

/// The buckets of one text; made once, used for every text.
#[derive(Clone, Debug)]
pub struct Grams {
    buckets: Vec<u32>,
}

impl Default for Grams {
    fn default() -> Self {
        Self { buckets: Vec::with_capacity(PIECES_MAX) }
    }
}

/// A piece of a text, with its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bucket: u32,
    /// What people read: the word that it is or lies in, the words, or its characters.
    pub(super) text: Box<str>,
}

/// Takes what a reader finds.
trait Take {
    /// The next character, spaces drawn together.
    fn keep(&mut self, char: char);
    /// A piece: its bucket, and its place among the characters kept.
    fn piece(&mut self, bucket: u32, place: Range<usize>, kind: PieceKind);
}

/// What a piece is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceKind {
    Chars,
    Word,
    Words,
}

impl Take for Vec<u32> {
    fn keep(&mut self, _: char) {}

    fn piece(&mut self, bucket: u32, _: Range<usize>, _: PieceKind) {
        if self.len() < self.capacity() {
            self.push(bucket);
        }
    }
}

/// Everything that a text consists of, to be spelled out.
#[derive(Default)]
struct Spelling {
    chars: Vec<char>,
    words: Vec<Range<usize>>,
    pieces: Vec<(u32, Range<usize>, PieceKind)>,
}

impl Take for Spelling {
    fn keep(&mut self, char: char) {
        self.chars.push(char);
    }

    fn piece(&mut self, bucket: u32, place: Range<usize>, kind: PieceKind) {
        if kind == PieceKind::Word {
            self.words.push(place.clone());
        }
        self.pieces.push((bucket, place, kind));
    }
}

/// Every piece of a text as people read it. Characters inside a word count as that word: nobody
/// learns anything from `ef` in `refund`.
pub(super) fn spelled(text: &str, scheme: Scheme) -> Vec<Piece> {
    let mut spelling = Spelling::default();
    read(text, scheme, &mut spelling);
    let Spelling { chars, words, pieces } = spelling;
    let is_letter = |at: &usize| chars.get(*at).is_some_and(|char| char.is_alphanumeric());
    let whole = |place: Range<usize>, kind| {
        if kind != PieceKind::Chars {
            return place;
        }
        // `t ` and `d,` belong to the words that end there.
        let place = match (place.clone().find(is_letter), place.clone().rfind(is_letter)) {
            (Some(first), Some(last)) => first..last + 1,
            _ => place,
        };
        let around = words.partition_point(|word| word.end < place.end);
        let word = words.get(around).filter(|word| word.start <= place.start);
        word.cloned().unwrap_or(place)
    };
    let spell = |(bucket, place, kind): (u32, Range<usize>, PieceKind)| {
        let chars = chars.get(whole(place, kind)).unwrap_or_default();
        Piece { bucket, text: chars.iter().collect::<String>().trim().into() }
    };
    pieces.into_iter().map(spell).collect()
}

fn read(text: &str, scheme: Scheme, out: &mut impl Take) {
    let mut reader = Reader::new(scheme);
    for char in text.chars().take(TEXT_CHARS_MAX) {
        for char in char.to_lowercase() {
            reader.char(narrow(char), out);
        }
    }
    reader.end_word(out);
}

impl Scheme {
    /// How many buckets there are.
    pub fn buckets(self) -> usize {
        1 << self.bits.min(20)
    }

    /// A piece of a text by its bucket, as people read it.
    pub fn piece(self, text: &str, bucket: u32) -> Option<Box<str>> {
        spelled(text, self).into_iter().find(|piece| piece.bucket == bucket).map(|piece| piece.text)
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says which number is out of bounds.
    pub fn check(self) -> Result<(), Refused> {
        if !(8..=20).contains(&self.bits) {
            return senseless("text buckets".to_owned(), "bits must be 8 to 20");
        }
        if 2 < self.words || LENGTH_MAX < usize::from(self.chars) || self.words + self.chars == 0 {
            return senseless("text pieces".to_owned(), "must be 0 to 4 characters, 0 to 2 words");
        }
        Ok(())
    }
}

impl Grams {
    /// With room for one text only: a small block where texts are few.
    pub fn for_text(text: &str, scheme: Scheme) -> Self {
        let each = usize::from(scheme.chars) + usize::from(scheme.words);
        // No character becomes more characters than it has bytes when it is made small.
        let pieces = text.len().saturating_mul(each).saturating_add(2);
        Self { buckets: Vec::with_capacity(pieces.min(PIECES_MAX)) }
    }

    /// Reads a text and gives, sorted by bucket, each bucket with 1 + ln(times it occurs): a text
    /// that says "bad" five times is not five times as bad. Does not allocate.
    pub fn read(&mut self, text: &str, scheme: Scheme) -> impl Iterator<Item = (u32, f64)> {
        self.buckets.clear();
        read(text, scheme, &mut self.buckets);
        self.buckets.sort_unstable();
        self.buckets.chunk_by(|left, right| left == right).filter_map(|run| {
            let times = u32::try_from(run.len()).ok()?;
            let weight = if times == 1 { 1.0 } else { 1.0 + f64::from(times).ln() };
            run.first().map(|bucket| (*bucket, weight))
        })
    }
}

struct Reader {
    scheme: Scheme,
    mask: u32,
    /// The last characters, newest first.
    last: [u32; LENGTH_MAX],
    /// How many characters were kept.
    kept: usize,
    word: Option<Word>,
    word_before: Option<Word>,
}

#[derive(Clone, Copy)]
struct Word {
    hash: u32,
    start: usize,
    end: usize,
}

impl Reader {
    fn new(scheme: Scheme) -> Self {
        let mask = (1_u32 << scheme.bits.min(20)) - 1;
        Self { scheme, mask, last: [0; LENGTH_MAX], kept: 0, word: None, word_before: None }
    }

    fn char(&mut self, char: char, out: &mut impl Take) {
        if self.scheme.words != 0 {
            self.word_char(char, out);
        }
        let char = if char.is_whitespace() { ' ' } else { char };
        // One space is as good as many, and a text does not begin with one.
        if char == ' ' && (self.kept == 0 || self.last.first() == Some(&u32::from(' '))) {
            return;
        }
        self.last.rotate_right(1);
        if let Some(first) = self.last.first_mut() {
            *first = u32::from(char);
        }
        self.kept += 1;
        out.keep(char);
        let longest = usize::from(self.scheme.chars).min(self.kept);
        let mut hash = 0x9e37_79b9;
        for (length, char) in (1_u32..).zip(self.last.iter().take(longest)) {
            hash = mix(hash, *char);
            let place = self.kept.saturating_sub(length as usize)..self.kept;
            out.piece(self.bucket(mix(hash, length)), place, PieceKind::Chars);
        }
    }

    fn word_char(&mut self, char: char, out: &mut impl Take) {
        if char.is_alphanumeric() && !runs_together(char) {
            let fresh = Word { hash: 0x85eb_ca6b, start: self.kept, end: self.kept };
            let word = self.word.unwrap_or(fresh);
            let hash = mix(word.hash, u32::from(char));
            self.word = Some(Word { hash, start: word.start, end: self.kept + 1 });
        } else if char != '\'' {
            self.end_word(out);
        }
    }

    fn end_word(&mut self, out: &mut impl Take) {
        let Some(word) = self.word.take() else { return };
        if self.scheme.words == 0 {
            return;
        }
        let bucket = self.bucket(mix(word.hash, 0x1_0001));
        out.piece(bucket, word.start..word.end, PieceKind::Word);
        if 1 < self.scheme.words
            && let Some(before) = self.word_before
        {
            let bucket = self.bucket(mix(mix(before.hash, word.hash), 0x1_0002));
            out.piece(bucket, before.start..word.end, PieceKind::Words);
        }
        self.word_before = Some(word);
    }

    const fn bucket(&self, hash: u32) -> u32 {
        (hash ^ (hash >> 16)) & self.mask
    }
}

/// Murmur3's mixing step (Appleby 2008, public domain) on 32 bits.
fn mix(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let hash = (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}

/// Full-width forms as their ordinary twins: `！` is as loud as `!`.
fn narrow(char: char) -> char {
    match u32::from(char) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(char),
        0x3000 => ' ',
        _ => char,
    }
}

/// Whether a character belongs to a script that is written without spaces.
fn runs_together(char: char) -> bool {
    matches!(u32::from(char), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff
        | 0x2e80..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}
