//! Servers behind a Streamable HTTP endpoint: connections, requests and the streams they answer on.

mod answer;
mod endpoint;
mod pool;

pub(crate) use endpoint::Endpoint;
