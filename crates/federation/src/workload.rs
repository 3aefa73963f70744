//! The Workload API of somebody else, SPIRE's above all, as a source of trust (SPIFFE Workload API).
//!
//! It streams what changes, and is connected to anew every so often besides: a stream on which nothing
//! comes looks the same whether nothing has changed or nobody is there any more. What it hands out takes
//! the place of all that it handed out before, so what it leaves out is believed no more. While it does
//! not answer, what it said last is believed for [`KEPT_FOR`], and nothing of it after that.
//!
//! Who listens on the socket decides whom Remit believes. So the kernel is asked who that is, at each
//! connection; where the socket lies then does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http::Uri;
use hyper_util::rt::TokioIo;
use remit_fetch::{ANSWER, chain, in_time};
use remit_jose::KeySet;
use remit_model::{Clock, Timestamp, Value};
use remit_spiffe::{ForeignRoots, TrustDomain};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use spiffe::transport::Endpoint;
use spiffe::{JwtBundle, JwtBundleSet, WorkloadApiClient, WorkloadApiError, X509Context, X509Svid};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tower::service_fn;

use crate::kept::{KEPT_FOR, REFRESH};

/// Between two attempts to reach it, at first and at most (R13). It is on this machine, so that costs
/// little.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// See [`FIRST_RETRY`].
const SLOWEST_RETRY: Duration = Duration::from_secs(10);
/// What keys of a bundle of JWT-SVIDs say they are for: SPIRE leaves that out here.
const TOKENS: [&str; 3] = ["", "sig", "jwt-svid"];

/// Where a Workload API is, and what is taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSource {
    /// Its socket.
    pub socket: PathBuf,
    /// The users one of whom must be listening there.
    pub uids: BTreeSet<u32>,
    /// The trust domains whose bundles are taken; others that it hands out are not looked at.
    pub domains: BTreeSet<TrustDomain>,
    /// Our own trust domain, which it may not claim.
    pub ours: TrustDomain,
}

/// What a Workload API hands out, as it is now.
pub struct WorkloadApi {
    clock: Arc<dyn Clock>,
    roots: watch::Sender<Arc<ForeignRoots>>,
    own: watch::Sender<Option<Arc<CertifiedKey>>>,
    heard: Mutex<Heard>,
}

/// The keys of JWT-SVIDs, and how it went.
#[derive(Debug, Default)]
struct Heard {
    keys: BTreeMap<TrustDomain, Arc<KeySet>>,
    until: Timestamp,
    /// Why nothing came at the last attempt, if nothing did.
    failed: Option<String>,
}

impl fmt::Debug for WorkloadApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadApi").finish_non_exhaustive()
    }
}

impl WorkloadApi {
    /// One that nobody listens to yet: it believes nobody.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (roots, _) = watch::channel(Arc::default());
        let (own, _) = watch::channel(None);
        Self { clock, roots, own, heard: Mutex::default() }
    }

    /// The signing certificates of the trust domains, as they are now and from now on.
    pub fn roots(&self) -> watch::Receiver<Arc<ForeignRoots>> {
        self.roots.subscribe()
    }

    /// Our own X.509-SVID there with its key, likewise; the first that it gives us.
    pub fn own(&self) -> watch::Receiver<Option<Arc<CertifiedKey>>> {
        self.own.subscribe()
    }

    /// The keys of the JWT-SVIDs of `domain`. Nobody waits for them.
    ///
    /// Errors: it does not hand them out, or has not answered for too long.
    pub(crate) fn keys(&self, domain: &str) -> Result<Arc<KeySet>, String> {
        let heard = self.heard();
        if self.clock.now() >= heard.until {
            let why = heard.failed.as_deref().unwrap_or("it was just asked for the first time");
            return Err(format!("the Workload API has not answered for too long: {why}"));
        }
        let found = heard.keys.iter().find(|(known, _)| known.as_str() == domain);
        let keys = found.map(|(_, keys)| Arc::clone(keys));
        keys.ok_or_else(|| "the Workload API hands out no bundle of it that can be used".to_owned())
    }

    /// Waits until it has answered, but not for long: what has to go on without it can.
    pub async fn answered(&self) {
        let mut roots = self.roots();
        let first = roots.wait_for(|roots| **roots != ForeignRoots::default());
        drop(timeout(ANSWER, first).await);
    }

    /// Listens to it for ever.
    pub async fn run(self: Arc<Self>, source: WorkloadSource) {
        let mut wait = FIRST_RETRY;
        loop {
            let began = self.clock.now();
            if let Err(why) = self.listen(&source).await {
                self.failed(why, &source);
                if self.clock.now().since(began) > SLOWEST_RETRY {
                    wait = FIRST_RETRY;
                }
                sleep(wait).await;
                wait = (wait * 2).min(SLOWEST_RETRY);
            }
        }
    }

    /// Follows both streams for [`REFRESH`].
    async fn listen(&self, source: &WorkloadSource) -> Result<(), String> {
        let client = in_time(connect(source)).await?;
        let (contexts, bundles) = in_time(async {
            let contexts = client.stream_x509_contexts().await.map_err(|why| chain(&why))?;
            Ok((contexts, client.stream_jwt_bundles().await.map_err(|why| chain(&why))?))
        })
        .await?;
        tokio::pin!(contexts, bundles);
        let context = in_time(next(&mut contexts)).await?;
        self.take_bundles(&in_time(next(&mut bundles)).await?, source);
        self.take_context(&context, source);
        if self.heard().failed.take().is_some() {
            tracing::info!(socket = %source.socket.display(), "the Workload API answers again");
        }
        let long_enough = sleep(REFRESH);
        tokio::pin!(long_enough);
        loop {
            tokio::select! {
                context = next(&mut contexts) => self.take_context(&context?, source),
                handed = next(&mut bundles) => self.take_bundles(&handed?, source),
                () = &mut long_enough => return Ok(()),
            }
        }
    }

    fn take_context(&self, context: &X509Context, source: &WorkloadSource) {
        let mut roots = ForeignRoots::new(self.clock.now().after(KEPT_FOR));
        for domain in &source.domains {
            let Some(bundle) = context.bundle_set().get(domain) else { continue };
            let certificates = bundle.authorities().iter().map(spiffe::Certificate::as_bytes);
            if let Err(why) = roots.add(domain, certificates, &source.ours) {
                tracing::error!(%domain, %why, "its X.509 bundle from the Workload API is not believed");
            }
        }
        let ours = |svid: &&Arc<X509Svid>| source.domains.contains(svid.spiffe_id().trust_domain());
        match context.svids().iter().find(ours).map(|svid| certified(svid)) {
            Some(Ok(own)) => drop(self.own.send_replace(Some(Arc::new(own)))),
            Some(Err(why)) => tracing::error!(%why, "our X.509-SVID cannot be used"),
            // Whatever there was is ours no more.
            None => drop(self.own.send_replace(None)),
        }
        // Last, because by it whoever waits for a first answer knows that all is there.
        self.roots.send_replace(Arc::new(roots));
    }

    fn take_bundles(&self, handed: &JwtBundleSet, source: &WorkloadSource) {
        let mut keys = BTreeMap::new();
        for domain in &source.domains {
            let Some(bundle) = handed.get(domain) else { continue };
            match key_set(&bundle) {
                Ok(set) => drop(keys.insert(domain.clone(), Arc::new(set))),
                Err(why) => tracing::error!(
                    %domain, %why, "its JWT bundle from the Workload API is not believed"
                ),
            }
        }
        let mut heard = self.heard();
        heard.keys = keys;
        heard.until = self.clock.now().after(KEPT_FOR);
    }

    fn failed(&self, why: String, source: &WorkloadSource) {
        let mut heard = self.heard();
        // Told once, not at every try.
        if heard.failed.as_ref() != Some(&why) {
            tracing::error!(socket = %source.socket.display(), %why, "the Workload API does not answer");
        }
        heard.failed = Some(why);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next message of a stream.
async fn next<T>(
    stream: &mut (impl Stream<Item = Result<T, WorkloadApiError>> + Unpin),
) -> Result<T, String> {
    let message = stream.next().await.ok_or("the stream ended")?;
    message.map_err(|why| chain(&why))
}

async fn connect(source: &WorkloadSource) -> Result<WorkloadApiClient, String> {
    let (socket, uids) = (source.socket.clone(), source.uids.clone());
    let connector = service_fn(move |_: Uri| {
        let (socket, uids) = (socket.clone(), uids.clone());
        async move {
            let stream = UnixStream::connect(&socket).await?;
            check_listener(stream.peer_cred()?.uid(), &uids).map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    // Where it leads is up to the connector; HTTP wants to name somebody.
    let channel = Channel::from_static("http://localhost").connect_with_connector(connector).await;
    let channel = channel.map_err(|why| chain(&why))?;
    let endpoint = Endpoint::Unix(source.socket.clone());
    Ok(WorkloadApiClient::new_with_channel(endpoint, channel))
}

/// Refuses whoever could just as well have made the socket himself.
fn check_listener(uid: u32, trusted: &BTreeSet<u32>) -> Result<(), String> {
    if trusted.contains(&uid) {
        return Ok(());
    }
    Err(format!(
        "user {uid} listens there, who is not trusted for that: set `uid` in [spiffe] if that is as whom \
         SPIRE's agent runs"
    ))
}

fn certified(svid: &X509Svid) -> Result<CertifiedKey, rustls::Error> {
    let chain = svid.cert_chain().iter();
    let chain = chain.map(|it| CertificateDer::from(it.as_bytes().to_vec())).collect();
    // Borrowed: a copy would be left behind unwiped.
    let key = PrivatePkcs8KeyDer::from(svid.private_key().as_bytes());
    let certified = CertifiedKey::new(chain, any_supported_type(&key.into())?);
    certified.keys_match()?;
    Ok(certified)
}

fn key_set(bundle: &JwtBundle) -> Result<KeySet, String> {
    let read = |json| Value::parse(std::str::from_utf8(json).unwrap_or_default());
    let keys = bundle.jwt_authorities().map(|key| read(key.jwk_json()));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
    let set = Value::Record(BTreeMap::from([("keys".to_owned(), Value::List(keys))]));
    KeySet::published(&set, &TOKENS).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use remit_spiffe::trust_domain;
    use remit_testkit::ManualClock;

    use super::*;

    const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"a",
        "x":"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY",
        "y":"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw"}"#;

    fn source() -> WorkloadSource {
        WorkloadSource {
            socket: PathBuf::from("/nowhere"),
            uids: BTreeSet::new(),
            domains: BTreeSet::from([trust_domain("a.example").unwrap()]),
            ours: trust_domain("ours.example").unwrap(),
        }
    }

    fn handed(domains: &[&str], key: &str) -> JwtBundleSet {
        let mut set = JwtBundleSet::default();
        for domain in domains {
            let mut bundle = JwtBundle::new(trust_domain(domain).unwrap());
            bundle.add_jwk_authority_json(key.as_bytes()).unwrap();
            set.add_bundle(bundle);
        }
        set
    }

    #[test]
    fn keys_are_believed_as_they_were_handed_out_last_and_only_for_a_time() {
        let clock = Arc::new(ManualClock::default());
        let api = WorkloadApi::new(Arc::clone(&clock) as _);
        assert!(api.keys("a.example").unwrap_err().contains("asked for the first time"));
        api.take_bundles(&handed(&["a.example", "b.example", "ours.example"], KEY), &source());
        assert_eq!(
            api.keys("a.example").unwrap().thumbprints().len(),
            1,
            "as SPIRE has it: no `use`"
        );
        for other in ["b.example", "ours.example"] {
            assert!(api.keys(other).unwrap_err().contains("no bundle"), "nobody asked for {other}");
        }
        let last = Duration::from_secs(KEPT_FOR.as_secs() - 1);
        clock.advance(last);
        assert!(api.keys("a.example").is_ok(), "it is down");
        api.failed("it is down".to_owned(), &source());
        clock.advance(Duration::from_secs(1));
        let why = api.keys("a.example").unwrap_err();
        assert!(why.contains("for too long: it is down"), "{why}");

        api.take_bundles(&handed(&["a.example"], KEY), &source());
        assert!(api.keys("a.example").is_ok());
        api.take_bundles(&handed(&[], KEY), &source());
        assert!(api.keys("a.example").is_err(), "it was taken back");
    }

    #[test]
    fn a_bundle_that_gives_away_a_secret_says_nothing() {
        let api = WorkloadApi::new(Arc::new(ManualClock::default()));
        api.take_bundles(&handed(&["a.example"], KEY), &source());
        let private = KEY.replace(r#""kid":"a""#, r#""kid":"a","d":"AA""#);
        api.take_bundles(&handed(&["a.example"], &private), &source());
        assert!(api.keys("a.example").is_err());
    }

    #[test]
    fn only_who_is_trusted_listens_there() {
        let trusted = BTreeSet::from([0, 998]);
        assert!(check_listener(0, &trusted).is_ok() && check_listener(998, &trusted).is_ok());
        let why = check_listener(1000, &trusted).unwrap_err();
        assert!(why.contains("user 1000 listens there"), "{why}");
    }
}
