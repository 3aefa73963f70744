//! Whom the load goes to, and the bytes of a call.

use crate::fail::Fail;
use crate::process::Process;

/// How many different calls each connection makes in turn, so that nothing is measured that only
/// works for one call.
const VARIETY: usize = 16;

/// An MCP endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `host:port`
    pub(crate) address: String,
    /// The path of its URL.
    pub(crate) path: String,
    /// The tool's name there.
    pub(crate) tool: String,
    /// Bearer tokens; connections take them in turn.
    pub(crate) tokens: Vec<String>,
    /// The process behind it, if it is ours to watch.
    pub(crate) process: Option<Process>,
}

impl Target {
    /// The endpoint at `url`, where the tool is called `tool`.
    ///
    /// Errors: it is not a plain `http` URL.
    pub(crate) fn new(url: &str, tool: &str) -> Result<Self, Fail> {
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            Fail::new(format!("expected a URL like http://127.0.0.1:3000/mcp, got `{url}`"))
        })?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            address: address.to_owned(),
            path: format!("/{path}"),
            tool: tool.to_owned(),
            tokens: Vec::new(),
            process: None,
        })
    }

    /// With the process behind it.
    pub(crate) fn watching(self, process: Process) -> Self {
        Self { process: Some(process), ..self }
    }

    /// What connection `number` sends in turn to get `bytes` bytes each.
    pub(crate) fn requests(&self, number: usize, bytes: usize) -> Vec<Vec<u8>> {
        let token = self.tokens.get(number % self.tokens.len().max(1)).map(String::as_str);
        (0..VARIETY).map(|note| self.request((number, note), bytes, token)).collect()
    }

    fn request(
        &self,
        (number, note): (usize, usize),
        bytes: usize,
        token: Option<&str>,
    ) -> Vec<u8> {
        let Self { address, path, tool, .. } = self;
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{number},\"method\":\"tools/call\",\"params\":{{\
             \"name\":\"{tool}\",\"arguments\":{{\"id\":\"note-{note}\",\"bytes\":{bytes}}},\
             \"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
             \"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}"
        );
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{}Content-Length: {}\r\n\r\n{body}",
            bearer.unwrap_or_default(),
            body.len()
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::new("http://127.0.0.1:3000/a/mcp", "t").unwrap();
        assert_eq!((target.address.as_str(), target.path.as_str()), ("127.0.0.1:3000", "/a/mcp"));
        assert_eq!(Target::new("http://h:1", "t").unwrap().path, "/");
        assert!(Target::new("https://h", "t").is_err());
    }

    #[test]
    fn connections_take_tokens_in_turn_and_make_different_calls() {
        let mut target = Target::new("http://h:1/mcp", "t").unwrap();
        target.tokens = vec!["one".to_owned(), "two".to_owned()];
        let text = |number, at: usize| {
            String::from_utf8(target.requests(number, 1024).remove(at)).unwrap()
        };
        assert!(text(0, 0).contains("Bearer one") && text(3, 0).contains("Bearer two"));
        assert_ne!(text(0, 0), text(0, 1));
        let (head, body) =
            text(0, 0).split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned())).unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
    }
}
