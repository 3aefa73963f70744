//! The story of one task in eight scenes, told on a terminal page over a running Remit.
//!
//! One file per scene, in the order of the story. A scene says its point in one sentence, lets the
//! agent call real tools through Remit, and checks what came of it. The first thing that does not
//! go as told ends the story with an error, so the story is a test wherever it runs.

mod authority;
mod budget;
mod closing;
mod drift;
mod exfiltration;
mod log;
mod payment;
mod work;

use std::io::{self, Write};

use serde_json::Value;

use crate::agent::{AgentError, RefusalClass, StepOutcome, Verdict};
use crate::page::{Ink, Page};
use crate::setting::Setting;
use crate::stage::{Held, Stage, StageError};
use crate::summary::{Step, Summary};

/// Why the story could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// Remit could not do what its operator asked.
    #[error("scene {scene}: cannot {act}: {source}")]
    Stage {
        /// The scene, from 1.
        scene: usize,
        /// What was asked.
        act: &'static str,
        /// Why not.
        source: StageError,
    },
    /// The agent could not work.
    #[error("scene {scene}: {source}")]
    Agent {
        /// The scene, from 1.
        scene: usize,
        /// Why not.
        source: AgentError,
    },
    /// Something else happened than was told: the promise that the scene shows does not hold.
    #[error("scene {scene} did not go as told: expected {told}, got {happened}")]
    NotAsTold {
        /// The scene, from 1.
        scene: usize,
        /// What should have happened.
        told: String,
        /// What happened.
        happened: String,
    },
    /// The page or the flag file could not be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// What a scene says will become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Permitted,
    Held,
    Refused(RefusalClass),
    TurnedAway,
}

impl Told {
    fn is(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Permitted, Verdict::Permitted)
            | (Self::Held, Verdict::Held(..))
            | (Self::TurnedAway, Verdict::TurnedAway) => true,
            (Self::Refused(class), Verdict::Refused(refusal)) => refusal.class == class,
            _ => false,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Permitted => "a permitted call".to_owned(),
            Self::Held => "a held call".to_owned(),
            Self::Refused(class) => format!("a refusal of class {}", class.word()),
            Self::TurnedAway => "no answer but the door".to_owned(),
        }
    }
}

/// Tells the whole story on `out`.
///
/// In: a running Remit with the demo's servers and template ([`crate::setting::configuration`]).
/// Out: the summary. Errors with the first step that did not go as told.
pub async fn tell<S: Stage>(
    stage: &mut S,
    out: &mut (dyn Write + Send),
    setting: &Setting,
) -> Result<Summary, StoryError> {
    let mut page = Page::new(out, setting);
    page.title("remit demo", "one agent, one task, eight moments; real servers, nothing mocked")
        .await?;
    let mut teller = Teller { stage, page, scene: 0, summary: Summary::default() };
    let (opened, agent) = authority::play(&mut teller).await?;
    work::play(&mut teller, &agent).await?;
    let mail = exfiltration::play(&mut teller, &agent).await?;
    payment::play(&mut teller, &agent, &mail).await?;
    drift::play(&mut teller, &agent, setting).await?;
    budget::play(&mut teller, &agent).await?;
    closing::play(&mut teller, &agent, &opened).await?;
    log::play(&mut teller, &opened).await?;
    Ok(teller.summary)
}

/// What every scene works with.
struct Teller<'a, S> {
    stage: &'a mut S,
    page: Page<'a>,
    scene: usize,
    summary: Summary,
}

impl<S: Stage> Teller<'_, S> {
    /// Begins the next scene.
    async fn scene(&mut self, title: &str, sentence: &str) -> Result<(), StoryError> {
        self.scene += 1;
        Ok(self.page.scene(self.scene, title, sentence).await?)
    }

    /// Shows what became of a call and checks that it is what was told.
    async fn expect(&mut self, outcome: &StepOutcome, told: Told) -> Result<Verdict, StoryError> {
        let verdict = outcome.verdict();
        self.summary.steps.push(Step::of(self.scene, outcome));
        let arguments = in_short(&outcome.arguments);
        self.page.call(badge(&verdict), &outcome.tool_id(), &arguments).await?;
        if told.is(&verdict) {
            return Ok(verdict);
        }
        let call = outcome.tool_id();
        let happened = format!("{} on {call}: {}", badge(&verdict).1, explain(&verdict, outcome));
        Err(self.not_as_told(format!("{} on {call}", told.words()), happened))
    }

    /// As [`Self::expect`], with the first lines of a permitted call's result.
    async fn permitted(&mut self, outcome: &StepOutcome, lines: usize) -> Result<(), StoryError> {
        self.expect(outcome, Told::Permitted).await?;
        Ok(self.page.quote(&outcome.text, lines).await?)
    }

    /// As [`Self::expect`], with the reasons and the remedy of a refusal.
    async fn refused(
        &mut self,
        outcome: &StepOutcome,
        class: RefusalClass,
    ) -> Result<(), StoryError> {
        let verdict = self.expect(outcome, Told::Refused(class)).await?;
        self.page.detail("class", class.word()).await?;
        self.explain(&verdict).await
    }

    /// As [`Self::expect`] for a held call: the operator looks at it, and what the operator sees
    /// must be exactly what the agent asked for.
    async fn held(&mut self, outcome: &StepOutcome) -> Result<(String, Held), StoryError> {
        let verdict = self.expect(outcome, Told::Held).await?;
        let Verdict::Held(id, _) = &verdict else {
            return Err(self.not_as_told("a hold", "none"));
        };
        self.explain(&verdict).await?;
        let held = self.stage.held(id).await;
        let held = held.map_err(|source| self.failed("show the held call", source))?;
        let asked = Value::Object(outcome.arguments.clone());
        if held.tool != outcome.tool_id() || held.arguments != asked {
            let shown = format!("{} {}", held.tool, held.arguments);
            let told = format!("the operator to see {} {asked}", outcome.tool_id());
            return Err(self.not_as_told(told, shown));
        }
        self.page.detail("waits", &format!("for {} as {id}", held.approvers)).await?;
        Ok((id.clone(), held))
    }

    /// The operator turns a held call down.
    async fn deny(&mut self, hold: &str, because: &str) -> Result<(), StoryError> {
        let denied = self.stage.deny(hold).await;
        denied.map_err(|source| self.failed("deny the held call", source))?;
        Ok(self.page.act(&format!("remit deny {hold}: {because}")).await?)
    }

    async fn explain(&mut self, verdict: &Verdict) -> Result<(), StoryError> {
        let (Verdict::Held(_, refusal) | Verdict::Refused(refusal)) = verdict else {
            return Ok(());
        };
        if refusal.reasons.is_empty() || refusal.remedy.trim().is_empty() {
            let got = format!("{} reasons and `{}`", refusal.reasons.len(), refusal.remedy);
            return Err(self.not_as_told("a reason and a remedy", got));
        }
        for reason in &refusal.reasons {
            let controls = match reason.controls.as_slice() {
                [] => String::new(),
                controls => format!(", {}", controls.join(" ")),
            };
            self.page
                .detail("why", &format!("{} ({}{controls})", reason.text, reason.policy))
                .await?;
        }
        Ok(self.page.detail("remedy", &refusal.remedy).await?)
    }

    /// Errors unless `holds`.
    fn check(
        &self,
        holds: bool,
        told: &str,
        happened: impl Into<String>,
    ) -> Result<(), StoryError> {
        if holds { Ok(()) } else { Err(self.not_as_told(told, happened)) }
    }

    fn not_as_told(&self, told: impl Into<String>, happened: impl Into<String>) -> StoryError {
        StoryError::NotAsTold { scene: self.scene, told: told.into(), happened: happened.into() }
    }

    fn failed(&self, act: &'static str, source: StageError) -> StoryError {
        StoryError::Stage { scene: self.scene, act, source }
    }

    fn agent_failed(&self, source: AgentError) -> StoryError {
        StoryError::Agent { scene: self.scene, source }
    }
}

fn badge(verdict: &Verdict) -> (Ink, &'static str) {
    match verdict {
        Verdict::Permitted => (Ink::Green, "permitted"),
        Verdict::Failed => (Ink::Plain, "failed"),
        Verdict::Held(..) => (Ink::Yellow, "held"),
        Verdict::Refused(_) => (Ink::Red, "refused"),
        Verdict::TurnedAway => (Ink::Red, "shut out"),
    }
}

fn explain(verdict: &Verdict, outcome: &StepOutcome) -> String {
    match verdict {
        Verdict::Held(_, refusal) | Verdict::Refused(refusal) => {
            let reasons: Vec<&str> = refusal.reasons.iter().map(|r| r.text.as_str()).collect();
            format!("{} ({})", reasons.join("; "), refusal.class.word())
        }
        Verdict::Permitted | Verdict::Failed | Verdict::TurnedAway => {
            format!("`{}`", outcome.text)
        }
    }
}

/// Arguments for one line: the short ones first, a long text told by its length.
fn in_short(arguments: &serde_json::Map<String, Value>) -> String {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for (name, value) in arguments {
        match value {
            Value::String(text) if text.len() > 60 || text.contains('\n') => {
                long.push(format!("{name}=({} characters)", text.chars().count()));
            }
            Value::String(text) => short.push(format!("{name}={text}")),
            other => short.push(format!("{name}={other}")),
        }
    }
    short.append(&mut long);
    short.join("  ")
}
