//! A gate before a server: it lets connections through, or refuses them as a network does that is down.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A port that leads to a server's while the gate is open.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    open: Arc<AtomicBool>,
}

impl Gate {
    /// An open gate before `port` of this machine. Its thread ends with the test.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let open = Arc::new(AtomicBool::new(true));
        let gate = Self { port: listener.local_addr().expect("its address").port(), open: Arc::clone(&open) };
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if open.load(Ordering::SeqCst) {
                    let open = Arc::clone(&open);
                    std::thread::spawn(move || pass(connection, server, &open));
                } else {
                    // The connection is dropped: reset for whoever asked.
                    drop(connection);
                }
            }
        });
        gate
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets nobody through, until it is opened again.
    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

/// Carries bytes both ways; what is asked after the gate was closed is cut off.
fn pass(client: TcpStream, server: SocketAddr, open: &AtomicBool) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let (mut up, mut down) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
    let mut to_server = server.try_clone().expect("a handle");
    std::thread::spawn(move || {
        let _ = copy(&mut down, &mut up);
        let _ = up.shutdown(Shutdown::Both);
    });
    let mut from_client = client;
    let mut piece = [0; 64 << 10];
    while let Ok(bytes @ 1..) = std::io::Read::read(&mut from_client, &mut piece) {
        if !open.load(Ordering::SeqCst) || std::io::Write::write_all(&mut to_server, &piece[..bytes]).is_err()
        {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}
