//! The network between one client and the daemon: it can be cut, anywhere, and stalled.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// What is done to all that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All passes.
    Fair,
    /// Each connection ends after some bytes, wherever that is in a frame.
    Cutting,
    /// Nothing that the daemon sends is read.
    Stalled,
}

/// Passes connections on.
pub struct Proxy {
    address: String,
    weather: watch::Sender<Weather>,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of `host:port`. The seed decides where connections are cut.
    pub async fn start(target: &str, mut seed: u64) -> Self {
        let target: std::net::SocketAddr = target.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (weather, watched) = watch::channel(Weather::Fair);
        let cuts = Arc::<AtomicU64>::default();
        let count = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // A step of SplitMix64.
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let bytes = 200 + (mixed >> 33) % 6000;
                let far = TcpSocket::new_v4().unwrap();
                // Little is on the way, so that the daemon soon feels a client that stalls.
                far.set_recv_buffer_size(16 * 1024).unwrap();
                let Ok(far) = far.connect(target).await else { continue };
                for end in [&near, &far] {
                    end.set_nodelay(true).unwrap();
                }
                let (watched, count) = (watched.clone(), Arc::clone(&count));
                tokio::spawn(pass(near, far, watched, bytes, count));
            }
        });
        Self { address, weather, cuts }
    }

    /// Where the client connects to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, also for connections that are open.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// Passes bytes on, in both directions, until one side ends or they are used up.
async fn pass(
    mut near: TcpStream,
    mut far: TcpStream,
    mut weather: watch::Receiver<Weather>,
    mut left: u64,
    cuts: Arc<AtomicU64>,
) {
    let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
    loop {
        let now = *weather.borrow_and_update();
        let passed = tokio::select! {
            read = near.read(&mut up) => forward(read, &up, &mut far, now, left).await,
            read = far.read(&mut down), if now != Weather::Stalled => {
                forward(read, &down, &mut near, now, left).await
            }
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Some(passed) = passed else { return };
        if now == Weather::Cutting {
            left -= passed;
            if left == 0 {
                cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }
}

/// Passes on what was read, as far as it may; says how much, `None` at the end.
async fn forward(
    read: std::io::Result<usize>,
    bytes: &[u8],
    to: &mut TcpStream,
    weather: Weather,
    left: u64,
) -> Option<u64> {
    let read = read.ok().filter(|read| *read > 0)?;
    let most = if weather == Weather::Cutting { left } else { u64::MAX };
    let passed = most.min(read as u64);
    to.write_all(&bytes[..usize::try_from(passed).unwrap()]).await.ok()?;
    Some(passed)
}
