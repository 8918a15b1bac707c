//! A disk with a volatile write cache: the server of a network block device (NBD) that keeps what
//! is written in its cache until it is told to flush, and at a power cut loses each sector that
//! was not flushed, or not, by the toss of a coin. So writes are torn and reordered as the
//! interface of disks allows.
//!
//! The protocol is that of <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>,
//! the part that QEMU needs.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What a disk writes as a whole, or not at all: the physical sector of today's disks. Ext4 relies
/// on it for the blocks that commit its journal; one that is torn fails the journal's recovery.
const SECTOR: usize = 4096;

const OPTION_MAGIC: u64 = 0x4948_4156_454F_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// A disk, and the port on which one machine after the other finds it.
pub struct Disk {
    port: u16,
    plates: Arc<Mutex<Plates>>,
}

struct Plates {
    /// What survives.
    durable: Vec<u8>,
    /// What is read.
    current: Vec<u8>,
    /// The sectors that differ or may.
    cached: BTreeSet<usize>,
    /// Counts the power cuts; a connection of before one is dead.
    life: usize,
    /// How many writes it takes before the power fails.
    fuse: Option<usize>,
    flushes: usize,
}

impl Disk {
    /// A disk with this content.
    pub fn new(content: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let plates = Arc::new(Mutex::new(Plates {
            durable: content.clone(),
            current: content,
            cached: BTreeSet::new(),
            life: 0,
            fuse: None,
            flushes: 0,
        }));
        let disk = Arc::clone(&plates);
        // Both end with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let disk = Arc::clone(&disk);
                std::thread::spawn(move || drop(serve(stream, &disk)));
            }
        });
        Self { port, plates }
    }

    /// Where QEMU finds it.
    pub fn uri(&self) -> String {
        format!("nbd://127.0.0.1:{}", self.port)
    }

    /// Lets the power fail at the write after so many more, which is in the cache then.
    pub fn cut_after(&self, writes: usize) {
        self.plates.lock().expect("the disk").fuse = Some(writes);
    }

    /// Lets the power fail now, under a machine that writes nothing any more.
    pub fn cut_now(&self) {
        let mut plates = self.plates.lock().expect("the disk");
        plates.fuse = None;
        plates.life += 1;
    }

    /// What the cut left, once it has happened: of the sectors in the cache, those for which
    /// `coin` says so. Returns how many are lost, and how often the disk had been flushed.
    pub fn cut(&self, mut coin: impl FnMut() -> bool) -> Option<(usize, usize)> {
        let mut plates = self.plates.lock().expect("the disk");
        if plates.fuse.is_some() {
            return None;
        }
        let mut lost = 0;
        for sector in std::mem::take(&mut plates.cached) {
            if coin() {
                plates.keep(sector);
            } else {
                lost += 1;
            }
        }
        plates.current = plates.durable.clone();
        Some((lost, std::mem::take(&mut plates.flushes)))
    }
}

impl Plates {
    fn keep(&mut self, sector: usize) {
        let bytes = sector * SECTOR..(sector + 1) * SECTOR;
        self.durable[bytes.clone()].copy_from_slice(&self.current[bytes]);
    }

    fn write(&mut self, offset: usize, bytes: &[u8], through: bool) {
        self.current[offset..offset + bytes.len()].copy_from_slice(bytes);
        for sector in offset / SECTOR..(offset + bytes.len()).div_ceil(SECTOR) {
            if through {
                self.cached.remove(&sector);
                self.keep(sector);
            } else {
                self.cached.insert(sector);
            }
        }
    }

    /// Whether this write was the last.
    fn burn(&mut self) -> bool {
        let ends = self.fuse == Some(0);
        self.fuse = self.fuse.and_then(|left| left.checked_sub(1));
        self.life += usize::from(ends);
        ends
    }

    fn flush(&mut self) {
        self.flushes += 1;
        for sector in std::mem::take(&mut self.cached) {
            self.keep(sector);
        }
    }
}

fn number<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn bytes(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn serve(mut stream: TcpStream, disk: &Mutex<Plates>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (life, size) = {
        let plates = disk.lock().expect("the disk");
        (plates.life, plates.current.len() as u64)
    };
    negotiate(&mut stream, size)?;
    loop {
        let magic = u32::from_be_bytes(number(&mut stream)?);
        assert_eq!(magic, REQUEST_MAGIC, "a request");
        let through = u16::from_be_bytes(number(&mut stream)?) & 1 != 0;
        let kind = u16::from_be_bytes(number(&mut stream)?);
        let cookie: [u8; 8] = number(&mut stream)?;
        let offset = u64::from_be_bytes(number(&mut stream)?) as usize;
        let length = u32::from_be_bytes(number(&mut stream)?) as usize;
        let written = if kind == 1 { bytes(&mut stream, length)? } else { Vec::new() };
        let mut answer = REPLY_MAGIC.to_be_bytes().to_vec();
        answer.extend(0_u32.to_be_bytes());
        answer.extend(cookie);
        {
            let mut plates = disk.lock().expect("the disk");
            if plates.life != life {
                drop(plates);
                return without_power(stream);
            }
            match kind {
                0 => answer.extend(&plates.current[offset..offset + length]),
                1 => {
                    plates.write(offset, &written, through);
                    if plates.burn() {
                        drop(plates);
                        return without_power(stream);
                    }
                }
                3 => plates.flush(),
                _ => return Ok(()),
            }
        }
        stream.write_all(&answer)?;
    }
}

/// It answers nothing any more, not even by an error.
fn without_power(mut stream: TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

fn negotiate(stream: &mut TcpStream, size: u64) -> io::Result<()> {
    stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
    let _flags: [u8; 4] = number(stream)?;
    // It can flush, and write through its cache.
    let abilities = (1_u16 | 4 | 8).to_be_bytes();
    loop {
        let magic = u64::from_be_bytes(number(stream)?);
        assert_eq!(magic, OPTION_MAGIC, "an option");
        let option = u32::from_be_bytes(number(stream)?);
        let length = u32::from_be_bytes(number(stream)?) as usize;
        bytes(stream, length)?;
        let mut reply = |kind: u32, data: &[u8]| {
            let mut reply = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
            reply.extend(option.to_be_bytes());
            reply.extend(kind.to_be_bytes());
            reply.extend((data.len() as u32).to_be_bytes());
            reply.extend(data);
            stream.write_all(&reply)
        };
        match option {
            // "Go": size and abilities, then the requests begin.
            7 => {
                let mut export = vec![0, 0];
                export.extend(size.to_be_bytes());
                export.extend(abilities);
                reply(3, &export)?;
                return reply(1, &[]);
            }
            2 => {
                reply(1, &[])?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            _ => reply(0x8000_0001, &[])?,
        }
    }
}
