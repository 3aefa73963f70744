//! Mutual TLS with SVIDs: what they are for.

use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, crypto::aws_lc_rs};
use spiffe::{TrustDomain, X509BundleSet, X509Source, X509Svid};
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{FAST, client, pem, stand, worker, x509_source};
use crate::stand::PATIENCE;

/// That rustls, as a server that knows nothing of SPIFFE, takes `svid` for a client of the bundle.
pub(super) fn assert_verifies(svid: &X509Svid, bundles: &X509BundleSet) {
    verified(svid, bundles).unwrap();
}

/// What such a server says.
pub(super) fn verified(svid: &X509Svid, bundles: &X509BundleSet) -> Result<(), rustls::Error> {
    let bundle = bundles.get(&TrustDomain::new("remit.local").unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    for authority in bundle.authorities() {
        roots.add(CertificateDer::from(authority.as_bytes())).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from(svid.leaf().as_bytes());
    verifier.verify_client_cert(&leaf, &[], UnixTime::now()).map(drop)
}

/// Says a word through a connection of two agents, over both of which rustls decides. `spiffe-rustls`
/// refuses the handshakes of the moment in which its source has new material that it has not taken
/// up yet; a handshake that such a moment fell into says nothing and is tried again.
async fn says(client: &X509Source, server: &X509Source, expected: &str) -> Result<String, String> {
    let revisions = || (client.state().revision(), server.state().revision());
    loop {
        let before = revisions();
        let said = connects(client, server, expected).await;
        if said.is_ok() || revisions() == before {
            return said;
        }
    }
}

async fn connects(
    client: &X509Source,
    server: &X509Source,
    expected: &str,
) -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let anyone = authorizer::trust_domains(["remit.local"]).unwrap();
    let config = mtls_server(server.clone()).authorize(anyone).build().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answering = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.map_err(|why| why.to_string())?;
        stream.write_all(b"welcome").await.map_err(|why| why.to_string())?;
        stream.shutdown().await.map_err(|why| why.to_string())
    });
    let only = authorizer::exact([expected]).unwrap();
    let config = mtls_client(client.clone()).authorize(only).build().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("nobody.looks.at.this").unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let mut stream = connected.map_err(|why| why.to_string())?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.map_err(|why| why.to_string())?;
    answering.await.unwrap()?;
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_meet_over_mutual_tls_while_keys_are_replaced() {
    let stand = stand(FAST).await;
    let (client, server) = (x509_source(&stand).await, x509_source(&stand).await);
    let id = worker().to_string();
    for _ in 0..26 {
        assert_eq!(says(&client, &server, &id).await.unwrap(), "welcome");
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    let somebody_else = "spiffe://remit.local/agent/other";
    assert!(says(&client, &server, somebody_else).await.is_err(), "not the agent it expects");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_remit_is_not_let_in_though_it_has_the_same_name() {
    let (ours, theirs) = (stand("").await, stand("").await);
    let (server, stranger) = (x509_source(&ours).await, x509_source(&theirs).await);
    assert!(says(&stranger, &server, &worker().to_string()).await.is_err());
}

/// The same with OpenSSL at both ends, which has its own opinion of certificates.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_believes_both_ends() {
    let stand = stand("").await;
    let context = client(&stand).await.fetch_x509_context().await.unwrap();
    let svid = context.default_svid().unwrap();
    let bundles = context.bundle_set();
    let bundle = bundles.get(&TrustDomain::new("remit.local").unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    write("svid.pem", pem("CERTIFICATE", svid.leaf().as_bytes()));
    write("svid.key", pem("PRIVATE KEY", svid.private_key().as_bytes()));
    let authorities = bundle.authorities().iter().map(|it| pem("CERTIFICATE", it.as_bytes()));
    let authorities: String = authorities.collect();
    write("bundle.pem", authorities.clone());
    let own =
        ["-cert", "svid.pem", "-key", "svid.key", "-CAfile", "bundle.pem", "-verify_return_error"];
    let openssl = |args: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(args).args(own).current_dir(dir.path()).kill_on_drop(true);
        command
    };
    let serving = ["s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-naccept", "1"];
    let mut server =
        openssl(&serving).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let accepts = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("s_server listens");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                return address.to_owned();
            }
        }
    };
    let address = timeout(PATIENCE, accepts).await.unwrap();
    let client = openssl(&["s_client", "-connect", &address]).stdin(Stdio::null()).output();
    let said = timeout(PATIENCE, client).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{text}{errors}");
    assert!(text.contains("Verify return code: 0 (ok)"), "{text}{errors}");
    let file = dir.path().join("svid.pem");
    let verify = ["svid", "verify", file.to_str().unwrap()];
    assert_eq!(stand.ask(&verify).await["id"], worker().to_string(), "and so does Remit itself");
    write("svid.pem", authorities);
    let refused = stand.remit(&verify).await;
    assert!(!refused.ok && refused.said().contains("CA:TRUE"), "{}", refused.said());
}
