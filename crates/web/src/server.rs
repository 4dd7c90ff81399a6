//! The server: loopback only, a secret in every address, nothing but reading.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::page::{Data, page};
use crate::query::Query;
use crate::request::{self, Refused, Request};

/// How long a connection may take for one request or one answer, once it has begun.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may wait before it asks anything: browsers open some in advance, and take one that is
/// closed just then for a failure.
const PATIENCE_IDLE: Duration = Duration::from_secs(600);
/// Connections served at once.
const CONNECTIONS_MAX: usize = 64;
/// What the page may do: nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers the page's questions.
pub trait Site: Send + Sync + 'static {
    /// Answers `api/NAME?QUERY`.
    fn answer(&self, name: &str, query: &Query) -> Answer;
}

/// An answer to one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// JSON.
    Json(Vec<u8>),
    /// There is no such thing.
    NotFound,
    /// The question is wrong: why.
    Bad(String),
    /// The question is right, and could not be answered: why.
    Failed(String),
}

/// Where the page is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    port: u16,
    token: String,
}

impl Address {
    /// The address for a browser.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
    address: Address,
}

impl Server {
    /// Listens on a port of the loopback address (0: any), with a new random secret.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let mut secret = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut secret)?;
        let token = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { listener, address: Address { port, token } })
    }

    /// Where the page is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// If no connection can be accepted any longer.
    pub fn run(self, site: Arc<dyn Site>) -> io::Result<()> {
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let Some(place) = Place::take(&busy).filter(|_| is_loopback(peer)) else { continue };
            let (address, site) = (self.address.clone(), Arc::clone(&site));
            let thread = std::thread::Builder::new().spawn(move || {
                let _place = place;
                // A connection that breaks concerns nobody else.
                let _ = serve(&stream, &address, &*site);
            });
            // Without a thread the connection is closed, and its place given back.
            drop(thread);
        }
    }
}

/// A place among the connections served at once, given back however the connection ends.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(busy: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(busy));
        (busy.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().is_loopback()
}

fn serve(stream: &TcpStream, address: &Address, site: &dyn Site) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE_IDLE))?;
    stream.peek(&mut [0])?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let response = match request::read(stream) {
        Ok(request) => respond(&request, address, site),
        Err(Refused::Closed | Refused::Io) => return Ok(()),
        Err(Refused::Bad) => Response::text(400, "Bad Request", "no request\n"),
    };
    response.send(stream)
}

struct Response {
    status: u16,
    reason: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Response {
    fn text(status: u16, reason: &'static str, text: &str) -> Self {
        Self { status, reason, kind: "text/plain; charset=utf-8", body: text.as_bytes().to_vec() }
    }

    fn ok(kind: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, reason: "OK", kind, body }
    }

    fn send(&self, mut to: impl Write) -> io::Result<()> {
        let Self { status, reason, kind, body } = self;
        write!(
            to,
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: {POLICY}\r\n\r\n",
            body.len()
        )?;
        to.write_all(body)?;
        to.flush()
    }
}

fn respond(request: &Request, address: &Address, site: &dyn Site) -> Response {
    let hosts = [format!("127.0.0.1:{}", address.port), format!("localhost:{}", address.port)];
    if !hosts.contains(&request.host) {
        return Response::text(403, "Forbidden", "this page is for this machine only\n");
    }
    if request.method != "GET" {
        return Response::text(405, "Method Not Allowed", "only GET\n");
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let secret = format!("/{}/", address.token);
    let Some(path) = path.strip_prefix(&secret) else {
        return Response::text(
            404,
            "Not Found",
            "the address lacks its secret: use the one vmatlas printed\n",
        );
    };
    if path.is_empty() {
        return Response::ok("text/html; charset=utf-8", page(Data::Served).into_bytes());
    }
    let Some(name) = path.strip_prefix("api/").filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()))
    else {
        return Response::text(404, "Not Found", "no such page\n");
    };
    // A defect in answering one question is said as one, and the next question is answered.
    let answer = std::panic::catch_unwind(AssertUnwindSafe(|| site.answer(name, &Query::read(query))));
    match answer
        .unwrap_or_else(|_| Answer::Failed("a defect of vmatlas: what it said is on its terminal".to_owned()))
    {
        Answer::Json(body) => Response::ok("application/json", body),
        Answer::NotFound => Response::text(404, "Not Found", "no such data\n"),
        Answer::Bad(why) => Response::text(400, "Bad Request", &format!("{why}\n")),
        Answer::Failed(why) => Response::text(500, "Internal Server Error", &format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unwinds as a panic does, without its message on the terminal.
    fn defect() -> ! {
        std::panic::resume_unwind(Box::new("a defect for the test"))
    }

    struct Echo;

    impl Site for Echo {
        fn answer(&self, name: &str, query: &Query) -> Answer {
            match name {
                "echo" => Answer::Json(query.text("x").unwrap_or("null").as_bytes().to_vec()),
                "wrong" => Answer::Bad("why".to_owned()),
                "lost" => Answer::Failed("gone".to_owned()),
                "defect" => defect(),
                _ => Answer::NotFound,
            }
        }
    }

    fn ask(server: &Address, host: &str, line: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("listens");
        write!(stream, "{line} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("takes it");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("answers");
        text
    }

    #[test]
    fn only_the_right_address_host_and_method_are_answered() {
        let server = Server::listen(0).expect("a port");
        let address = server.address().clone();
        std::thread::spawn(move || server.run(Arc::new(Echo)));
        let host = format!("127.0.0.1:{}", address.port);
        let secret = &address.token;
        let status = |host: &str, line: &str| ask(&address, host, line)[9..12].to_owned();
        assert_eq!(status(&host, &format!("GET /{secret}/")), "200");
        assert!(ask(&address, &host, &format!("GET /{secret}/api/echo?x=7")).ends_with("\r\n\r\n7"));
        assert_eq!(status(&host, &format!("GET /{secret}/api/wrong")), "400");
        assert_eq!(status(&host, &format!("GET /{secret}/api/none")), "404");
        assert_eq!(status(&host, &format!("GET /{secret}/../etc/passwd")), "404");
        assert_eq!(status(&host, &format!("GET /{secret}/api/../echo")), "404");
        assert_eq!(status(&host, "GET /"), "404");
        assert_eq!(status(&host, "GET /0123456789abcdef0123456789abcdef/"), "404");
        assert_eq!(status("evil.example", &format!("GET /{secret}/")), "403");
        assert_eq!(status(&host, &format!("POST /{secret}/")), "405");
        assert_eq!(secret.len(), 32);
    }

    #[test]
    fn a_defect_is_said_and_takes_no_place_from_later_questions() {
        let server = Server::listen(0).expect("a port");
        let address = server.address().clone();
        std::thread::spawn(move || server.run(Arc::new(Echo)));
        let host = format!("127.0.0.1:{}", address.port);
        let asks = |name: &str| ask(&address, &host, &format!("GET /{}/api/{name}", address.token));
        assert!(asks("lost").starts_with("HTTP/1.1 500 ") && asks("lost").ends_with("gone\n"));
        for _ in 0..2 * CONNECTIONS_MAX {
            assert!(asks("defect").starts_with("HTTP/1.1 500 "));
        }
        assert!(asks("echo?x=7").ends_with("\r\n\r\n7"));
    }

    #[test]
    fn a_place_is_given_back_when_its_thread_panics() {
        let busy = Arc::new(AtomicUsize::new(CONNECTIONS_MAX - 1));
        let place = Place::take(&busy).expect("one is left");
        assert!(Place::take(&busy).is_none());
        let ended = std::thread::spawn(move || {
            let _place = place;
            defect();
        });
        assert!(ended.join().is_err());
        assert!(Place::take(&busy).is_some());
    }
}
