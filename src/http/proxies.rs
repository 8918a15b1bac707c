//! Whose `X-Forwarded-For` is believed.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use poem::http::{HeaderMap, HeaderName};

use crate::config::Network;

/// Where a proxy says whom it speaks for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most proxies that a request is followed back through.
const MOST_HOPS: usize = 32;

/// The networks of `server.trusted_proxies`, which a reload can change.
#[derive(Debug)]
pub struct TrustedProxies(ArcSwap<Vec<Network>>);

impl TrustedProxies {
    /// These networks, which were checked with the configuration.
    pub fn new(networks: &[String]) -> Self {
        Self(ArcSwap::from_pointee(read(networks)))
    }

    /// From here on, these.
    pub fn replace(&self, networks: &[String]) {
        self.0.store(Arc::new(read(networks)));
    }

    /// Whether this is one of them.
    pub fn trusts(&self, address: IpAddr) -> bool {
        trusts(&self.0.load(), address)
    }

    /// Whose request this is that came from `peer`: that of the last entry of `X-Forwarded-For`
    /// that a listed proxy wrote. `peer` itself when it is not listed, when the header is missing,
    /// and when what it leads to is no address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client(&self.0.load(), peer, headers)
    }
}

fn read(networks: &[String]) -> Vec<Network> {
    networks.iter().filter_map(|network| network.parse().ok()).collect()
}

fn trusts(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn client(networks: &[Network], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !trusts(networks, peer) {
        return peer;
    }
    // Each proxy adds the address that it saw at the end, so everything left of an entry that no
    // listed proxy stands for may be the client's invention.
    let lines = headers.get_all(FORWARDED_FOR).iter();
    let lines: Vec<&[u8]> = lines.map(poem::http::HeaderValue::as_bytes).collect();
    let entries = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut client = peer;
    for (hops, entry) in entries.enumerate() {
        let Some(address) = address(entry).filter(|_| hops < MOST_HOPS) else { return peer };
        client = address;
        if !trusts(networks, address) {
            break;
        }
    }
    client
}

/// One entry: an address, which some proxies write with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok()?.into(),
        None => entry
            .parse()
            .or_else(|_| entry.parse::<std::net::SocketAddr>().map(|address| address.ip()))
            .ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn from(peer: &str, lines: &[&[u8]]) -> String {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".to_owned(), "::1".to_owned()]);
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = poem::http::HeaderValue::from_bytes(line).unwrap();
            headers.append(FORWARDED_FOR, line);
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(from("192.0.2.9", &[b"203.0.113.7"]), "192.0.2.9");
        assert_eq!(from("192.0.2.9", &[b"10.0.0.2"]), "192.0.2.9");
        assert_eq!(from(PROXY, &[]), PROXY);
    }

    #[test]
    fn the_rightmost_that_is_no_proxy_counts() {
        for (lines, client) in [
            (&[b"203.0.113.7".as_slice()][..], "203.0.113.7"),
            // What the client made up stands left of what the proxy saw.
            (&[b"198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (&[b"nonsense, 203.0.113.7 ,10.9.9.9"], "203.0.113.7"),
            (&[b"198.51.100.1", b"203.0.113.7,10.9.9.9", b"10.8.8.8"], "203.0.113.7"),
            (&[b"203.0.113.7:4711"], "203.0.113.7"),
            (&[b"2001:db8::1"], "2001:db8::1"),
            (&[b"[2001:db8::1]"], "2001:db8::1"),
            (&[b"[2001:db8::1]:4711"], "2001:db8::1"),
            (&[b"::ffff:203.0.113.7"], "203.0.113.7"),
            // A client in a listed network.
            (&[b"10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        ] {
            assert_eq!(from(PROXY, lines), client, "{lines:?}");
            assert_eq!(from("::ffff:10.0.0.1", lines), client, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_address_counts_for_the_proxy() {
        for line in [
            b"".as_slice(),
            b",",
            b"unknown",
            b"203.0.113.7,",
            b"203.0.113.7, unknown",
            b"203.0.113.7, \xff, 10.0.0.2",
            b"203.0.113.7 198.51.100.1",
            b"[203.0.113.7]",
            b"for=203.0.113.7",
            b"203.0.113.7:99999",
            b"2001:db8::1%eth0",
        ] {
            assert_eq!(from(PROXY, &[line]), PROXY, "{line:?}");
        }
        let long = format!("203.0.113.7{}", ",10.0.0.2".repeat(MOST_HOPS));
        assert_eq!(from(PROXY, &[long.as_bytes()]), PROXY);
        let shorter = format!("203.0.113.7{}", ",10.0.0.2".repeat(MOST_HOPS - 1));
        assert_eq!(from(PROXY, &[shorter.as_bytes()]), "203.0.113.7");
    }
}
