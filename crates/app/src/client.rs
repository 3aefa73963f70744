//! Talking to the running Remit over its Unix socket.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use remit_model::TaskId;
use remit_operator::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::fail::Fail;
use crate::out::one_line;

/// The socket's name in the state directory.
pub(crate) const SOCKET: &str = "remit.sock";

/// A client of one state directory's Remit.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    passphrase_file: Option<PathBuf>,
    session: Option<String>,
}

impl Client {
    /// A client of the Remit that owns `state`.
    pub(crate) fn new(state: &Path, passphrase_file: Option<&Path>) -> Self {
        Self {
            socket: state.join(SOCKET),
            passphrase_file: passphrase_file.map(Path::to_owned),
            session: None,
        }
    }

    /// Proves to be an operator: by the user id if that suffices, else with the passphrase, from
    /// the file given or the terminal.
    ///
    /// Errors: there is no passphrase to be had, or it is wrong.
    pub(crate) async fn log_in(&mut self) -> Result<(), Fail> {
        let who: wire::Who = self.get("/v1/whoami").await?;
        if who.operator.is_some() {
            return Ok(());
        }
        let passphrase =
            read_passphrase(self.passphrase_file.as_deref(), "Operator's passphrase: ")?;
        let login = wire::Login { passphrase: passphrase.to_string() };
        let session: wire::Session = self.post("/v1/login", &login).await?;
        self.session = Some(session.session);
        Ok(())
    }

    /// As [`Client::log_in`], but only where a passphrase is given without asking for it: for
    /// views that show an operator more.
    pub(crate) async fn log_in_if_given(&mut self) -> Result<(), Fail> {
        if self.passphrase_file.is_some() { self.log_in().await } else { Ok(()) }
    }

    /// Records what a person says to the agent of `task`.
    pub(crate) async fn prompt(&self, task: &TaskId, text: String) -> Result<wire::Recorded, Fail> {
        self.post(&format!("/v1/tasks/{task}/prompt"), &wire::Prompt { text }).await
    }

    /// `GET`, as JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fail> {
        read(self.send(Method::GET, path, Bytes::new()).await?).await
    }

    /// `GET`, as text.
    pub(crate) async fn get_text(&self, path: &str) -> Result<String, Fail> {
        let body = collect(self.send(Method::GET, path, Bytes::new()).await?).await?;
        String::from_utf8(body.to_vec()).map_err(Fail::from)
    }

    /// `GET`, piece by piece.
    pub(crate) async fn get_stream(
        &self,
        path: &str,
        mut each: impl FnMut(&[u8]) -> Result<(), Fail>,
    ) -> Result<(), Fail> {
        let mut response = self.send(Method::GET, path, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        while let Some(frame) = response.body_mut().frame().await {
            if let Some(data) = frame?.data_ref() {
                each(data)?;
            }
        }
        Ok(())
    }

    /// `POST` with a JSON body.
    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Fail> {
        let body = Zeroizing::new(serde_json::to_vec(body)?);
        read(self.send(Method::POST, path, Bytes::copy_from_slice(&body)).await?).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<http::Response<Incoming>, Fail> {
        let stream = connect(&self.socket).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "remit")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(session) = &self.session {
            request = request.header(header::AUTHORIZATION, format!("Bearer {session}"));
        }
        Ok(sender.send_request(request.body(Full::new(body))?).await?)
    }

    /// Asks for a stream of bytes instead of an answer: the raw connection after `101`.
    pub(crate) async fn upgrade(
        &self,
        path: &str,
        protocol: &str,
    ) -> Result<hyper::upgrade::Upgraded, Fail> {
        let stream = connect(&self.socket).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "remit")
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, protocol)
            .body(Full::new(Bytes::new()))?;
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(failure(response).await);
        }
        Ok(hyper::upgrade::on(response).await?)
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, Fail> {
    UnixStream::connect(socket).await.map_err(|why| {
        Fail::new(format!(
            "no Remit answers at {}: {why}; start one with `remit serve`, or name its state \
             directory with --state",
            socket.display()
        ))
    })
}

async fn collect(response: http::Response<Incoming>) -> Result<Bytes, Fail> {
    if !response.status().is_success() {
        return Err(failure(response).await);
    }
    Ok(response.into_body().collect().await?.to_bytes())
}

async fn read<T: DeserializeOwned>(response: http::Response<Incoming>) -> Result<T, Fail> {
    Ok(serde_json::from_slice(&collect(response).await?)?)
}

async fn failure(response: http::Response<Incoming>) -> Fail {
    let status = response.status();
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let failure = body.ok().and_then(|body| serde_json::from_slice::<wire::Failure>(&body).ok());
    match failure {
        // It can quote others.
        Some(wire::Failure { error, refusal: Some(refusal) }) => {
            Fail::new(one_line(&format!("{error}; {}", refusal.remedy)))
        }
        Some(wire::Failure { error, refusal: None }) => Fail::new(one_line(&error)),
        None => Fail::new(format!("Remit answered {status}")),
    }
}

/// The passphrase from `file`, else typed at the terminal.
///
/// Errors: the file cannot be read or is empty, or there is no terminal.
pub(crate) fn read_passphrase(
    file: Option<&Path>,
    prompt: &str,
) -> Result<Zeroizing<String>, Fail> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|why| {
            Fail::new(format!("cannot read the passphrase from {}: {why}", file.display()))
        })?,
        None => rpassword::prompt_password(prompt).map_err(|why| {
            Fail::new(format!(
                "this needs the operator's passphrase, and there is no terminal to ask on ({why}); \
                 use --passphrase-file"
            ))
        })?,
    };
    let text = Zeroizing::new(text);
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        return Err(Fail::new("the passphrase is empty"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}
