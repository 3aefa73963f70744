//! Servers behind a Streamable HTTP endpoint: connections, requests and the streams they answer on.

mod answer;
mod driven;
mod endpoint;
mod pool;
mod shown;

pub(crate) use endpoint::Endpoint;
pub(crate) use pool::Pool;
pub(crate) use shown::Shown;
