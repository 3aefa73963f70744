//! Sending bytes as they are, and taking apart everything that comes back until the end.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a connection may be quiet before it counts as left open.
const QUIET: Duration = Duration::from_secs(3);

/// One HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: String,
}

impl Response {
    /// The value of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Sends `bytes` and reads what comes until the peer closes or falls silent.
pub(crate) async fn exchange<S>(mut stream: S, bytes: &[u8], patience: Duration) -> Vec<Response>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    // A server may answer and close before it has read everything.
    let send = async {
        let _ = writer.write_all(bytes).await;
        std::future::pending::<()>().await;
    };
    let receive = async {
        let mut received = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        let mut wait = patience;
        while let Ok(Ok(count @ 1..)) = timeout(wait, reader.read(&mut chunk)).await {
            received.extend_from_slice(&chunk[..count]);
            wait = QUIET;
        }
        received
    };
    let received = tokio::select! {
        () = send => Vec::new(),
        received = receive => received,
    };
    responses(&received)
}

/// Takes responses apart, one after the other.
fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut found = Vec::new();
    while let Some((head, rest)) = split(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not HTTP: {head}"));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Response { status, headers, body: String::new() };
        let (body, after) = if response.header("transfer-encoding") == "chunked" {
            chunks(rest)
        } else {
            let length = response.header("content-length").parse().unwrap_or(0);
            let (body, after) = rest.split_at(rest.len().min(length));
            (body.to_vec(), after)
        };
        response.body = String::from_utf8_lossy(&body).into_owned();
        found.push(response);
        bytes = after;
    }
    found
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

fn chunks(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Some((size, rest)) = split(bytes, b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(size), 16).unwrap();
        body.extend_from_slice(&rest[..size]);
        bytes = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    (body, bytes)
}
