//! Who a caller is, and the SVIDs that say so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use remit_attest::Peer;
use remit_engine::identify::Identity;
use remit_model::{Timestamp, Value, Workload};
use remit_spiffe::{Authority, SpiffeId, Subject, SvidError, agent_id, task_id};
use tonic::Status;

use crate::Door;
use crate::message::{
    JwtBundlesResponse, JwtSvid, JwtSvidRequest, JwtSvidResponse, ValidateJwtSvidRequest,
    ValidateJwtSvidResponse, X509BundlesResponse, X509Svid, X509SvidResponse,
};

/// The process behind one connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) door: Arc<Door>,
    pub(crate) peer: Arc<Peer>,
}

/// One name that a caller may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) id: SpiffeId,
    /// What tells it apart: the agent's name, or the task's.
    hint: String,
    /// When it ends at the latest, whatever it is issued for.
    ends: Timestamp,
}

impl Caller {
    pub(crate) fn now(&self) -> Timestamp {
        self.door.engine.now()
    }

    pub(crate) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.door.authority.borrow())
    }

    /// What the caller is, read anew: a process can have ended, or become something else.
    async fn attest(&self) -> Result<Workload, Status> {
        let peer = Arc::clone(&self.peer);
        let digest = self.door.engine.asks_for_digest(peer.uid());
        // Off the event loop: it reads files.
        let attested = tokio::task::spawn_blocking(move || peer.workload(digest)).await;
        let attested = attested.map_err(|why| Status::internal(why.to_string()))?;
        attested.map_err(|why| {
            tracing::debug!(pid = self.peer.pid(), uid = self.peer.uid(), %why, "not attested");
            self.refuse(&why.to_string())
        })
    }

    /// All names of `workload`, the default one first.
    pub(crate) fn names(&self, workload: &Workload) -> Result<Vec<Name>, Status> {
        let domain = self.door.authority.borrow().domain().clone();
        let mut names = Vec::new();
        for Identity { agent, runs } in self.door.engine.identify(workload) {
            let id = agent_id(&domain, &agent.name).map_err(|why| unavailable(&why))?;
            let (hint, ends) = (agent.name.to_string(), Timestamp(u64::MAX));
            names.push(Name { id, hint, ends });
            for run in runs {
                let id =
                    task_id(&domain, &agent.name, &run.task).map_err(|why| unavailable(&why))?;
                names.push(Name { id, hint: run.task.to_string(), ends: run.deadline });
            }
        }
        Ok(names)
    }

    /// What the caller is now, and all its names; at least one.
    pub(crate) async fn named(&self) -> Result<(Workload, Vec<Name>), Status> {
        let workload = self.attest().await?;
        let names = self.names(&workload)?;
        if names.is_empty() {
            let uid = self.peer.uid();
            return Err(self.refuse(&format!(
                "no identity issued: no [[agent]] has `uids` and `selectors` that fit this process of \
                 user {uid}"
            )));
        }
        Ok((workload, names))
    }

    fn refuse(&self, why: &str) -> Status {
        self.door.engine.counters.svids_refused.add();
        Status::permission_denied(why)
    }

    fn until(&self, name: &Name, now: Timestamp) -> Timestamp {
        name.ends.min(now.after(self.door.engine.settings().svid_lifetime))
    }

    /// An X.509-SVID for each of `names`, and when they have to be renewed.
    pub(crate) fn x509(
        &self,
        names: &[Name],
        authority: &Authority,
    ) -> Result<(X509SvidResponse, Timestamp), Status> {
        let now = self.now();
        let bundle = authority.x509_bundle(now);
        let mut first_to_end = now.after(self.door.engine.settings().svid_lifetime);
        let mut svids = Vec::new();
        for name in names {
            let entropy = self.door.engine.ports().entropy.as_ref();
            let svid = match authority.x509(&name.id, self.until(name, now), now, entropy) {
                Ok(svid) => svid,
                // Its task ends this very second.
                Err(SvidError::TooShort) => continue,
                Err(why) => return Err(unavailable(&why)),
            };
            first_to_end = first_to_end.min(svid.expires);
            self.door.engine.counters.svids.add();
            svids.push(X509Svid {
                spiffe_id: svid.id.to_string(),
                certificates: svid.certificate,
                key: svid.key.to_vec(),
                bundle: bundle.clone(),
                hint: name.hint.clone(),
            });
        }
        let half: Duration = first_to_end.since(now) / 2;
        Ok((X509SvidResponse { svids, ..X509SvidResponse::default() }, now.after(half)))
    }

    pub(crate) fn x509_bundles(&self, authority: &Authority) -> X509BundlesResponse {
        let bundle = authority.x509_bundle(self.now());
        X509BundlesResponse { crl: Vec::new(), bundles: of(authority, bundle) }
    }

    pub(crate) fn jwt_bundles(&self, authority: &Authority) -> JwtBundlesResponse {
        let bundle = authority.jwt_bundle(self.now()).into_bytes();
        JwtBundlesResponse { bundles: of(authority, bundle) }
    }

    /// `FetchJWTSVID`
    pub(crate) async fn jwt(self, asked: JwtSvidRequest) -> Result<JwtSvidResponse, Status> {
        let (workload, mut names) = self.named().await?;
        // Which process asks is for our own token endpoint to know, and for nobody else.
        let ours = self.door.engine.realm().issuer();
        let process = workload.descent().filter(|_| asked.audience == [ours]);
        if !asked.spiffe_id.is_empty() {
            names.retain(|name| name.id.to_string() == asked.spiffe_id);
            if names.is_empty() {
                return Err(self.refuse("this process does not have the SPIFFE ID it asks for"));
            }
        }
        let (authority, now) = (self.authority(), self.now());
        let mut svids = Vec::new();
        for name in names {
            let until = self.until(&name, now);
            let entropy = self.door.engine.ports().entropy.as_ref();
            let subject = Subject { id: &name.id, process: process.as_ref() };
            match authority.jwt((subject, &asked.audience), until, now, entropy) {
                Ok(svid) => svids.push(JwtSvid {
                    spiffe_id: svid.id.to_string(),
                    svid: svid.token,
                    hint: name.hint,
                }),
                Err(SvidError::TooShort) => continue,
                Err(why @ SvidError::Audiences) => {
                    return Err(Status::invalid_argument(why.to_string()));
                }
                Err(why) => return Err(unavailable(&why)),
            }
            self.door.engine.counters.svids.add();
        }
        Ok(JwtSvidResponse { svids })
    }

    /// `ValidateJWTSVID`
    pub(crate) async fn validate(
        self,
        asked: ValidateJwtSvidRequest,
    ) -> Result<ValidateJwtSvidResponse, Status> {
        self.named().await?;
        let verified = self.authority().verify_jwt(&asked.svid, &asked.audience, self.now());
        let verified = verified.map_err(|why| Status::invalid_argument(why.to_string()))?;
        let claims = match shown(&verified.claims).kind {
            Some(prost_types::value::Kind::StructValue(claims)) => Some(claims),
            _ => None,
        };
        Ok(ValidateJwtSvidResponse { spiffe_id: verified.id.to_string(), claims })
    }
}

fn unavailable(why: &SvidError) -> Status {
    tracing::error!(%why, "an SVID could not be issued");
    Status::unavailable(why.to_string())
}

/// A map with the one trust domain that there is.
fn of(authority: &Authority, bundle: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(authority.domain().id_string(), bundle)])
}

/// A claim as protobuf has it: every number is a double.
fn shown(claim: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match claim {
        Value::Null => Kind::NullValue(0),
        Value::Bool(yes) => Kind::BoolValue(*yes),
        Value::Number(text) => Kind::NumberValue(text.parse().unwrap_or(f64::NAN)),
        Value::Text(text) => Kind::StringValue(text.clone()),
        Value::List(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.iter().map(shown).collect() })
        }
        Value::Record(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), shown(member)));
            Kind::StructValue(prost_types::Struct { fields: members.collect() })
        }
    };
    prost_types::Value { kind: Some(kind) }
}
