//! `subscriptions/listen`: a stream of change notices for a stateless client (2026-07-28
//! *Subscriptions*).

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_mcp::frame::Notification;
use remit_mcp::{Id, Object, Raw, Request, RpcError, meta, method};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::gateway::{Gateway, Place};
use crate::methods;
use crate::peer::Peer;
use crate::walk::{Step, Walk};
use crate::watch::{Notice, Watch};

/// The most resources one stream may be subscribed to (promise R13).
const MAX_RESOURCES: usize = 64;

/// The members of a filter that stand for a list, and the notification each asks for.
const LISTS: [(&str, &str); 3] = [
    ("toolsListChanged", method::TOOLS_CHANGED),
    ("promptsListChanged", method::PROMPTS_CHANGED),
    ("resourcesListChanged", method::RESOURCES_CHANGED),
];

/// An open subscription.
#[derive(Debug)]
pub(crate) struct Listening {
    id: Id,
    wanted: Filter,
    watch: Watch,
    acknowledged: bool,
    _place: Place,
}

/// Which notices are wanted.
#[derive(Clone, Debug, Default)]
struct Filter {
    /// The notifications about lists, by method.
    lists: BTreeSet<&'static str>,
    /// The resources, by URI.
    updates: BTreeSet<String>,
}

/// What comes next on the stream.
#[derive(Debug)]
pub(crate) enum Said {
    /// A notification.
    Notification(String),
    /// The stream ends with this response.
    End(String),
}

impl Listening {
    /// Opens the subscription that `request` asks for. Each resource is a governed call of its
    /// own; the acknowledgement names those that were granted.
    ///
    /// Errors: −32602 without a filter or with too many resources; a text if the task has too many
    /// streams open.
    pub(crate) async fn open(
        gateway: &Arc<Gateway>,
        peer: &Peer,
        request: &Request,
    ) -> Result<Self, RpcError> {
        let mut wanted = Filter::read(request)?;
        let place = gateway.enter_stream(&peer.caller.task).ok_or_else(|| {
            RpcError::internal("too many change streams of this task are open; close one first")
        })?;
        // Before the subscriptions, so that nothing is missed in between.
        let watch = Watch::new(gateway, peer.clone());
        let mut granted = BTreeSet::new();
        for uri in std::mem::take(&mut wanted.updates) {
            if is_granted(gateway, peer, request, &uri).await {
                granted.insert(uri);
            }
        }
        wanted.updates = granted;
        let id = request.id().clone();
        Ok(Self { id, wanted, watch, acknowledged: false, _place: place })
    }

    /// What comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Said {
        if !std::mem::replace(&mut self.acknowledged, true) {
            let notifications = self.wanted.to_value();
            return self.notification(method::ACKNOWLEDGED, &[("notifications", notifications)]);
        }
        loop {
            let changed = match self.watch.next().await {
                Notice::Stopped => return Said::End(self.end()),
                Notice::Updated(uri) if self.wanted.updates.contains(&uri) => {
                    return self.notification(method::RESOURCE_UPDATED, &[("uri", json!(uri))]);
                }
                Notice::Updated(_) => continue,
                Notice::Tools => method::TOOLS_CHANGED,
                Notice::Resources => method::RESOURCES_CHANGED,
                Notice::Prompts => method::PROMPTS_CHANGED,
            };
            if self.wanted.lists.contains(changed) {
                return self.notification(changed, &[]);
            }
        }
    }

    fn notification(&self, method: &str, members: &[(&str, Value)]) -> Said {
        let mut params = Map::new();
        params.insert("_meta".to_owned(), json!({ meta::SUBSCRIPTION_ID: self.id.raw() }));
        for (name, value) in members {
            params.insert((*name).to_owned(), value.clone());
        }
        let params = Raw::from(Value::Object(params));
        Said::Notification(Notification::text(method, Some(&params)))
    }

    fn end(&self) -> String {
        let meta = json!({
            meta::SUBSCRIPTION_ID: self.id.raw(),
            meta::SERVER_INFO: Gateway::server_info(),
        });
        let result = json!({ "resultType": "complete", "_meta": meta });
        Answer::Result(result.into()).text(&self.id)
    }
}

impl Filter {
    fn read(request: &Request) -> Result<Self, RpcError> {
        let filter = request.params().and_then(|params| params.object("notifications"));
        let filter = filter.ok_or_else(|| {
            RpcError::invalid_params("expected an object `notifications` in `params`")
        })?;
        let updates = uris(&filter).ok_or_else(|| {
            RpcError::invalid_params(format!(
                "expected `resourceSubscriptions` to be at most {MAX_RESOURCES} strings"
            ))
        })?;
        let wants = |member: &str| filter.get(member).is_some_and(|flag| flag.as_str() == "true");
        let lists = LISTS.iter().filter(|(member, _)| wants(member)).map(|(_, method)| *method);
        Ok(Self { lists: lists.collect(), updates })
    }

    fn to_value(&self) -> Value {
        let mut granted = Map::new();
        for (member, _) in LISTS.iter().filter(|(_, method)| self.lists.contains(method)) {
            granted.insert((*member).to_owned(), json!(true));
        }
        if !self.updates.is_empty() {
            granted.insert("resourceSubscriptions".to_owned(), json!(self.updates));
        }
        Value::Object(granted)
    }
}

fn uris(filter: &Object) -> Option<BTreeSet<String>> {
    let Some(listed) = filter.get("resourceSubscriptions") else { return Some(BTreeSet::new()) };
    let listed = listed.elements().filter(|listed| listed.len() <= MAX_RESOURCES)?;
    listed.iter().map(Raw::as_text).collect()
}

/// Whether the engine lets the client subscribe to `uri`, and the server did.
async fn is_granted(gateway: &Arc<Gateway>, peer: &Peer, request: &Request, uri: &str) -> bool {
    let Ok(prepared) = methods::subscription(gateway, peer, request, uri) else { return false };
    let mut walk = Walk::begin(gateway, request, prepared, CancellationToken::new(), None);
    loop {
        if let Step::Ended(answer) = walk.next().await {
            return matches!(answer, Answer::Result(_));
        }
    }
}
