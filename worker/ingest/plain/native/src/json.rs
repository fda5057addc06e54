//! Scans JSON that needs no judgement. Everything else is `None`, and Python reads the record.
//!
//! What is accepted here, pydantic accepts as well, with the same values.

/// Arrays and objects inside each other, at most.
const DEEPEST: usize = 16;
/// Longer numbers may not fit where Python puts them.
const LONGEST_NUMBER: usize = 18;
/// Members of an object that are compared with each other.
const MOST_MEMBERS: usize = 32;

/// A part of JSON as it stands, without its blanks.
pub enum Token<'a> {
    /// A bracket, comma, colon, or one of the words.
    Word(&'a [u8]),
    /// The content of a string, with its escapes.
    Text(&'a [u8]),
    Number(&'a [u8]),
}

/// A place in a text.
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        if self.peek()? != wanted {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn word(&mut self, wanted: &[u8]) -> Option<()> {
        let end = self.at.checked_add(wanted.len())?;
        if self.text.get(self.at..end)? != wanted {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// The next byte, which is read.
    pub fn byte(&mut self) -> Option<u8> {
        let found = self.peek()?;
        self.at += 1;
        Some(found)
    }

    /// Whether an escape stands here.
    pub fn at_escape(&self) -> bool {
        self.peek() == Some(b'\\')
    }

    /// Whether nothing but blanks is left.
    pub fn ended(&mut self) -> bool {
        self.blanks();
        self.at == self.text.len()
    }

    /// Calls `member` with the name of each member of an object, at its value.
    pub fn object<F>(&mut self, mut member: F) -> Option<()>
    where
        F: FnMut(&mut Self, &'a [u8]) -> Option<()>,
    {
        self.take(b'{')?;
        self.blanks();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.blanks();
            self.take(b':')?;
            self.blanks();
            member(self, name)?;
            self.blanks();
            if self.take(b'}').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blanks();
        }
    }

    /// The bytes of a string without escapes.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let begin = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let found = &self.text[begin..self.at];
        self.at += 1;
        Some(found)
    }

    /// Whether `null` stands here; it is read then.
    pub fn null(&mut self) -> bool {
        self.word(b"null").is_some()
    }

    /// `true`, `false`, or `null`.
    pub fn boolean(&mut self) -> Option<Option<bool>> {
        match self.peek()? {
            b't' => self.word(b"true").map(|()| Some(true)),
            b'f' => self.word(b"false").map(|()| Some(false)),
            _ => self.word(b"null").map(|()| None),
        }
    }

    /// The text of any value.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        let begin = self.at;
        self.skip_at(DEEPEST)?;
        Some(&self.text[begin..self.at])
    }

    fn skip_at(&mut self, deeper: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.escaped().map(|_| ()),
            b'{' => {
                let deeper = deeper.checked_sub(1)?;
                self.object(|inner, _| inner.skip_at(deeper))
            }
            b'[' => {
                let deeper = deeper.checked_sub(1)?;
                self.array(|inner| inner.skip_at(deeper))
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.skip_number(),
        }
    }

    /// Calls `told` with each token of a value; `None` for an object that has a member twice or very
    /// many, or names with escapes.
    pub fn tokens(&mut self, told: &mut dyn FnMut(Token<'a>) -> Option<()>) -> Option<()> {
        match self.peek()? {
            b'"' => told(Token::Text(self.escaped()?)),
            b'{' => {
                told(Token::Word(b"{"))?;
                let mut members: Vec<&[u8]> = Vec::new();
                self.object(|json, member| {
                    if members.len() == MOST_MEMBERS || members.contains(&member) {
                        return None;
                    }
                    if !members.is_empty() {
                        told(Token::Word(b","))?;
                    }
                    members.push(member);
                    told(Token::Text(member))?;
                    told(Token::Word(b":"))?;
                    json.tokens(told)
                })?;
                told(Token::Word(b"}"))
            }
            b'[' => {
                told(Token::Word(b"["))?;
                let mut first = true;
                self.array(|json| {
                    if !std::mem::take(&mut first) {
                        told(Token::Word(b","))?;
                    }
                    json.tokens(told)
                })?;
                told(Token::Word(b"]"))
            }
            b't' | b'f' | b'n' => told(Token::Word(self.value()?)),
            _ => told(Token::Number(self.value()?)),
        }
    }

    /// Calls `element` at each value of an array.
    fn array<F>(&mut self, mut element: F) -> Option<()>
    where
        F: FnMut(&mut Self) -> Option<()>,
    {
        self.take(b'[')?;
        self.blanks();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            self.blanks();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blanks();
        }
    }

    /// The content of a string as it stands, with its escapes.
    fn escaped(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let begin = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape().map(|_| ())?,
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let found = &self.text[begin..self.at];
        self.at += 1;
        Some(found)
    }

    /// The character of an escape; `None` for NUL and for half of a character, which Python refuses.
    pub fn escape(&mut self) -> Option<char> {
        self.take(b'\\')?;
        let kind = self.peek()?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' => Some(kind.into()),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => self.unicode().filter(|found| *found != '\0'),
            _ => None,
        }
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.word(b"\\u")?;
        let second = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| Some(16 * unit + char::from(*digit).to_digit(16)?))
    }

    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }

    /// A short number without an exponent.
    fn skip_number(&mut self) -> Option<()> {
        let begin = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        let next = matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        (!next && self.at - begin <= LONGEST_NUMBER).then_some(())
    }
}
