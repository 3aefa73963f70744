//! `remit svid …`

use std::path::Path;

use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Context;
use crate::cli;
use crate::fail::Fail;
use crate::out::Out;
use crate::serve::{Believed, Presented, VERIFY};

/// Runs one of the SVID commands.
pub(crate) async fn run(context: &Context, args: cli::Svid, out: &mut Out) -> Result<(), Fail> {
    let cli::Svid::Verify { file, audience } = args;
    let presented = read(&file, audience)?;
    let believed: Believed = context.client().post(VERIFY, &presented).await?;
    out.say(&believed, |believed| believed.id.clone())
}

/// What is in `file`: certificates in PEM, or a token.
fn read(file: &Path, audience: Option<String>) -> Result<Presented, Fail> {
    let failed = |why: &dyn std::fmt::Display| {
        Fail::new(format!("cannot read the SVID in {}: {why}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|why| failed(&why))?;
    if text.contains("-----BEGIN CERTIFICATE") {
        let chain = CertificateDer::pem_slice_iter(text.as_bytes());
        let chain = chain.map(|der| der.map(|der| BASE64.encode(&der)));
        return Ok(Presented::X509(chain.collect::<Result<_, _>>().map_err(|why| failed(&why))?));
    }
    let audience = audience.ok_or_else(|| {
        Fail::new("a token is meant for somebody: say with --audience for whom this one has to be")
    })?;
    Ok(Presented::Jwt { token: text.trim().to_owned(), audience })
}
