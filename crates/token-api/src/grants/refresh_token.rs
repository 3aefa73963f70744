//! Refresh tokens (RFC 6749 section 6): a client goes on with what a person allowed it, for as long as that
//! task is open. Each is used once, and bound to the key of the first grant.

use super::{Granted, redeemed, wants};
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "refresh_token";

/// Answers with a further grant for an open task, and the next refresh token.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    let (client, proof) = asked.claimant(desk, TOKEN).await?;
    let (engine, form) = (desk.engine.as_ref(), &asked.form);
    let wants = wants(engine, form, proof)?;
    let renewed = engine.renew(form.need("refresh_token")?, &client, &wants).await?;
    Ok((redeemed(engine, &renewed), renewed.nonce))
}
