//! What a machine at Amazon is told of its role: the metadata service, version 2, for one role.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// A metadata service on loopback. Its thread ends with the test's process.
#[derive(Debug)]
pub struct MachineRole {
    port: u16,
}

impl MachineRole {
    /// Serves these credentials, to whoever has asked for a token first.
    ///
    /// # Panics
    /// When no port is free.
    pub fn serve(key: &str, secret: &str, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let credentials = format!(
            "{{\"Code\": \"Success\", \"Type\": \"AWS-HMAC\", \"AccessKeyId\": \"{key}\", \"SecretAccessKey\": \"{secret}\", \"Token\": \"{token}\", \"LastUpdated\": \"2026-11-23T02:30:00Z\", \"Expiration\": \"2099-11-23T02:30:00Z\"}}"
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let credentials = credentials.clone();
                // Clients keep connections open: each has a thread of its own.
                std::thread::spawn(move || answer(&stream, &credentials));
            }
        });
        Self { port }
    }

    /// Where it is, as `AWS_METADATA_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(stream: &TcpStream, credentials: &str) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(request)) = lines.next() {
        let headers: Vec<_> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let has_token =
            headers.iter().any(|line| line.eq_ignore_ascii_case("x-aws-ec2-metadata-token: pass"));
        let (status, body) = match request.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["PUT", "/latest/api/token"] => ("200 OK", "pass"),
            ["GET", _] if !has_token => ("401 Unauthorized", ""),
            ["GET", "/latest/meta-data/iam/security-credentials/"] => ("200 OK", "machine"),
            ["GET", "/latest/meta-data/iam/security-credentials/machine"] => ("200 OK", credentials),
            _ => ("404 Not Found", ""),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = stream;
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}
