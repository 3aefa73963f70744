//! `completion/complete`.

use remit_mcp::{Edit, Object, Raw, RpcError};
use remit_model::Operation;
use remit_model::question::Completed;

use super::{Context, Plan, call};

impl Context<'_> {
    pub(super) fn complete(&self) -> Result<Plan, RpcError> {
        let reference = self.request.params().and_then(|params| params.object("ref"));
        let reference = reference.ok_or_else(|| {
            RpcError::invalid_params("expected an object `ref` in `params`: what is completed")
        })?;
        match reference.text("type").as_deref() {
            Some("ref/prompt") => self.complete_prompt(&reference),
            Some("ref/resource") => self.complete_resource(&reference),
            _ => Err(RpcError::invalid_params(
                "expected `ref.type` to be `ref/prompt` or `ref/resource`",
            )),
        }
    }

    fn complete_prompt(&self, reference: &Object) -> Result<Plan, RpcError> {
        let offered = reference
            .text("name")
            .ok_or_else(|| RpcError::invalid_params("expected a string `ref.name`"))?;
        let (server, name) = self.prompt(&offered)?;
        let own = Edit::of(reference).set("name", Raw::string(&name)).finish();
        let operation = Operation::Complete { reference: name, of: Completed::Prompt };
        Ok(call(self.governed(server, operation, Some(("ref", own)))))
    }

    fn complete_resource(&self, reference: &Object) -> Result<Plan, RpcError> {
        let uri = reference
            .text("uri")
            .ok_or_else(|| RpcError::invalid_params("expected a string `ref.uri`"))?;
        let server = self.owner(&uri)?;
        let operation = Operation::Complete { reference: uri, of: Completed::Resource };
        Ok(call(self.governed(server, operation, None)))
    }
}
