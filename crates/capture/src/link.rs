//! The messages between front, tracer and child: one byte that says what, then its content.

use std::os::fd::{AsFd, OwnedFd};

use abi::{Errno, Pid};
use sys::OsResult;
use sys::socket::Socket;

/// A message.
#[derive(Debug)]
pub(crate) enum Message {
    /// To the child: let this process trace you.
    Tracer(Pid),
    /// To the child: install the filter.
    Filter,
    /// To the child: execute the command.
    Exec,
    /// From the child: done.
    Done,
    /// From the child and on to the front: the listener of the filter.
    Listener(OwnedFd),
    /// From the child: a filter is installed, without a listener.
    NoListener,
    /// From the child: this system call failed.
    ChildFailed(Errno, String),
    /// From the front: the program has ended, and what it left running is waited for no longer.
    Enough,
    /// To the front: recording can't begin, or tells something on the way.
    Failed(String),
    /// To the front: recording goes on with this restriction, or has ended early.
    Trouble(String),
    /// To the front: the program's recording is written as far as the program got.
    Ended {
        /// How many of the threads it made live on.
        left: u32,
    },
    /// To the front: what the observer found, in a file in memory.
    Found(OwnedFd),
    /// The other end is closed.
    Closed,
}

impl Message {
    /// Sends it.
    pub(crate) fn send(&self, socket: &Socket) -> OsResult<()> {
        let plain = |tag: u8, content: &[u8]| {
            let mut bytes = vec![tag];
            bytes.extend(content.iter().take(sys::socket::MESSAGE_BYTES_MAX - 1));
            socket.send(&bytes, None)
        };
        match self {
            Self::Tracer(pid) => plain(b'p', &pid.0.to_le_bytes()),
            Self::Filter => plain(b'f', &[]),
            Self::Exec => plain(b'x', &[]),
            Self::Done => plain(b'd', &[]),
            Self::Listener(fd) => socket.send(b"l", Some(fd.as_fd())),
            Self::NoListener => plain(b'n', &[]),
            Self::Enough => plain(b'q', &[]),
            Self::ChildFailed(errno, call) => {
                plain(b'e', &[errno.0.to_le_bytes().as_slice(), call.as_bytes()].concat())
            }
            Self::Failed(text) => plain(b'E', text.as_bytes()),
            Self::Trouble(text) => plain(b't', text.as_bytes()),
            Self::Ended { left } => plain(b'.', &left.to_le_bytes()),
            Self::Found(fd) => socket.send(b"r", Some(fd.as_fd())),
            Self::Closed => Ok(()),
        }
    }

    /// Takes the next one, waiting for it. What can't be read is taken for the end.
    pub(crate) fn receive(socket: &Socket) -> Self {
        let Ok(message) = socket.receive() else { return Self::Closed };
        let Some((tag, content)) = message.bytes.split_first() else { return Self::Closed };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let number = || content.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        match (tag, message.fd) {
            (b'p', _) => Self::Tracer(Pid(number())),
            (b'f', _) => Self::Filter,
            (b'x', _) => Self::Exec,
            (b'd', _) => Self::Done,
            (b'l', Some(fd)) => Self::Listener(fd),
            (b'n', _) => Self::NoListener,
            (b'q', _) => Self::Enough,
            (b'e', _) => match content.split_first_chunk() {
                Some((errno, call)) => Self::ChildFailed(Errno(u16::from_le_bytes(*errno)), text(call)),
                None => Self::Closed,
            },
            (b'E', _) => Self::Failed(text(content)),
            (b't', _) => Self::Trouble(text(content)),
            (b'.', _) => Self::Ended { left: number() as u32 },
            (b'r', Some(fd)) => Self::Found(fd),
            _ => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_over_whole() {
        let (a, b) = Socket::pair().expect("sockets");
        let over = |message: Message| {
            message.send(&a).expect("an open end");
            format!("{:?}", Message::receive(&b))
        };
        assert_eq!(over(Message::Tracer(Pid(70000))), "Tracer(Pid(70000))");
        assert_eq!(over(Message::ChildFailed(Errno::EBUSY, "x".into())), "ChildFailed(EBUSY, \"x\")");
        assert_eq!(over(Message::Trouble("a b".into())), "Trouble(\"a b\")");
        assert_eq!(over(Message::Ended { left: 3 }), "Ended { left: 3 }");
        // A text that is too long is cut.
        assert!(over(Message::Failed("x".repeat(10_000))).len() > 4000);
        drop(a);
        assert!(matches!(Message::receive(&b), Message::Closed));
    }
}
