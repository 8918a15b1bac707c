//! One signed-in XMPP connection with stream management (XEP-0198), over plain TCP.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::net::TcpStream;

use crate::stanza::{Element, Ended, Splitter};

/// The host that ejabberd serves here.
pub const DOMAIN: &str = "localhost";

/// The password of every user.
pub const PASSWORD: &str = "correct-horse-battery";

/// A connection that has signed in, bound a resource and enabled stream management.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    splitter: Splitter,
    /// What waits to be written.
    out: Vec<u8>,
    /// Stanzas received since stream management began: what an `<a/>` of ours tells.
    received: u32,
}

/// What an element that arrived means for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// The server has handled this many of our stanzas (modulo 2^32).
    Acknowledged(u32),
    /// A message.
    Message,
    /// An error instead of a delivery.
    Refused,
}

impl Session {
    /// Connects and signs in as `user`; `resource` tells a user's sessions apart.
    ///
    /// # Errors
    /// When the connection breaks, or the server refuses a step.
    pub async fn open(address: &str, user: &str, resource: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (splitter, out) = (Splitter::default(), Vec::new());
        let mut session = Self { stream, splitter, out, received: 0 };
        session.begin().await?;
        let secret = STANDARD.encode(format!("\0{user}\0{PASSWORD}"));
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
        session.ask(&format!("{auth}{secret}</auth>"), "success").await?;
        session.splitter.restart();
        session.begin().await?;
        let bind = format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        );
        session.ask(&bind, "iq").await?;
        session.ask("<enable xmlns='urn:xmpp:sm:3'/>", "enabled").await?;
        Ok(session)
    }

    async fn begin(&mut self) -> io::Result<()> {
        let header = format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' \
             xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        self.ask(&header, "stream:features").await
    }

    /// Sends a step of signing in, and waits for the answer of this name.
    async fn ask(&mut self, step: &str, answer: &str) -> io::Result<()> {
        self.out.extend_from_slice(step.as_bytes());
        while !self.out.is_empty() {
            self.stream.writable().await?;
            self.write()?;
        }
        loop {
            if let Some(element) = self.splitter.next().map_err(ended)? {
                let wrong = element.attribute("type") == Some("error");
                if element.name() == answer && !wrong {
                    return Ok(());
                }
                return Err(io::Error::other(format!("{step}: {}", element.text())));
            }
            self.stream.readable().await?;
            self.fill()?;
        }
    }

    /// Queues bytes to be written.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Waits until there is something to read, or what is queued can be written.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn ready(&self) -> io::Result<()> {
        let write = !self.out.is_empty();
        tokio::select! {
            done = self.stream.readable() => done,
            done = self.stream.writable(), if write => done,
        }
    }

    /// Reads all that has arrived, answers the server's own requests, and tells of the rest.
    ///
    /// # Errors
    /// When the connection broke or the stream ended.
    pub fn read(&mut self, mut tell: impl FnMut(Arrived)) -> io::Result<()> {
        loop {
            let more = self.fill()?;
            while let Some(element) = self.splitter.next().map_err(ended)? {
                let name = element.name();
                if matches!(name, "message" | "presence" | "iq") {
                    self.received = self.received.wrapping_add(1);
                }
                match name {
                    "message" if element.attribute("type") == Some("error") => {
                        tell(Arrived::Refused);
                    }
                    "message" => tell(Arrived::Message),
                    "a" => tell(Arrived::Acknowledged(handled(element)?)),
                    "r" => {
                        let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.received);
                        self.out.extend_from_slice(answer.as_bytes());
                    }
                    "stream:error" => return Err(io::Error::other(element.text().to_owned())),
                    _ => {}
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Writes as much of what is queued as the socket takes.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn write(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once. Whether there may be more.
    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.splitter.push(buffer.get(..read).unwrap_or_default());
                Ok(read == buffer.len())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn handled(element: Element<'_>) -> io::Result<u32> {
    let number = element.attribute("h").and_then(|h| h.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no number in {}", element.text())))
}

fn ended(why: Ended) -> io::Error {
    io::Error::other(match why {
        Ended::Closed => "the server closed the stream",
        Ended::Malformed => "the server sent what is no stream",
    })
}
