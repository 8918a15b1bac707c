//! A network of one test's own: a namespace, joined to the machine's by one or several wires that
//! can be cut in either direction. What is sent into a cut wire vanishes; nobody is told.
//!
//! A wire is cut by a wrong hardware address, for which no module of the kernel is needed. This
//! needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN).

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Counts the wires of this process.
static WIRES: AtomicUsize = AtomicUsize::new(0);

/// Which way packets no longer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Neither way.
    Both,
    /// Not into the network; out of it they go.
    Inwards,
    /// Not out of the network; into it they go.
    Outwards,
}

/// The namespace; removed with its wires, and not with what runs there, when dropped.
pub struct Network {
    name: String,
    wires: Vec<Wire>,
}

/// From the machine into a network.
struct Wire {
    near: String,
    far: String,
    number: usize,
}

impl Wire {
    fn near_address(&self) -> String {
        format!("10.{}.{}.1", 64 + std::process::id() % 128, self.number)
    }

    fn far_address(&self) -> String {
        format!("10.{}.{}.2", 64 + std::process::id() % 128, self.number)
    }
}

impl Network {
    /// A network with so many wires.
    ///
    /// # Panics
    /// When this process may not make one.
    pub fn new(wires: usize) -> Self {
        let mut network = Self { name: String::new(), wires: Vec::new() };
        for _ in 0..wires {
            let number = WIRES.fetch_add(1, Ordering::Relaxed);
            let end = |side| format!("c{}{side}{number}", std::process::id());
            let wire = Wire { near: end("n"), far: end("f"), number };
            if network.name.is_empty() {
                network.name = format!("confab-{}-{number}", std::process::id());
                ip(&["netns", "add", &network.name]);
            }
            network.join(&wire);
            network.wires.push(wire);
        }
        ip(&["-n", &network.name, "link", "set", "lo", "up"]);
        network
    }

    fn join(&self, wire: &Wire) {
        let Wire { near, far, .. } = wire;
        let (near_address, far_address) = (wire.near_address(), wire.far_address());
        let ns = ["-n", &self.name];
        ip(&["link", "add", near, "address", NEAR, "type", "veth", "peer", "name", far]
            .into_iter()
            .chain(["address", FAR, "netns", &self.name])
            .collect::<Vec<_>>());
        ip(&["address", "add", &format!("{near_address}/30"), "dev", near]);
        ip(&[&ns[..], &["address", "add", &format!("{far_address}/30"), "dev", far]].concat());
        ip(&["link", "set", near, "up"]);
        ip(&[&ns[..], &["link", "set", far, "up"]].concat());
        self.aim(wire, FAR, NEAR);
    }

    /// Says to which hardware address packets go, into the network and out of it.
    fn aim(&self, wire: &Wire, inwards: &str, outwards: &str) {
        let Wire { near, far, .. } = wire;
        let (near_address, far_address) = (wire.near_address(), wire.far_address());
        let to = |address, hardware, wire| {
            ["neigh", "replace", address, "lladdr", hardware, "dev", wire, "nud", "permanent"]
        };
        ip(&to(&far_address, inwards, near));
        ip(&[&["-n", &self.name], &to(&near_address, outwards, far)[..]].concat());
    }

    /// The machine's address on a wire.
    pub fn near(&self, wire: usize) -> String {
        self.wires[wire].near_address()
    }

    /// The network's address on a wire.
    pub fn far(&self, wire: usize) -> String {
        self.wires[wire].far_address()
    }

    /// Cuts a wire.
    pub fn cut(&self, wire: usize, cut: Cut) {
        let inwards = if cut == Cut::Outwards { FAR } else { NOBODY };
        let outwards = if cut == Cut::Inwards { NEAR } else { NOBODY };
        self.aim(&self.wires[wire], inwards, outwards);
    }

    /// Mends a wire.
    pub fn mend(&self, wire: usize) {
        self.aim(&self.wires[wire], FAR, NEAR);
    }

    /// What a command line begins with that runs in the network.
    pub fn inside(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Connects from inside the network, to a daemon on the machine.
    ///
    /// # Errors
    /// Those of connecting.
    pub fn connect(&self, to: SocketAddr) -> io::Result<std::net::TcpStream> {
        let name = self.name.clone();
        let connecting = std::thread::spawn(move || {
            // A thread of its own, which ends there.
            let namespace = std::fs::File::open(format!("/run/netns/{name}"))?;
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)?;
            std::net::TcpStream::connect(to)
        });
        connecting.join().expect("a thread")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for wire in &self.wires {
            let _ = Command::new("ip").args(["link", "delete", &wire.near]).status();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

const NEAR: &str = "02:00:00:00:00:01";
const FAR: &str = "02:00:00:00:00:02";
const NOBODY: &str = "02:00:00:00:00:99";

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("ip runs (package iproute2)");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {}: {said}", arguments.join(" "));
}
