//! Request metadata: what is read can be injected and read again, and stripping leaves exactly what
//! belongs to the caller.

use remit_mcp::meta::{self, RequestMeta};
use remit_mcp::{Edit, Era, Object, Raw, RpcError};

fn object(text: &str) -> Option<Object> {
    Object::parse(&Raw::parse(text).ok()?).ok()
}

/// One input.
pub(crate) fn hold(text: &str) {
    let Some(params) = object(text) else { return };
    let _ = RequestMeta::stated_version(Some(&params));
    let read = match RequestMeta::read(Some(&params)) {
        Ok(read) => read,
        Err(error) => {
            let known = [-32602, RpcError::unsupported_version("").code];
            assert!(known.contains(&error.code) && error.http == 400, "{error:?}");
            return;
        }
    };
    let given = params.object("_meta");
    if let Some(given) = &given {
        let left = meta::strip(given).map(|raw| object(raw.as_str()).expect("an object"));
        let theirs = |object: &Object| -> Vec<(String, Raw)> {
            let own = |name: &str| !name.starts_with("io.modelcontextprotocol/");
            let members = object.members().filter(|(name, _)| own(name));
            members.map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let empty = Object::empty();
        assert_eq!(theirs(left.as_ref().unwrap_or(&empty)), theirs(given));
        let replaced = meta::replace(Some(&params), left.map(|left| left.raw().clone()));
        let replaced = object(replaced.unwrap().as_str()).expect("an object");
        assert_eq!(RequestMeta::read(Some(&replaced)), Ok(None), "nothing of ours is left");
    }
    if let Some(read) = read {
        assert_eq!(read.revision.era(), Era::Stateless);
        let empty = Object::empty();
        let given = given.as_ref().unwrap_or(&empty);
        let injected = read.clone().inject(Edit::of(given));
        let params = meta::replace(Some(&params), Some(injected)).unwrap();
        let params = object(params.as_str()).expect("an object");
        assert_eq!(RequestMeta::read(Some(&params)), Ok(Some(read)));
    }
}
