//! The operator's door of a Remit under measurement: the socket over which its tasks are opened.

use std::path::Path;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::fail::Fail;

/// A connection to the socket, with an operator's session.
pub(crate) struct Operator {
    connection: SendRequest<Full<Bytes>>,
    session: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Login<'a> {
    passphrase: &'a str,
}

#[derive(Deserialize)]
struct Session {
    session: String,
}

#[derive(Serialize)]
struct Proposal<'a> {
    template: &'a str,
}

/// A task that was opened.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    #[serde(rename = "task")]
    id: String,
    /// Its grant.
    pub(crate) grant: String,
}

impl Operator {
    /// Connects to the Remit that owns `state` and logs in.
    ///
    /// Errors: it does not run, or the passphrase is wrong.
    pub(crate) async fn log_in(state: &Path, passphrase: &str) -> Result<Self, Fail> {
        let mut operator = Self { connection: connect(state).await?, session: None };
        let made: Session = operator.post("/v1/login", &Login { passphrase }).await?;
        operator.session = Some(HeaderValue::from_str(&format!("Bearer {}", made.session))?);
        Ok(operator)
    }

    /// A further connection with the same session: attempts to log in are counted, also good ones
    /// while they are under way.
    ///
    /// Errors: Remit does not run any more.
    pub(crate) async fn beside(&self, state: &Path) -> Result<Self, Fail> {
        Ok(Self { connection: connect(state).await?, session: self.session.clone() })
    }

    /// Opens a task.
    ///
    /// Errors: Remit refuses.
    pub(crate) async fn open(&mut self, template: &str) -> Result<Task, Fail> {
        self.post("/v1/tasks", &Proposal { template }).await
    }

    /// Closes a task.
    ///
    /// Errors: Remit refuses.
    pub(crate) async fn close(&mut self, task: &Task) -> Result<(), Fail> {
        let path = format!("/v1/tasks/{}/close", task.id);
        self.post::<serde::de::IgnoredAny>(&path, &()).await.map(drop)
    }

    async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Fail> {
        let mut request = Request::post(path)
            .header(HOST, "remit")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?;
        if let Some(session) = &self.session {
            request.headers_mut().insert(AUTHORIZATION, session.clone());
        }
        self.connection.ready().await?;
        let (head, body) = self.connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != StatusCode::OK {
            let said = String::from_utf8_lossy(&body);
            return Err(Fail::new(format!("{path} was answered with {}: {said}", head.status)));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

async fn connect(state: &Path) -> Result<SendRequest<Full<Bytes>>, Fail> {
    let stream = UnixStream::connect(state.join("remit.sock")).await?;
    let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // The error also reaches whoever waits for the answer.
        drop(driver.await);
    });
    Ok(connection)
}
