//! File descriptors: how many the daemon may have, and how many of them are left for connections.

/// Connections to the admin listener: a scraper, a health check, and some room.
pub const ADMIN_CONNECTIONS: usize = 64;

/// File descriptors for the store, the log, the runtime.
const OTHER: usize = 128;

/// Takes all the file descriptors that the system allows. Returns how many connections there can
/// be of those wanted: the store, the log and the admin listener must never go without.
pub fn raise_limit(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let Some(limit) = limit else { return wanted };
    let connections = connections_within(limit, wanted);
    if connections < wanted {
        tracing::warn!(
            limit,
            wanted,
            connections,
            "fewer file descriptors than limits.connections needs, so fewer connections: raise \
             LimitNOFILE or ulimit -n"
        );
    }
    connections
}

/// What is left for connections of so many file descriptors.
fn connections_within(limit: u64, wanted: usize) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let others = (ADMIN_CONNECTIONS + OTHER).min(limit / 2);
    wanted.min(limit - others).max(1)
}
