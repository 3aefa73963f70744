//! One governed call between its client and the engine.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use remit_engine::Walking;
use remit_mcp::Request;
use remit_model::{Call, Class, Refusal};
use remit_ports::{Link, ToClient, Veil};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::answer::Answer;
use crate::calls::OpenCall;
use crate::gateway::{Gateway, Place};
use crate::parked;
use crate::question::{MAX_QUESTIONS, Question};
use crate::render::Form;
use crate::rounds;

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

/// A request under way. Dropping it leaves its call to settle by itself.
#[derive(Debug)]
pub(crate) struct Walk {
    gateway: Arc<Gateway>,
    /// The call; `None` once its client has been answered, with a question or for good.
    under: Option<Under>,
    /// The answer to a request that has no call.
    ready: Option<Answer>,
    /// A request that goes on with a call is under way for as long as this is kept.
    _open: Option<OpenCall>,
}

/// A call under way, as its client sees it.
#[derive(Debug)]
pub(crate) struct Under {
    /// What questions to its client need; `None` if the client declared that it answers none.
    pub(crate) askable: Option<Askable>,
    messages: mpsc::Receiver<ToClient>,
    walk: Walking<Answer>,
    ended: Option<Answer>,
    cancelled: CancellationToken,
    on_drop: Option<DropGuard>,
}

/// A call whose client may be asked something.
#[derive(Debug)]
pub(crate) struct Askable {
    /// How the call is to be answered.
    pub(crate) form: Form,
    /// The call.
    pub(crate) call: Call,
    /// How often its server has asked.
    asked: usize,
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
    /// Begins `prepared`, which `request` asked for, until `cancelled` fires; or goes on with the
    /// call whose question `request` answers. `open` is kept for as long as the call is under way,
    /// whether or not its client still is.
    pub(crate) fn begin(
        gateway: &Arc<Gateway>,
        request: &Request,
        prepared: Prepared,
        cancelled: CancellationToken,
        open: Option<OpenCall>,
    ) -> Self {
        let gateway = Arc::clone(gateway);
        if let Some(state) = parked::repeated(&prepared.form.peer, request) {
            let peer = &prepared.form.peer;
            let (under, ready) = match gateway.parked.take(&state, request, (peer, &prepared.call))
            {
                Ok(under) => (Some(under), None),
                Err(error) => (None, Some(error.into())),
            };
            return Self { gateway, under, ready, _open: open };
        }
        let under = Under::begin(&gateway, request, prepared, cancelled, open);
        Self { gateway, under: Some(under), ready: None, _open: None }
    }

    /// The call is cancelled when its client goes away.
    pub(crate) fn cancelled_when_dropped(mut self) -> Self {
        self.under = self.under.map(Under::cancelled_when_dropped);
        self
    }

    /// The call goes on while nobody waits for what happens next in it.
    pub(crate) fn on_its_own(mut self) -> Self {
        self.under = self.under.map(Under::on_its_own);
        self
    }

    /// The client no longer wants the answer.
    pub(crate) fn cancel(&self) {
        if let Some(under) = &self.under {
            under.cancelled.cancel();
        }
    }

    /// Waits for what happens next. Messages come before the end they preceded. Dropping the
    /// future loses nothing.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            if let Some(answer) = self.ready.take() {
                return Step::Ended(answer);
            }
            let Some(under) = &mut self.under else { return Step::Ended(lost()) };
            match under.next().await {
                Step::Message(ToClient::Request { method, params, answer }) => {
                    // Dropping the question refuses it.
                    let Some(askable) = &mut under.askable else { continue };
                    let question = Question { method, params, answer };
                    let Some(question) = askable.on_record(question, &self.gateway) else {
                        continue;
                    };
                    if askable.form.peer.session.is_none() {
                        let form = askable.form.clone();
                        self.put(question, &form);
                        continue;
                    }
                    let Question { method, params, answer } = question;
                    return Step::Message(ToClient::Request { method, params, answer });
                }
                step => return step,
            }
        }
    }

    /// Answers the request with the server's question, if the client can answer that one.
    fn put(&mut self, question: Question, form: &Form) {
        let Some(under) = self.under.take() else { return };
        let entropy = self.gateway.engine.ports().entropy.as_ref();
        match self.gateway.parked.keep(under, question, entropy) {
            Ok(result) => self.ready = Some(form.own(&result)),
            Err(under) => self.under = Some(*under),
        }
    }
}

impl Under {
    fn begin(
        gateway: &Arc<Gateway>,
        request: &Request,
        prepared: Prepared,
        cancelled: CancellationToken,
        open: Option<OpenCall>,
    ) -> Self {
        let (to_client, messages) = mpsc::channel(WAITING);
        let form = &prepared.form;
        let link = Link {
            to_client,
            capabilities: form.peer.capabilities.as_ref().map(ToString::to_string),
            progress_token: progress_token(request),
            session: form.peer.session.is_some(),
            veil: Veil::default(),
            cancelled: cancelled.clone(),
        };
        let askable = form.peer.may_answer_questions().then(|| Askable {
            form: form.clone(),
            call: prepared.call.clone(),
            asked: 0,
        });
        let place = gateway.enter_call(&form.peer.caller.task);
        let carried = carry(Arc::clone(gateway), prepared, link, place);
        let walk = Walking::new(async move {
            let answer = AssertUnwindSafe(carried).catch_unwind().await;
            drop(open);
            answer.unwrap_or_else(|_| lost())
        });
        Self { askable, messages, walk, ended: None, cancelled, on_drop: None }
    }

    /// The call goes on while nobody waits for what happens next in it.
    pub(crate) fn on_its_own(self) -> Self {
        Self { walk: self.walk.on_its_own(), ..self }
    }

    /// The call is cancelled when this is dropped.
    pub(crate) fn cancelled_when_dropped(mut self) -> Self {
        self.on_drop.get_or_insert_with(|| self.cancelled.clone().drop_guard());
        self
    }

    async fn next(&mut self) -> Step {
        if self.ended.is_none() {
            tokio::select! {
                biased;
                Some(message) = self.messages.recv() => return Step::Message(message),
                answer = &mut self.walk => self.ended = Some(answer),
            }
        }
        // What the server said before it answered comes first.
        match (self.messages.try_recv(), &mut self.ended) {
            (Ok(message), _) => Step::Message(message),
            (Err(_), ended) => Step::Ended(ended.take().unwrap_or_else(lost)),
        }
    }
}

impl Askable {
    /// A question as it is put to the client; `None` if there were too many.
    fn on_record(&mut self, question: Question, gateway: &Arc<Gateway>) -> Option<Question> {
        self.asked += 1;
        let task = &self.form.peer.caller.task;
        (self.asked <= MAX_QUESTIONS).then(|| question.on_record(gateway, task, &self.call))
    }
}

fn lost() -> Answer {
    remit_mcp::RpcError::internal("the call ended in an internal error; see the log").into()
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
    let answer = rounds::call(&gateway, &form, call, link).await;
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
