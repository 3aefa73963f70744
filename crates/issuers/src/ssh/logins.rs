//! What a certificate allows, checked before it stands in one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

/// What whoever may use certain tools may log in as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Logins {
    /// Names that the server takes the certificate for: users, unless its `AuthorizedPrincipals…` say
    /// otherwise.
    #[serde(default)]
    pub principals: BTreeSet<Principal>,
    /// What runs in each session, whatever is asked for; anything without one.
    #[serde(default)]
    pub command: Option<Command>,
}

/// Something that cannot stand in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Not a principal.
    #[error(
        "expected a principal of at most {MAX_PRINCIPAL} visible characters without `,`, got `{0}`"
    )]
    Principal(String),
    /// Not a command.
    #[error("expected a command of one line of at most {MAX_COMMAND} bytes, got {0:?}")]
    Command(String),
    /// Not an address range.
    #[error("expected an address or a range of them such as `10.0.0.0/8`, got `{0}`")]
    Network(String),
}

/// As long as user names get.
const MAX_PRINCIPAL: usize = 256;
/// A command line that somebody can read.
const MAX_COMMAND: usize = 4096;

/// One principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Principal(String);

/// A command that is forced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Command(String);

/// Addresses in the one form that a server takes: no bit is set beyond the prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(String);

/// What a session may do besides running a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Extension {
    /// Forwards the agent.
    #[serde(rename = "permit-agent-forwarding")]
    AgentForwarding,
    /// Forwards ports.
    #[serde(rename = "permit-port-forwarding")]
    PortForwarding,
    /// Has a terminal.
    #[serde(rename = "permit-pty")]
    Pty,
    /// Runs the user's `~/.ssh/rc`.
    #[serde(rename = "permit-user-rc")]
    UserRc,
}

impl TryFrom<String> for Principal {
    type Error = LoginError;

    fn try_from(text: String) -> Result<Self, LoginError> {
        let good = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
        let good = (1..=MAX_PRINCIPAL).contains(&text.len()) && text.chars().all(good);
        if good { Ok(Self(text)) } else { Err(LoginError::Principal(text)) }
    }
}

impl TryFrom<String> for Command {
    type Error = LoginError;

    fn try_from(text: String) -> Result<Self, LoginError> {
        let good = text.len() <= MAX_COMMAND && !text.trim().is_empty();
        let good = good && !text.chars().any(char::is_control);
        if good { Ok(Self(text)) } else { Err(LoginError::Command(text)) }
    }
}

impl TryFrom<String> for Network {
    type Error = LoginError;

    fn try_from(text: String) -> Result<Self, LoginError> {
        if is_network(&text) { Ok(Self(text)) } else { Err(LoginError::Network(text)) }
    }
}

fn is_network(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        None => (text, None),
        Some((address, prefix)) => (address, Some(prefix)),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let Some(prefix) = prefix else { return true };
    let (bits, width) = match address {
        IpAddr::V4(it) => (u128::from(it.to_bits()), u32::BITS),
        IpAddr::V6(it) => (it.to_bits(), u128::BITS),
    };
    let digits = prefix.bytes().all(|it| it.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|prefix| digits && *prefix <= width);
    prefix.is_some_and(|prefix: u32| bits.trailing_zeros() >= width - prefix)
}

impl Principal {
    /// The name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Command {
    /// The command line.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Network {
    /// The addresses.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Extension {
    /// What it is called in a certificate.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AgentForwarding => "permit-agent-forwarding",
            Self::PortForwarding => "permit-port-forwarding",
            Self::Pty => "permit-pty",
            Self::UserRc => "permit-user-rc",
        }
    }
}

/// In canonical words: equal logins read alike.
impl fmt::Display for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let principals: Vec<_> = self.principals.iter().map(Principal::as_str).collect();
        let principals =
            if principals.is_empty() { "nobody".to_owned() } else { principals.join(",") };
        write!(f, "as {principals}")?;
        self.command.as_ref().map_or(Ok(()), |it| write!(f, ": {}", it.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_a_server_takes_for_one() {
        for good in
            ["10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "10.1.2.3/32", "::1", "fd00::/8", "::/0"]
        {
            assert!(Network::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "fd00::1/64",
            "a",
            "1.1.1.1,::1",
            "::/+1",
            "!1.1.1.1",
        ] {
            assert!(Network::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_commands_are_single_words_and_lines() {
        for bad in ["", "a b", "a,b", "a\n", "a\0"] {
            assert!(Principal::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for bad in ["", " ", "a\nb", "a\0", "a\r"] {
            assert!(Command::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(Command::try_from("/bin/sh -c 'echo \"a, b\"'".to_owned()).is_ok());
    }
}
