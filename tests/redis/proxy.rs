//! The network between one node and Redis, which can be cut.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Passes connections on until it is cut.
pub struct Proxy {
    url: String,
    cut: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl Proxy {
    /// In front of `host:port`.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (cut, changed) = (Arc::<AtomicBool>::default(), Arc::<Notify>::default());
        let (is_cut, was_cut) = (Arc::clone(&cut), Arc::clone(&changed));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (is_cut, was_cut) = (Arc::clone(&is_cut), Arc::clone(&was_cut));
                let target = target.clone();
                tokio::spawn(async move {
                    let ended = was_cut.notified();
                    if is_cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = ended => {}
                    }
                });
            }
        });
        Self { url, cut, changed }
    }

    /// The URL of the near end.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends all connections, and lets none through.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}
