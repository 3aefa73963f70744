//! Authorization code (RFC 6749 section 4.1, RFC 7636): a client comes for what a person allowed it.

use remit_engine::consent::Redemption;

use super::{Granted, redeemed, wants};
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "authorization_code";

/// Opens the task that a person allowed and answers with a grant. The proof comes first: a client that
/// lacks only the nonce asks again, and its code must not be used up by then.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    let (client, holder) = asked.public(desk, TOKEN)?;
    let (engine, form) = (desk.engine.as_ref(), &asked.form);
    let wants = wants(engine, form, holder.as_ref())?;
    let shown = Redemption {
        code: form.need("code")?,
        client,
        redirect_uri: form.get("redirect_uri"),
        verifier: form.need("code_verifier")?,
        wants: &wants,
    };
    let opened = engine.redeem(&shown).await?;
    Ok((redeemed(engine, &opened), holder.and_then(|holder| holder.nonce)))
}
