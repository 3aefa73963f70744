//! How long whoever is written to may leave it unread.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio_io_timeout::TimeoutWriter;

/// What is read from and written to.
pub type Limited<S> = Pin<Box<TimeoutWriter<S>>>;

/// A connection to which nothing can be written any more once a write has stood still for `unread`. Below
/// TLS, which takes in what it cannot pass on yet.
///
/// Without it whoever sends requests and reads no answers is never done: no further head is asked for
/// that could be late, and no answer is ever written.
pub fn limited<S: AsyncWrite>(stream: S, unread: Duration) -> Limited<S> {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(unread));
    Box::pin(stream)
}
