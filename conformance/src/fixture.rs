//! The server of the server scenarios: everything the suite asks a server to have, on `rmcp`.
//!
//! What it offers is data (`fixture/*.json`); it lists everything in the order of the names, as
//! Remit does, so that a check that takes the first of a list takes the same one on both ways.

mod act;
mod changes;
mod data;
mod jobs;
mod rounds;
mod server;

use std::io;

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use data::Data;
use server::Fixture;

/// Serves on a free loopback port until the process ends.
///
/// Gives the endpoint's address, and errors if there is no port or the data is not usable.
pub(crate) async fn start() -> io::Result<String> {
    let fixture = Fixture::new(Data::read()?);
    let service = StreamableHttpService::new(
        move || Ok(fixture.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}
