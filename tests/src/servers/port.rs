//! A port nobody listens on.

use std::net::TcpListener;
use std::ops::Range;

/// Below the ports that Linux gives to outgoing connections: a client that waits for a server on one
/// of those now and then connects to itself.
const PORTS: Range<u16> = 20_000..32_000;

/// How many ports to try before something else must be wrong.
pub(super) const PORTS_TRIED_MAX: usize = 5;

/// Returns a port of loopback that was free a moment ago; whoever starts a server on it tries another
/// one when somebody was faster.
pub(super) fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let drawn = std::iter::repeat_with(|| rand::random_range(PORTS)).take(1000);
    drawn.into_iter().find(free).expect("one port of a thousand is free")
}
