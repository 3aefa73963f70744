//! The documents of one server, asked for with the token that it wants.

use std::path::Path;

use http::HeaderValue;
use remit_fetch::{Address, Way};

use crate::Access;

/// Bytes of a file with a bearer token that are sent.
const MAX_TOKEN: usize = 16 << 10;

/// The documents of one server and those that it names.
pub(crate) struct Documents {
    way: Way,
    bearer: Option<HeaderValue>,
}

impl Documents {
    /// Those that are reached with the certificates and the token of `access` as they are now.
    ///
    /// Errors: one of the files cannot be used.
    pub(crate) async fn open(access: &Access, tls: bool) -> Result<Self, String> {
        let way = Way::open(access.ca_file.clone(), tls).await?;
        let token = access.token_file.clone();
        let read = move || token.as_deref().map(bearer).transpose();
        let bearer = tokio::task::spawn_blocking(read).await.map_err(|why| why.to_string())??;
        Ok(Self { way, bearer })
    }

    /// The document at `url`; the bearer token goes along only if `trusted`.
    ///
    /// Errors: no answer within bounds, or another than 200, in words.
    pub(crate) async fn get(&self, url: &Address, trusted: bool) -> Result<String, String> {
        self.way.get(url, self.bearer.as_ref().filter(|_| trusted)).await
    }
}

fn bearer(file: &Path) -> Result<HeaderValue, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let token = std::fs::read_to_string(file).map_err(|why| said(&why))?;
    let token = Some(token.trim()).filter(|token| (1..=MAX_TOKEN).contains(&token.len()));
    let token = token.ok_or_else(|| said(&"it holds no token"))?;
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| said(&"it holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}
