//! A server that has to be somebody: it is known by its X.509-SVID, whatever its name in the network.
//!
//! It is held against the bundle of the moment, at each handshake: keys that were replaced or taken back
//! count for no later connection. What is configured is opened before the keys are, so until then nobody
//! vouches for anybody.

use std::fmt;
use std::sync::{Arc, OnceLock};

use remit_engine::Trust;
use remit_model::Clock;
use remit_spiffe::{SpiffeId, SvidError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use crate::fail::Fail;

/// Who vouches for servers, once that is known.
#[derive(Clone, Default)]
pub(crate) struct Vouching(Arc<OnceLock<Trust>>);

impl Vouching {
    /// By these bundles from now on.
    pub(crate) fn by(&self, trust: Trust) {
        // The bundles are opened once; a second opening would be of the same.
        drop(self.0.set(trust));
    }

    /// How to speak TLS with a server that has to be `id`, showing it nothing.
    ///
    /// Errors: no TLS can be spoken.
    pub(crate) fn expecting(
        &self,
        id: SpiffeId,
        clock: Arc<dyn Clock>,
    ) -> Result<ClientConfig, Fail> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?.dangerous();
        let expected = Expected { id, vouching: self.clone(), clock, provider };
        Ok(builder.with_custom_certificate_verifier(Arc::new(expected)).with_no_client_auth())
    }
}

/// Believes one server.
struct Expected {
    id: SpiffeId,
    vouching: Vouching,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
}

/// Somebody else answered.
#[derive(Debug)]
struct Another {
    expected: SpiffeId,
    got: SpiffeId,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<&[u8]> = std::iter::once(leaf).chain(others).map(AsRef::as_ref).collect();
        let trust = self.vouching.0.get().ok_or(SvidError::NoKey).map_err(said)?;
        let got = trust.verify_x509(&chain, self.clock.now()).map_err(said)?.id;
        if got == self.id {
            return Ok(ServerCertVerified::assertion());
        }
        Err(said(Another { expected: self.id.clone(), got }))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// In words, for whoever looks why a server is not reached.
fn said(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(OtherError(Arc::new(why)))
}

impl fmt::Display for Another {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected the server `{}` there, got `{}`", self.expected, self.got)
    }
}

impl std::error::Error for Another {}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("id", &self.id).finish_non_exhaustive()
    }
}
