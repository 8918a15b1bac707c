//! Listening sockets that systemd opened and hands over (sd_listen_fds(3)), so that no connection
//! is refused while the daemon restarts.

use std::net::TcpListener;

use listenfd::ListenFd;

/// What the sockets of the public listener are called: by `FileDescriptorName=`, or after their
/// unit.
const PUBLIC: [&str; 2] = ["confab", "confab.socket"];

/// The same of the admin listener.
const ADMIN: [&str; 2] = ["confab-admin", "confab-admin.socket"];

/// The sockets that were handed over.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Instead of `server.listen`.
    pub public: Option<TcpListener>,
    /// Instead of `server.admin_listen`.
    pub admin: Option<TcpListener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Public,
    Admin,
}

impl Inherited {
    /// Takes them, by the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`. Removes the
    /// first two, so it must be called before there are threads.
    ///
    /// # Errors
    /// One line for the operator: a socket that nobody would serve.
    pub fn take() -> Result<Self, String> {
        let names = std::env::var("LISTEN_FDNAMES").ok();
        let mut sockets = ListenFd::from_env();
        let mut inherited = Self::default();
        for (index, role) in roles(names.as_deref(), sockets.len())?.into_iter().enumerate() {
            let socket = sockets.take_tcp_listener(index).map_err(|error| {
                format!("the socket unit's ListenStream= must be an address and a port: {error}")
            })?;
            match role {
                Role::Public => inherited.public = socket,
                Role::Admin => inherited.admin = socket,
            }
        }
        Ok(inherited)
    }
}

/// What each of `count` sockets is for.
fn roles(names: Option<&str>, count: usize) -> Result<Vec<Role>, String> {
    let names: Vec<&str> = match names {
        Some(names) => names.split(':').collect(),
        // Other managers than systemd give no names.
        None if count == 1 => vec!["confab"],
        None => Vec::new(),
    };
    let mut roles = Vec::new();
    for index in 0..count {
        let name = names.get(index).copied().unwrap_or_default();
        let role = if PUBLIC.contains(&name) {
            Role::Public
        } else if ADMIN.contains(&name) {
            Role::Admin
        } else {
            return Err(format!(
                "systemd hands over a socket that is called \"{}\": give its unit \
                 FileDescriptorName=confab, or confab-admin for the admin listener",
                name.escape_debug()
            ));
        };
        if roles.contains(&role) {
            return Err(format!(
                "systemd hands over two sockets that are called \"{name}\": keep one \
                 ListenStream=; [::]:8080 takes IPv4 as well"
            ));
        }
        roles.push(role);
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_known_by_their_names() {
        assert_eq!(roles(None, 0), Ok(vec![]));
        assert_eq!(roles(None, 1), Ok(vec![Role::Public]));
        assert_eq!(roles(Some("confab-admin:confab"), 2), Ok(vec![Role::Admin, Role::Public]));
        assert_eq!(roles(Some("confab.socket"), 1), Ok(vec![Role::Public]));
    }

    #[test]
    fn a_socket_that_nobody_would_serve_is_an_error() {
        let error = |names, count| roles(names, count).unwrap_err();
        assert!(error(Some("web"), 1).contains("\"web\""));
        assert!(error(Some("confab"), 2).contains("\"\""));
        assert!(error(None, 2).contains("FileDescriptorName=confab"));
        assert!(error(Some("confab:confab"), 2).contains("two sockets"));
    }
}
