//! Sockets that send what is written at once and notice when the other side is gone.
//!
//! PostgreSQL's driver leaves Nagle's algorithm on (sqlx 0.9.0, <https://github.com/transact-rs/sqlx/issues/4335>; mended
//! in its repository), which holds the end of a COPY back until the server acknowledges its rows, 40 ms later:
//! minutes over thousands of small tables. It asks for no keepalive: who waits for rows of a host that lost its
//! power waits for ever. It hands its socket to nobody either, so the socket is found among this process's own
//! files.

use std::time::Duration;

/// A connection that was quiet for so long is probed,
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// as often as this,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// and is lost when so many probes found no answer.
const KEEPALIVE_PROBES: u32 = 6;

/// The same for PostgreSQL's own programs, as a connection string has it.
pub(crate) fn keepalive_conninfo() -> String {
    format!(
        "keepalives_idle={} keepalives_interval={} keepalives_count={KEEPALIVE_PROBES}",
        KEEPALIVE_IDLE.as_secs(),
        KEEPALIVE_EVERY.as_secs()
    )
}

/// Asks the kernel to probe a connection that is quiet.
#[cfg(target_os = "linux")]
pub(crate) fn keep_alive(socket: impl std::os::fd::AsFd) -> std::io::Result<()> {
    use rustix::net::sockopt;

    let socket = socket.as_fd();
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Asks the kernel to probe a connection that is quiet, as often as the system's settings say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_alive(socket: impl std::os::fd::AsFd) -> std::io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_keepalive(socket, true)?)
}

/// Switches Nagle's algorithm off and keepalive on for this process's connections to a server's `port`. Where
/// the kernel does not let a process look at its own files, the connections stay as they are.
#[cfg(target_os = "linux")]
pub(crate) fn send_at_once(port: u16) {
    if let Err(error) = tell_sockets(port) {
        tracing::debug!("Nagle's algorithm stays on, and keepalive off: {error}");
    }
}

/// Other systems have no way to a socket that a library keeps.
#[cfg(not(target_os = "linux"))]
pub(crate) fn send_at_once(_port: u16) {}

#[cfg(target_os = "linux")]
fn tell_sockets(port: u16) -> std::io::Result<()> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // A file that was closed meanwhile is none of ours.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let (true, Some(number)) = (target.to_string_lossy().starts_with("socket:"), number) else {
            continue;
        };
        let Ok(socket) = pidfd_getfd(&me, number, PidfdGetfdFlags::empty()) else { continue };
        let peer = rustix::net::getpeername(&socket).ok().flatten().and_then(|peer| peer.try_into().ok());
        if peer.is_some_and(|peer: std::net::SocketAddr| peer.port() == port) {
            rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
            keep_alive(&socket)?;
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_that_a_library_keeps_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let kept = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        assert!(!kept.nodelay().expect("an option"));
        send_at_once(port);
        assert!(kept.nodelay().expect("an option"));
        assert!(rustix::net::sockopt::socket_keepalive(&kept).expect("an option"));
        assert_eq!(rustix::net::sockopt::tcp_keepidle(&kept).expect("an option"), KEEPALIVE_IDLE);
    }
}
