//! The words of a line.

use super::span::{Fault, Span};

/// The longest line, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 4096;

/// A word of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A name or a key word.
    Word(String),
    /// A number.
    Number(u64),
    /// A text between quotes, its escapes read.
    Text(Vec<u8>),
    /// One of `= + - @ : ,`.
    Sign(char),
}

/// A word and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Placed {
    /// The word.
    pub(crate) token: Token,
    /// Where.
    pub(crate) span: Span,
}

/// Divides a line into its words; from `#` on it is a comment.
///
/// # Errors
/// What is no word, and where.
pub(crate) fn tokens(line: &str) -> Result<Vec<Placed>, Fault> {
    if line.len() > LINE_BYTES_MAX {
        let span = Span { start: LINE_BYTES_MAX, end: LINE_BYTES_MAX };
        let span = if line.is_char_boundary(LINE_BYTES_MAX) { span } else { Span::default() };
        return Err(Fault::new(span, format!("a line has at most {LINE_BYTES_MAX} bytes")));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = line.get(at..).and_then(|rest| rest.chars().next()) {
        let (token, end) = match first {
            '#' => break,
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '=' | '+' | '-' | '@' | ':' | ',' => (Token::Sign(first), at + 1),
            '"' => text(line, at)?,
            c if c.is_ascii_alphanumeric() || c == '_' => word(line, at)?,
            other => {
                let span = Span { start: at, end: at + other.len_utf8() };
                return Err(Fault::new(span, format!("`{}` means nothing here", other.escape_debug())));
            }
        };
        found.push(Placed { token, span: Span { start: at, end } });
        at = end;
    }
    Ok(found)
}

/// A run of letters, digits and `_`: a number where it reads as one.
fn word(line: &str, at: usize) -> Result<(Token, usize), Fault> {
    let rest = line.get(at..).unwrap_or_default();
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (text, end) = (rest.get(..len).unwrap_or_default(), at + len);
    match number(text) {
        Some(Some(number)) => Ok((Token::Number(number), end)),
        Some(None) => Err(Fault::new(Span { start: at, end }, format!("{text} does not fit into 64 bits"))),
        None => Ok((Token::Word(text.to_owned()), end)),
    }
}

/// Reads a number: decimal with `K`, `M`, `G` or `T` behind it, or hexadecimal behind `0x`. `None`: it is none;
/// `Some(None)`: it is too large.
fn number(text: &str) -> Option<Option<u64>> {
    if let Some(digits) = text.strip_prefix("0x") {
        let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hex.then(|| u64::from_str_radix(digits, 16).ok());
    }
    let shift = match text.bytes().last()? {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { text.get(..text.len() - 1)? };
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| digits.parse::<u64>().ok()?.checked_mul(1 << shift))
}

/// A text between quotes.
fn text(line: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = line.as_bytes();
    let mut read = Vec::new();
    let mut here = at + 1;
    let unfinished = || Fault::new(Span { start: at, end: line.len() }, "the text has no closing quote");
    loop {
        match *bytes.get(here).ok_or_else(unfinished)? {
            b'"' => return Ok((Token::Text(read), here + 1)),
            b'\\' => {
                let letter = *bytes.get(here + 1).ok_or_else(unfinished)?;
                let hex = || line.get(here + 2..here + 4).and_then(|two| u8::from_str_radix(two, 16).ok());
                let (byte, len) = match letter {
                    b'n' => (b'\n', 2),
                    b't' => (b'\t', 2),
                    b'0' => (0, 2),
                    b'\\' | b'"' => (letter, 2),
                    b'x' if hex().is_some() => (hex().unwrap_or_default(), 4),
                    _ => {
                        // The whole character behind the backslash, whatever its length.
                        let end = (here + 2..=line.len()).find(|end| line.is_char_boundary(*end));
                        let span = Span { start: here, end: end.unwrap_or(line.len()) };
                        return Err(Fault::new(span, r#"escapes are \n \t \0 \\ \" and \x with two digits"#));
                    }
                };
                read.push(byte);
                here += len;
            }
            byte => {
                read.push(byte);
                here += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Token> {
        tokens(line).expect("words").into_iter().map(|placed| placed.token).collect()
    }

    #[test]
    fn numbers_have_units() {
        let expected = [12, 64 << 10, 3 << 20, 1 << 30, 2 << 40, 0xfff].map(Token::Number);
        assert_eq!(read("12 64K 3M 1G 2T 0xfff # 7"), expected);
        assert_eq!(read("32bit 12Q")[0], Token::Word("32bit".into()));
    }

    #[test]
    fn too_large_a_number_is_named() {
        let fault = tokens("a = 99999999999T").expect_err("too large");
        assert_eq!(fault.span, Span { start: 4, end: 16 });
        assert!(fault.what.contains("64 bits"));
    }

    #[test]
    fn texts_have_escapes() {
        assert_eq!(read(r#""a\n\x41\"""#), [Token::Text(b"a\nA\"".to_vec())]);
        for bad in [r#""a"#, r#""\"#, r#""\q""#, r#""\xé""#, r#""\é""#, "é", "a ; b"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }
}
