//! Sends what is written at once.
//!
//! The driver leaves Nagle's algorithm on (sqlx 0.9.0, <https://github.com/transact-rs/sqlx/issues/4335>; mended
//! in its repository), which holds the end of a COPY back until the server acknowledges its rows, 40 ms later:
//! minutes over thousands of small tables. It hands its socket to nobody either, so the socket is found among
//! this process's own files. To be dropped with the next release of the driver.

/// Switches Nagle's algorithm off for this process's connections to a server's `port`. Where the kernel does
/// not let a process look at its own files, the connections stay as they are: slower, and as right.
#[cfg(target_os = "linux")]
pub(crate) fn send_at_once(port: u16) {
    if let Err(error) = tell_sockets(port) {
        tracing::debug!("Nagle's algorithm stays on: {error}");
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
    }
}
