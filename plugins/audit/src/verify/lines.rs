//! The lines of a log's files, one at a time, each with its place.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{BufRead, BufReader, Read as _, Seek as _},
    path::PathBuf,
};

use crate::{chain::Record, open::MAX_LINE};

/// A line's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One line as it stands in a file.
pub struct Found {
    pub place: Place,
    /// Without its end.
    pub bytes: Vec<u8>,
    /// Whether it has an end.
    pub ended: bool,
}

/// A file of a log.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    /// The file itself, of the newest: a daemon that puts it aside meanwhile gives its name to
    /// another.
    held: Option<File>,
}

/// The files in the order of their first lines; each once. A file without lines comes last, as
/// does one whose first line can't be read.
///
/// # Errors
/// A file that can't be read.
pub fn in_order(files: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut known = BTreeMap::new();
    for file in files {
        let real = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
        known.entry(real).or_insert_with(|| file.clone());
    }
    let mut order = Vec::new();
    // One is held and not all: a log may have more files than a process may have open.
    let mut newest = None;
    for file in known.into_values() {
        let opened = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let place = Place { file, line: 1 };
        let first = read(&mut BufReader::new(&opened), &place)?;
        let n = first.and_then(|line| Record::read(&line.bytes).ok()).map(|record| record.n);
        let key = (n.unwrap_or(u64::MAX), place.file);
        if newest.as_ref().is_none_or(|(newest, _)| *newest < key) {
            newest = Some((key.clone(), opened));
        }
        order.push(key);
    }
    order.sort();
    let source = |(_, path)| Source { path, held: None };
    let mut sources: Vec<_> = order.into_iter().map(source).collect();
    if let Some(last) = sources.last_mut() {
        last.held = newest.map(|(_, file)| file);
    }
    Ok(sources)
}

/// The lines of files, one after the other.
pub struct Lines<'a> {
    files: std::slice::Iter<'a, Source>,
    open: Option<(BufReader<File>, Place)>,
}

impl<'a> Lines<'a> {
    /// Those of `files`, in this order.
    pub fn new(files: &'a [Source]) -> Self {
        Self { files: files.iter(), open: None }
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Found, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((reader, place)) = &mut self.open {
                place.line += 1;
                match read(reader, place) {
                    Ok(None) => self.open = None,
                    Ok(Some(found)) => return Some(Ok(found)),
                    Err(error) => return Some(Err(error)),
                }
            }
            let source = self.files.next()?;
            match open(source) {
                Ok(reader) => {
                    self.open = Some((reader, Place { file: source.path.clone(), line: 0 }));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn open(source: &Source) -> Result<BufReader<File>, String> {
    let opened = match &source.held {
        Some(file) => file.try_clone().and_then(|mut file| file.rewind().map(|()| file)),
        None => File::open(&source.path),
    };
    let opened = opened.map_err(|error| format!("{}: {error}", source.path.display()))?;
    Ok(BufReader::with_capacity(256 << 10, opened))
}

fn read(reader: &mut impl BufRead, place: &Place) -> Result<Option<Found>, String> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_LINE).read_until(b'\n', &mut bytes);
    if read.map_err(|error| format!("{}: {error}", place.file.display()))? == 0 {
        return Ok(None);
    }
    let ended = bytes.last() == Some(&b'\n');
    if ended {
        bytes.pop();
    } else if bytes.len() as u64 >= MAX_LINE {
        return Err(format!("{place}: this is no line of an audit log: it is too long"));
    }
    Ok(Some(Found { place: place.clone(), bytes, ended }))
}
