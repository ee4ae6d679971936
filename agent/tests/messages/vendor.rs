//! A service that answers every request with the same body, and remembers what it was sent.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// The service. It lives as long as the test's process.
pub struct Vendor {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Vendor {
    /// One that answers so.
    pub fn new(body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !is_whole(&request) {
                    let read = stream.read(&mut buffer).expect("a request");
                    request.extend_from_slice(&buffer[..read]);
                }
                shared.lock().expect("no panic before").push(String::from_utf8(request).expect("UTF-8"));
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                stream.write_all((head + body).as_bytes()).expect("an answer");
            }
        });
        Self { port, requests }
    }

    /// Where it is, with a token.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/robot/send?access_token=0123456789abcdef", self.port)
    }

    /// What it was sent.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic before").clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
