//! Splits what an XMPP server sends into the elements of the stream: what a client of a fixed
//! subset needs of XML, however the reads are split.

use std::ops::Range;

/// The most that one element may take, in bytes.
const MAX_ELEMENT: usize = 1 << 20;

/// Takes bytes as they arrive, and gives whole elements.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
    /// Where the next tag is looked for.
    at: usize,
    /// Where the element begins that is not yet whole.
    start: usize,
    /// How many elements are open; the stream itself is one.
    depth: usize,
}

/// An element of the stream: a stanza, or one of stream management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    text: &'a str,
}

/// The server sent what is no stream, or closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `</stream:stream>`.
    Closed,
    /// No XML of XMPP.
    Malformed,
}

impl Splitter {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            (self.start, self.at) = (0, 0);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// A new stream begins on the same connection, as after signing in.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The next whole element, if it has arrived.
    ///
    /// # Errors
    /// When there will be no more.
    pub fn next(&mut self) -> Result<Option<Element<'_>>, Ended> {
        while let Some(range) = self.tag() {
            let tag = self.bytes.get(range.clone()).unwrap_or_default();
            self.at = range.end;
            let ends = match tag {
                [b'<', b'?', ..] => false,
                [b'<', b'/', ..] => {
                    self.depth = self.depth.checked_sub(1).ok_or(Ended::Malformed)?;
                    if self.depth == 0 {
                        return Err(Ended::Closed);
                    }
                    self.depth == 1
                }
                [.., b'/', b'>'] => {
                    if self.depth == 1 {
                        self.start = range.start;
                    }
                    self.depth == 1
                }
                _ => {
                    if self.depth == 1 {
                        self.start = range.start;
                    }
                    self.depth += 1;
                    false
                }
            };
            if ends {
                let whole = self.start..range.end;
                self.start = range.end;
                let whole = self.bytes.get(whole).unwrap_or_default();
                let text = std::str::from_utf8(whole).map_err(|_| Ended::Malformed)?;
                return Ok(Some(Element { text }));
            }
            if self.depth <= 1 {
                self.start = range.end;
            }
        }
        if self.bytes.len() - self.start > MAX_ELEMENT {
            return Err(Ended::Malformed);
        }
        Ok(None)
    }

    /// Where the next tag stands, if it is whole. A `>` within quotes does not end it.
    fn tag(&mut self) -> Option<Range<usize>> {
        let rest = self.bytes.get(self.at..)?;
        let Some(before) = rest.iter().position(|byte| *byte == b'<') else {
            self.at = self.bytes.len();
            if self.depth <= 1 {
                // Blanks between elements keep a connection open.
                self.start = self.at;
            }
            return None;
        };
        let start = self.at + before;
        self.at = start;
        let mut quote = None;
        for (offset, byte) in rest.get(before..)?.iter().enumerate() {
            match (quote, byte) {
                (None, b'>') => return Some(start..start + offset + 1),
                (None, b'"' | b'\'') => quote = Some(*byte),
                (Some(open), byte) if open == *byte => quote = None,
                _ => {}
            }
        }
        None
    }
}

impl<'a> Element<'a> {
    /// Its name, with the prefix if it has one.
    pub fn name(self) -> &'a str {
        let tag = self.text.get(1..).unwrap_or_default();
        tag.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default()
    }

    /// The value of one of its own attributes, as it is written.
    pub fn attribute(self, name: &str) -> Option<&'a str> {
        let mut rest = self.text.get(1 + self.name().len()..)?;
        loop {
            let (key, after) = rest.split_once('=')?;
            if key.contains('>') {
                return None;
            }
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| "'\"".contains(*quote))?;
            let (value, after) = after.get(1..)?.split_once(quote)?;
            if key.trim() == name {
                return Some(value);
            }
            rest = after;
        }
    }

    /// All of it.
    pub fn text(self) -> &'a str {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1>2'> \
        <stream:features><a><b x=\"/>\"/></a></stream:features>\n<r xmlns='urn:xmpp:sm:3'/>\
        <a h='17' xmlns=\"x\"/><message from='a@b'><body>a &lt; b \u{e9}</body></message> ";

    fn all(splitter: &mut Splitter) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(element) = splitter.next().expect("a stream") {
            found.push(element.text().to_owned());
        }
        found
    }

    #[test]
    fn elements_are_whole_however_reads_are_split() {
        let mut whole = Splitter::default();
        whole.push(STREAM.as_bytes());
        let expected = all(&mut whole);
        let names: Vec<_> = expected.iter().map(|text| Element { text }.name()).collect();
        assert_eq!(names, ["stream:features", "r", "a", "message"]);
        assert_eq!(expected[0], "<stream:features><a><b x=\"/>\"/></a></stream:features>");
        for size in 1..STREAM.len() {
            let (mut splitter, mut found) = (Splitter::default(), Vec::new());
            for part in STREAM.as_bytes().chunks(size) {
                splitter.push(part);
                found.extend(all(&mut splitter));
            }
            assert_eq!(found, expected, "in reads of {size}");
            assert_eq!(splitter.start, splitter.bytes.len(), "in reads of {size}");
        }
    }

    #[test]
    fn attributes_are_those_of_the_element_itself() {
        let element = |text| Element { text };
        assert_eq!(element("<a h='17' xmlns=\"x\"/>").attribute("h"), Some("17"));
        assert_eq!(element("<a xmlns='h' h=\"3\"/>").attribute("h"), Some("3"));
        assert_eq!(element("<m id='1'><a h='2'/></m>").attribute("h"), None);
        assert_eq!(element("<m><a h='2'/></m>").attribute("h"), None);
        assert_eq!(element("<r/>").attribute("h"), None);
    }

    #[test]
    fn an_end_is_told() {
        let mut splitter = Splitter::default();
        splitter.push(b"<stream:stream><r/></stream:stream>");
        assert_eq!(splitter.next().map(|element| element.is_some()), Ok(true));
        assert_eq!(splitter.next(), Err(Ended::Closed));
        splitter.restart();
        splitter.push(b"</a>");
        assert_eq!(splitter.next(), Err(Ended::Malformed));
    }
}
