//! The part of an address after its question mark.

/// Names and values, decoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=x%20y`. What is not well-formed is taken as it stands.
    pub fn read(text: &str) -> Self {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// The value of a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// The value of a name as a whole number; fractions are cut.
    pub fn number(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| n as u64))
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_never_trusted() {
        let query = Query::read("a=1&b=x%20y+z&c&d=%zz&e=%&f=2.9");
        assert_eq!((query.number("a"), query.text("b")), (Some(1), Some("x y z")));
        assert_eq!((query.text("c"), query.text("d"), query.text("e")), (Some(""), Some("%zz"), Some("%")));
        assert_eq!((query.number("f"), query.number("b"), query.text("g")), (Some(2), None, None));
    }
}
