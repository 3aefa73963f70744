//! Processes as the kernel shows them, and what an agent's processes have in common.
//!
//! Selectors are written as in SPIRE (`unix:uid:1000`), so that what people know holds here too.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Descent, Digest};

/// What the kernel says about a process. What it did not say fits no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: Option<u32>,
    /// Its supplementary group ids.
    pub groups: Vec<u32>,
    /// The path of its executable.
    pub path: Option<String>,
    /// The digest of its executable.
    pub sha256: Option<Digest>,
    /// Its control group (version 2), such as `/system.slice/bot.service`.
    pub cgroup: Option<String>,
    /// A name for this very process that no other will ever have, and those of the processes that it
    /// descends from, upwards. None, if the kernel did not say which process it is.
    pub processes: Vec<Digest>,
    /// How many of those, from the first on, run as its user.
    pub kin: usize,
    /// Whether it says that it is but a pipe to the process that started it.
    pub pipe: bool,
}

impl Workload {
    /// A process of which nothing but the user is known.
    pub fn of_user(uid: u32) -> Self {
        Self {
            uid,
            gid: None,
            groups: Vec::new(),
            path: None,
            sha256: None,
            cgroup: None,
            processes: Vec::new(),
            kin: 0,
            pipe: false,
        }
    }

    /// Which process it is, if the kernel said so.
    pub fn descent(&self) -> Option<Descent> {
        let (kin, above) = self.processes.split_at_checked(self.kin)?;
        let descent = Descent { kin: kin.to_vec(), above: above.to_vec() };
        (!descent.kin.is_empty()).then_some(descent)
    }

    /// The same where the process says that it is but a pipe to the one that started it. It could be anybody
    /// who says so, so that what it has worked on itself is looked at all the same.
    #[must_use]
    pub fn as_a_pipe(self) -> Self {
        Self { pipe: true, ..self }
    }

    /// The process that works on what this one opens: itself, or the one that it is a pipe to. `None` if the
    /// kernel did not say.
    pub fn worker(&self) -> Option<Digest> {
        self.processes.get(usize::from(self.pipe)).copied()
    }
}

/// One thing that a process must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// It runs as this user.
    Uid(u32),
    /// It runs with this group.
    Gid(u32),
    /// It has this supplementary group.
    SupplementaryGid(u32),
    /// It runs the executable at this path.
    Path(String),
    /// It runs an executable of this digest.
    Sha256(Digest),
    /// It is in this control group.
    Cgroup(String),
}

impl Selector {
    /// Whether `workload` is so.
    pub fn fits(&self, workload: &Workload) -> bool {
        match self {
            Self::Uid(uid) => workload.uid == *uid,
            Self::Gid(gid) => workload.gid == Some(*gid),
            Self::SupplementaryGid(gid) => workload.groups.contains(gid),
            Self::Path(path) => workload.path.as_ref() == Some(path),
            Self::Sha256(digest) => workload.sha256 == Some(*digest),
            Self::Cgroup(cgroup) => workload.cgroup.as_ref() == Some(cgroup),
        }
    }
}

/// A text that is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a selector like `unix:uid:1000`, `unix:gid:1000`, `unix:supplementary_gid:27`, \
     `unix:path:/usr/bin/bot`, `unix:sha256:<64 hex digits>` or \
     `unix:cgroup:/system.slice/bot.service`, got `{0}`"
)]
pub struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let wrong = || SelectorError(text.to_owned());
        let rest = text.strip_prefix("unix:").ok_or_else(wrong)?;
        let (kind, value) = rest.split_once(':').ok_or_else(wrong)?;
        let number = || value.parse().map_err(|_| wrong());
        let absolute = || value.starts_with('/').then(|| value.to_owned()).ok_or_else(wrong);
        match kind {
            "uid" => number().map(Self::Uid),
            "gid" => number().map(Self::Gid),
            "supplementary_gid" => number().map(Self::SupplementaryGid),
            "path" => absolute().map(Self::Path),
            "sha256" => Digest::parse(value).map(Self::Sha256).ok_or_else(wrong),
            "cgroup" => absolute().map(Self::Cgroup),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;
    fn try_from(text: String) -> Result<Self, SelectorError> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "unix:uid:{uid}"),
            Self::Gid(gid) => write!(f, "unix:gid:{gid}"),
            Self::SupplementaryGid(gid) => write!(f, "unix:supplementary_gid:{gid}"),
            Self::Path(path) => write!(f, "unix:path:{path}"),
            Self::Sha256(digest) => write!(f, "unix:sha256:{digest}"),
            Self::Cgroup(cgroup) => write!(f, "unix:cgroup:{cgroup}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::of(b"bot")
    }

    fn workload() -> Workload {
        Workload {
            gid: Some(100),
            groups: vec![27],
            path: Some("/usr/bin/bot".to_owned()),
            sha256: Some(digest()),
            cgroup: Some("/system.slice/bot.service".to_owned()),
            ..Workload::of_user(1000)
        }
    }

    #[test]
    fn each_selector_fits_its_process_and_no_other() {
        let sha256 = format!("unix:sha256:{}", digest());
        let other = format!("unix:sha256:{}", Digest::of(b"evil"));
        for (fits, other) in [
            ("unix:uid:1000", "unix:uid:1001"),
            ("unix:gid:100", "unix:gid:27"),
            ("unix:supplementary_gid:27", "unix:supplementary_gid:100"),
            ("unix:path:/usr/bin/bot", "unix:path:/usr/bin/bot2"),
            (&sha256, &other),
            ("unix:cgroup:/system.slice/bot.service", "unix:cgroup:/system.slice"),
        ] {
            let (fits, other): (Selector, Selector) =
                (fits.parse().unwrap(), other.parse().unwrap());
            assert!(fits.fits(&workload()) && !other.fits(&workload()), "{fits} {other}");
            assert_eq!(fits.to_string().parse::<Selector>().unwrap(), fits);
        }
    }

    #[test]
    fn what_the_kernel_did_not_say_fits_nothing() {
        let bare = Workload::of_user(7);
        let sha256 = format!("unix:sha256:{}", digest());
        for text in
            ["unix:gid:0", "unix:supplementary_gid:0", "unix:path:/", "unix:cgroup:/", &sha256]
        {
            assert!(!text.parse::<Selector>().unwrap().fits(&bare), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "uid:1",
            "unix:uid",
            "unix:uid:",
            "unix:uid:-1",
            "unix:uid:root",
            "unix:user:bot",
            "unix:path:bot",
            "unix:sha256:ab",
            "k8s:ns:x",
            "unix:cgroup:",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
