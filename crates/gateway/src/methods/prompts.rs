//! `prompts/list` and `prompts/get`.

use remit_engine::list::List;
use remit_mcp::{Edit, Object, Raw, RpcError, method};
use remit_model::{Operation, ServerName};

use super::{Context, Plan, call, member};

/// What a remit's tool patterns call the prompts of a server.
const PROMPTS: &str = "@prompts";

impl Context<'_> {
    pub(super) async fn list_prompts(&self) -> Result<Plan, RpcError> {
        let offers = self.gateway.engine.offers(&self.peer.caller, &self.servers, PROMPTS);
        let list = List { method: method::PROMPTS_LIST, of: |offer| &offer.prompts };
        let offers = match self.shown(offers, list).await {
            Ok(offers) => offers,
            Err(refusal) => return Ok(self.refused(&refusal)),
        };
        let names = self.names();
        let mut prompts = Vec::new();
        for (server, offer) in offers {
            prompts.extend(offer.prompts.iter().filter_map(|definition| {
                let prompt = Object::parse(&Raw::parse(definition).ok()?).ok()?;
                let name = names.write(&server, &prompt.text("name")?);
                Some(Edit::of(&prompt).set("name", Raw::string(&name)).finish().to_string())
            }));
        }
        self.page("prompts", &prompts)
    }

    pub(super) fn get_prompt(&self) -> Result<Plan, RpcError> {
        let (server, name) = self.prompt(&self.text("name")?)?;
        let change = Some(("name", Raw::string(&name)));
        Ok(call(self.governed(server, Operation::GetPrompt { name }, change)))
    }

    /// The server and its own name for an offered prompt.
    pub(super) fn prompt(&self, offered: &str) -> Result<(ServerName, String), RpcError> {
        let everyone = self.gateway.engine.all_offers();
        let known = |server: &ServerName, name: &str| {
            everyone.get(server).is_some_and(|offer| {
                offer.prompts.iter().any(|prompt| member(prompt, "name").as_deref() == Some(name))
            })
        };
        self.names().read(offered, &self.servers, known)
    }
}
