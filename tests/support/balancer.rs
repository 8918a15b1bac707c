//! A TCP balancer as operators put in front of nodes: each new connection goes to the next node
//! that takes it. What happens to one node's connections is nothing to the others'.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// Runs as long as the test's runtime.
pub struct Balancer {
    address: SocketAddr,
    skipped: Arc<AtomicU64>,
}

impl Balancer {
    /// In front of nodes, each `host:port`.
    pub async fn start(nodes: &[&str]) -> Self {
        let nodes: Arc<[String]> = nodes.iter().map(|&node| node.to_owned()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let skipped = Arc::<AtomicU64>::default();
        let (count, turn) = (Arc::clone(&skipped), Arc::<AtomicUsize>::default());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let first = turn.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass(near, Arc::clone(&nodes), first, Arc::clone(&count)));
            }
        });
        Self { address, skipped }
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a node refused a connection, which then went to the next.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

/// Passes a connection on to the first node that takes it, until one side ends it.
async fn pass(mut near: TcpStream, nodes: Arc<[String]>, first: usize, skipped: Arc<AtomicU64>) {
    for turn in 0..nodes.len() {
        let node = &nodes[(first + turn) % nodes.len()];
        let Ok(mut far) = TcpStream::connect(node).await else {
            skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        // A balancer that waits for more to send would be what is measured.
        if near.set_nodelay(true).is_ok() && far.set_nodelay(true).is_ok() {
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
        return;
    }
}
