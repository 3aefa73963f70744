//! Issuers elsewhere, as a person configured them.

use std::time::Duration;

use remit_jose::Algorithm;
use remit_model::IssuerName;
use serde::Deserialize;

use super::Claims;

/// The longest that a workload's token may be good in all. Tokens that live longer are standing keys.
pub const MAX_FOREIGN_LIFETIME: Duration = Duration::from_hours(24);

/// What an issuer is believed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// Its tokens say which workload their holder is.
    Workloads,
    /// Its ID-JAGs say for which person a client may act.
    People,
}

impl Speaks {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Workloads => "workloads",
            Self::People => "people",
        }
    }
}

/// Issuers whose claims are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Service account tokens of a Kubernetes cluster.
    Kubernetes,
    /// Tokens of GitHub Actions.
    GithubActions,
    /// ID tokens of GitLab CI/CD.
    Gitlab,
}

/// Claims that together say who somebody is, each as the names that lead to it.
type Pin = &'static [&'static [&'static str]];

/// `sub` is a workload's own at every issuer (OpenID Connect Core section 2).
const SUBJECT: Pin = &[&["sub"]];

impl Preset {
    /// The ways to pin down who a workload is: of one of them every claim must be given exactly.
    fn pins(self) -> &'static [Pin] {
        match self {
            Self::Kubernetes => &[
                SUBJECT,
                &[&["kubernetes.io", "serviceaccount", "uid"]],
                &[&["kubernetes.io", "namespace"], &["kubernetes.io", "serviceaccount", "name"]],
            ],
            Self::GithubActions => &[SUBJECT, &[&["repository"]], &[&["repository_id"]]],
            Self::Gitlab => &[SUBJECT, &[&["project_path"]], &[&["project_id"]]],
        }
    }

    /// Whether its tokens are made for one use. A token that lies in a file of the pod or in a variable
    /// of the job is used as often as it is needed, until it runs out.
    pub fn once(self) -> bool {
        match self {
            Self::GithubActions => true,
            Self::Kubernetes | Self::Gitlab => false,
        }
    }
}

/// An issuer elsewhere whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What it is called here.
    pub name: IssuerName,
    /// What it calls itself, in `iss`: compared character by character.
    pub url: String,
    /// Whose claims it has, if they are known.
    pub preset: Option<Preset>,
    /// The only audience of its workloads' tokens; left out: this issuer, as that of ID-JAGs always.
    pub audience: Option<String>,
    /// How it may sign.
    pub algorithms: Vec<Algorithm>,
    /// For how long its workloads' tokens may be good in all.
    pub lifetime: Duration,
    /// Whether a workload's token may be used once only.
    pub once: bool,
    /// What it is believed for.
    pub vouches_for: Vec<Speaks>,
}

impl Issuer {
    /// Whether `claims` pin down one of its workloads, and if not what would.
    ///
    /// Errors: in words, the claims of which one way must be given exactly.
    pub fn check_pinned(&self, claims: &Claims) -> Result<(), String> {
        let pins = self.preset.map_or(&[SUBJECT][..], Preset::pins);
        if pins.iter().any(|pin| pin.iter().all(|path| claims.has_exactly(path))) {
            return Ok(());
        }
        let words = pins.iter().map(|pin| {
            let claims: Vec<_> = pin.iter().map(|path| format!("`{}`", path.join("`.`"))).collect();
            claims.join(" with ")
        });
        Err(words.collect::<Vec<_>>().join(", or "))
    }
}
