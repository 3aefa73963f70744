//! One governed call between its client and the engine.

use std::sync::Arc;

use remit_engine::Caller;
use remit_mcp::Request;
use remit_model::{Call, Class, Refusal};
use remit_ports::{Link, ToClient};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::calls::OpenCall;
use crate::gateway::{Gateway, Place};
use crate::render::Form;

/// How many messages may wait for a client; more are dropped (promise R13).
const WAITING: usize = 64;

/// A call that is ready to be made.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The call.
    pub(crate) call: Call,
    /// How it is to be answered.
    pub(crate) form: Form,
    /// The resource that the session is subscribed to if the call succeeds.
    pub(crate) subscribes: Option<String>,
}

/// A call under way. Dropping it leaves the call to settle by itself; cancelling is the owner's.
#[derive(Debug)]
pub(crate) struct Walk {
    messages: mpsc::Receiver<ToClient>,
    answer: oneshot::Receiver<Answer>,
    quiet: bool,
}

/// What happens next in a call.
#[derive(Debug)]
pub(crate) enum Step {
    /// The server says something to the client.
    Message(ToClient),
    /// It is over.
    Ended(Answer),
}

impl Walk {
    /// Begins `prepared`, which `request` asked for, until `cancelled` fires. `open` is kept for
    /// as long as the call is under way, whether or not its client still is.
    pub(crate) fn begin(
        gateway: &Arc<Gateway>,
        request: &Request,
        prepared: Prepared,
        cancelled: CancellationToken,
        open: Option<OpenCall>,
    ) -> Self {
        let (to_client, messages) = mpsc::channel(WAITING);
        let (ended, answer) = oneshot::channel();
        let form = &prepared.form;
        let link = Link {
            to_client,
            capabilities: form.peer.capabilities.as_ref().map(ToString::to_string),
            progress_token: progress_token(request),
            session: form.peer.session.is_some(),
            cancelled,
        };
        let place = gateway.enter_call(&form.peer.caller.task);
        let walk = carry(Arc::clone(gateway), prepared, link, place);
        tokio::spawn(async move {
            // A client that no longer listens is not an error: the call is settled all the same.
            drop(ended.send(walk.await));
            drop(open);
        });
        Self { messages, answer, quiet: false }
    }

    /// Waits for what happens next. Messages come before the end they preceded. Dropping the
    /// future loses nothing.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            tokio::select! {
                biased;
                message = self.messages.recv(), if !self.quiet => {
                    if let Some(message) = message {
                        return Step::Message(message);
                    }
                    self.quiet = true;
                }
                answer = ended(&mut self.answer) => return Step::Ended(answer),
            }
        }
    }
}

async fn ended(answer: &mut oneshot::Receiver<Answer>) -> Answer {
    answer.await.unwrap_or_else(|_| {
        remit_mcp::RpcError::internal("the call ended in an internal error; see the log").into()
    })
}

async fn carry(
    gateway: Arc<Gateway>,
    prepared: Prepared,
    link: Link,
    place: Option<Place>,
) -> Answer {
    let Prepared { call, form, subscribes } = prepared;
    let Some(_place) = place else {
        return form.refused(&Refusal::one(
            Class::Transient,
            "in-flight",
            format!("{} calls of this task are under way already", gateway.config.max_in_flight),
            "wait for some to end, then send the call again",
        ));
    };
    let caller = Caller::clone(&form.peer.caller);
    let answer = match gateway.engine.call(caller, call, link).await {
        Ok(settled) => form.settled(settled),
        Err(refusal) => form.refused(&refusal),
    };
    if let (Answer::Result(_), Some(uri), Some(session)) = (&answer, subscribes, &form.peer.session)
    {
        session.subscribe(uri);
    }
    answer
}

fn progress_token(request: &Request) -> Option<String> {
    let meta = request.params()?.object("_meta")?;
    meta.get(remit_mcp::meta::PROGRESS_TOKEN).map(|token| token.to_string())
}
