//! What a request says of the client that sent it.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use confab_plugin::Context;
use poem::{Addr, Request, http::header, web::RemoteAddr};

use super::proxies::TrustedProxies;

/// The longest `User-Agent` that plugins are shown, in bytes.
const MAX_USER_AGENT: usize = 256;

/// The address of the connection's other end: the client's, or that of a proxy.
pub fn peer(remote: &RemoteAddr) -> IpAddr {
    match &remote.0 {
        Addr::SocketAddr(address) => address.ip().to_canonical(),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// The client's address, which a listed proxy may tell.
pub fn address(request: &Request, proxies: &TrustedProxies) -> IpAddr {
    proxies.client(peer(request.remote_addr()), request.headers())
}

/// What the client calls itself: untrusted text.
pub fn user_agent(request: &Request) -> Option<Arc<str>> {
    let text = request.headers().get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.get(..MAX_USER_AGENT).unwrap_or(text).into())
}

/// The circumstances of a call by somebody who is not known yet.
pub fn context(request: &Request, proxies: &TrustedProxies) -> Context {
    Context::new(None, None, address(request, proxies))
}

/// The part of an address that one customer of a provider has: an IPv6 user has a whole /64.
pub fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    }
}
