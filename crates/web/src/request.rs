//! One request, read from a connection.

use std::io::{self, Read};

/// The most that a request's head may be long.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most headers a request may have.
const HEADERS_MAX: usize = 64;

/// What of a request matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
}

/// Why a request was not read.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The other side closed the connection before a request.
    Closed,
    /// It is no request, or too long.
    Bad,
    /// Reading failed or took too long.
    Io,
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Reads the head of a request; a body is not read.
pub(crate) fn read(mut from: impl Read) -> Result<Request, Refused> {
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 2048];
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Err(if head.is_empty() { Refused::Closed } else { Refused::Bad });
        }
        head.extend_from_slice(&piece[..count]);
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(Refused::Bad);
        }
    }
}

/// `None`: more is to come.
fn parse(head: &[u8]) -> Result<Option<Request>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Refused::Bad),
    }
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().and_then(|header| std::str::from_utf8(header.value).ok());
    let (Some(method), Some(target), Some(host), None) = (request.method, request.path, host, hosts.next())
    else {
        return Err(Refused::Bad);
    };
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), host: host.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_others_are_refused() {
        let read = |text: &str| read(text.as_bytes());
        let request = read("GET /x?a=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n").expect("is one");
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/x?a=1"));
        assert!(matches!(read(""), Err(Refused::Closed)));
        for bad in [
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "\x16\x03\x01\x02\x00",
            "GET / HTTP/1.1\r\nHost: a",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert!(matches!(super::read(long.as_bytes()), Err(Refused::Bad)));
    }
}
