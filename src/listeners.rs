//! The listening sockets: bound at the configured addresses, or handed over by systemd.

use std::net::{SocketAddr, TcpListener};

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use crate::{
    config::{Config, Limits},
    http,
    systemd::Inherited,
};

/// Both sockets, and where they are.
pub struct Listeners {
    /// For apps and browsers.
    pub public: TcpListener,
    /// For the operator.
    pub admin: TcpListener,
    /// Where the public one listens.
    pub public_address: SocketAddr,
    /// Where the admin one listens.
    pub admin_address: SocketAddr,
}

impl Listeners {
    /// Binds what is not handed over.
    ///
    /// # Errors
    /// One line, which says what to do.
    pub fn open(config: &Config, inherited: Inherited) -> Result<Self, String> {
        let Config { server, limits, .. } = config;
        let public = listener(inherited.public, "server.listen", server.listen)?;
        let admin = listener(inherited.admin, "server.admin_listen", server.admin_listen)?;
        bound_buffers(&public, limits)?;
        let (public_address, admin_address) = (address(&public)?, address(&admin)?);
        Ok(Self { public, admin, public_address, admin_address })
    }
}

fn listener(
    inherited: Option<TcpListener>,
    key: &str,
    configured: SocketAddr,
) -> Result<TcpListener, String> {
    let Some(listener) = inherited else { return bind(key, configured) };
    let address = address(&listener)?;
    if address == configured {
        tracing::info!(%address, "systemd holds the socket");
    } else {
        tracing::warn!(%address, ignored = format!("{key} = \"{configured}\""),
            "systemd holds the socket: the address of its unit counts");
    }
    Ok(listener)
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, String> {
    http::bind(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program uses it: choose another address",
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit of systemd: choose \
                 a higher one"
            }
            _ => "choose another address",
        };
        format!("{key} = \"{address}\" cannot be listened on ({error}): {hint}")
    })
}

/// Its connections inherit it (socket(7)). Without it the system alone decides, by
/// net.ipv4.tcp_rmem and tcp_wmem, and gives one connection megabytes.
fn bound_buffers(public: &TcpListener, limits: &Limits) -> Result<(), String> {
    let size = |size: confab_plugin::ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
    set_socket_recv_buffer_size(public, size(limits.receive_buffer))
        .and_then(|()| set_socket_send_buffer_size(public, size(limits.send_buffer)))
        .map_err(|error| format!("limits.receive_buffer, limits.send_buffer: {error}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}
