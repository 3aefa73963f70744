//! Authorization code (RFC 6749 section 4.1, RFC 7636): a client comes for what a person allowed it.

use std::sync::Arc;
use std::time::Duration;

use remit_engine::consent::Redemption;

use super::{Granted, redeemed, wants};
use crate::failure::Failure;
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "authorization_code";

/// When to try again after something broke on our side.
const RETRY: Duration = Duration::from_secs(10);

/// Opens the task that a person allowed and answers with a grant.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    let (client, proof) = asked.claimant(desk, TOKEN).await?;
    let (engine, form) = (desk.engine.as_ref(), &asked.form);
    let wants = wants(engine, form, proof)?;
    let shown = Redemption {
        code: form.need("code")?.to_owned(),
        client,
        redirect_uri: form.get("redirect_uri").map(str::to_owned),
        verifier: form.need("code_verifier")?.to_owned(),
        wants,
    };
    // A client that hangs up must not leave a task behind of which nobody knows.
    let on = Arc::clone(&desk.engine);
    let opening = tokio::spawn(async move { on.redeem(&shown).await });
    let opened = opening.await.map_err(|why| Failure::later(why, RETRY))??;
    Ok((redeemed(engine, &opened), opened.nonce))
}
