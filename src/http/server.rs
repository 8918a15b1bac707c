//! Listens and serves.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    sync::Arc,
    time::Duration,
};

use poem::{IntoEndpoint, Server, listener::UnixAcceptor};
use tokio::net::TcpSocket;

use super::{
    acceptor::{Bounds, Guarded},
    access::Access,
};
use crate::turns::Pulse;

/// Connections that the kernel holds for the daemon; it cuts the number down to its own limit.
const BACKLOG: u32 = 4096;

/// What to serve, and where.
pub struct Serving<E> {
    /// The listening socket.
    pub listener: TcpListener,
    /// Open connections; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Which connections count for no address, and TLS; `None` for those of the operator.
    pub access: Option<Arc<Access>>,
    /// From the first byte of a request until its answer begins.
    pub request: Duration,
    /// Answered while connections are accepted, or wait for their turn.
    pub pulse: Arc<Pulse>,
    /// The routes.
    pub endpoint: E,
}

/// Binds a listening socket.
///
/// # Errors
/// The system's own, such as that the port is in use.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Serves until `stop` is done and the last answer is given. WebSockets are not waited for:
/// the hub does that.
///
/// # Errors
/// The system's own.
pub async fn serve<E>(
    serving: Serving<E>,
    limits: &crate::config::Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let bounds = Bounds {
        connections: serving.connections,
        per_address: limits.connections_per_address,
        request: serving.request,
        handshakes: limits.tls_handshakes,
        keep_alive: limits.keep_alive.0,
        body: limits.body.as_usize(),
    };
    let acceptor = Guarded::new(serving.listener, bounds, serving.access, serving.pulse)?;
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(serving.endpoint, stop, None)
        .await
}

/// Serves on a socket of this machine until `stop` is done. Who may write to the socket's file is
/// trusted: there are no bounds.
///
/// # Errors
/// The system's own.
pub async fn serve_local<E>(
    listener: UnixListener,
    endpoint: E,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    listener.set_nonblocking(true)?;
    let acceptor = UnixAcceptor::from_std(listener)?;
    Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(endpoint, stop, None).await
}
