//! One keep-alive HTTP/1.1 connection of the load generator.
//!
//! By hand, because the generator shares the machine with what it measures: a request is bytes
//! that were prepared before, an answer is read into one buffer that is used again.

use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fail::Fail;

/// How many headers an answer may have.
const MAX_HEADERS: usize = 32;
/// The longest answer that is read: well above the largest result that is asked for.
const MAX_ANSWER: usize = 1 << 20;
/// How much is read at once: an answer of 16 KiB with its head.
const PIECE: usize = 32 << 10;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body; of a chunked one, with the marks between its chunks.
    pub(crate) body: &'a [u8],
}

/// The head of an answer.
struct Head {
    status: u16,
    length: usize,
    body: Body,
}

#[derive(Clone, Copy)]
enum Body {
    Sized(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    ///
    /// Errors: nobody listens at `address`.
    pub(crate) async fn open(address: &str) -> Result<Self, Fail> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|why| Fail::new(format!("cannot connect to {address}: {why}")))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; PIECE], filled: 0 })
    }

    /// Sends `request` and reads the whole answer.
    ///
    /// Errors: the connection broke, or what came is not HTTP.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Fail> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let head = loop {
            if let Some(head) = head(self.read())? {
                break head;
            }
            self.more().await?;
        };
        let body = match head.body {
            Body::Sized(size) => {
                let end = head.length.saturating_add(size);
                while self.filled < end {
                    self.more().await?;
                }
                head.length..end
            }
            Body::Chunked => self.chunks(head.length).await?,
        };
        Ok(Answer { status: head.status, body: self.buffer.get(body).unwrap_or_default() })
    }

    fn read(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads on to the end of a chunked body that starts at `start`.
    async fn chunks(&mut self, start: usize) -> Result<Range<usize>, Fail> {
        let mut at = start;
        loop {
            let rest = self.read().get(at..).unwrap_or_default();
            let size = httparse::parse_chunk_size(rest);
            let size =
                size.map_err(|_| Fail::new("expected a chunk of a body, got other bytes"))?;
            let httparse::Status::Complete((line, size)) = size else {
                self.more().await?;
                continue;
            };
            // The chunk and the line end behind it.
            at = at.saturating_add(line).saturating_add(usize::try_from(size)?).saturating_add(2);
            while self.filled < at {
                self.more().await?;
            }
            if size == 0 {
                return Ok(start..at);
            }
        }
    }

    async fn more(&mut self) -> Result<(), Fail> {
        if self.filled == self.buffer.len() {
            if self.filled >= MAX_ANSWER {
                return Err(Fail::new(format!("expected an answer below {MAX_ANSWER} bytes")));
            }
            self.buffer.resize(self.filled.saturating_add(PIECE), 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = self.stream.read(room).await?;
        if read == 0 {
            return Err(Fail::new("the connection was closed before the answer was complete"));
        }
        self.filled = self.filled.saturating_add(read);
        Ok(())
    }
}

/// The head at the start of `bytes`; `None` if it is not complete yet.
fn head(bytes: &[u8]) -> Result<Option<Head>, Fail> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    let value = |name: &str| {
        let mut headers = response.headers.iter();
        headers.find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    let size =
        value("content-length").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let body = size.map_or(Body::Chunked, Body::Sized);
    if matches!(body, Body::Chunked) && value("transfer-encoding").is_none() {
        return Err(Fail::new("expected an answer with a length or in chunks, got neither"));
    }
    Ok(Some(Head { status: response.code.unwrap_or_default(), length, body }))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What the client makes of `answer`, written in pieces of `piece` bytes.
    async fn exchanged(answer: &'static str, piece: usize) -> Result<(u16, String), Fail> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).await.unwrap();
            for part in answer.as_bytes().chunks(piece) {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut connection = Connection::open(&address).await?;
        let answer = connection.exchange(b"ping").await?;
        Ok((answer.status, String::from_utf8(answer.body.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_however_it_arrives() {
        let sized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked =
            "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        for piece in [1, 7, 1000] {
            assert_eq!(exchanged(sized, piece).await.unwrap(), (200, "hello".to_owned()));
            let (status, body) = exchanged(chunked, piece).await.unwrap();
            assert_eq!(status, 404);
            assert!(body.contains("hel") && body.ends_with("0\r\n\r\n"), "{body:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_a_failure() {
        for cut in
            ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"]
        {
            assert!(exchanged(cut, 1000).await.unwrap_err().to_string().contains("closed"));
        }
        let neither = "HTTP/1.1 200 OK\r\n\r\nhello";
        assert!(exchanged(neither, 1000).await.unwrap_err().to_string().contains("neither"));
    }
}
