//! Operators and the callers they look after: tasks are opened, frozen, thawed, closed and erased,
//! calls are held and approved, all through the command line, while the process is being killed.
//!
//! A step that fails leaves both states possible; a step that is told as done is a promise.

use serde_json::Value;

use super::Scene;
use super::books::Promises;
use super::caller::{Caller, Told};
use super::draw::Draw;
use crate::stand::{Grant, Ran};

/// A task as one person follows it.
struct Followed<'a> {
    scene: &'a Scene,
    grant: Grant,
    caller: Caller,
    state: &'static str,
}

/// The server died under a step: what the task is now, only the next start knows.
struct Gone;

/// Until the run is over: opens tasks, works in them, stops them.
pub(crate) async fn stopper(scene: &Scene, mut draw: Draw) {
    let mut number = 0;
    while !scene.is_over() {
        number += 1;
        let name = format!("stop-{}-{number}", draw.below(1 << 32));
        if stop(scene, &name, &mut draw).await.is_err() {
            scene.breathe().await;
        }
    }
}

/// The life of one task under stops.
async fn stop(scene: &Scene, name: &str, draw: &mut Draw) -> Result<(), Gone> {
    let mut task = Followed::open(scene).await?;
    task.call(&format!("{name}-a")).await;
    if draw.one_in(2) {
        task.act("freeze", "frozen", "frozen").await?;
        task.call_in_vain(&format!("{name}-b")).await;
        task.act("thaw", "open", "thawed").await?;
        task.call(&format!("{name}-c")).await;
    }
    task.act("close", "closing", "closing").await?;
    task.call_in_vain(&format!("{name}-d")).await;
    if draw.one_in(4) {
        task.erase().await?;
    }
    Ok(())
}

/// Until the run is over: lets calls be held, and approves or denies them.
pub(crate) async fn approver(scene: &Scene, mut draw: Draw) {
    let mut number = 0;
    while !scene.is_over() {
        number += 1;
        let id = format!("erase-{}-{number}", draw.below(1 << 32));
        if approve(scene, &id, &mut draw).await.is_err() {
            scene.breathe().await;
        }
    }
}

/// One call that needs a person, who answers it.
async fn approve(scene: &Scene, id: &str, draw: &mut Draw) -> Result<(), Gone> {
    let mut task = Followed::open(scene).await?;
    let Told::Refused { hold: Some(hold), .. } = scene.call(&mut task.caller, "erase", id).await
    else {
        return Err(Gone);
    };
    if draw.one_in(4) {
        task.run(&["deny", &hold], (&hold, "denied"), |_| ()).await?;
    } else {
        task.run(&["approve", &hold], (&hold, "approved"), |_| ()).await?;
    }
    // The approval lets one of these pass; which, if the server dies, nobody knows.
    for _ in 0..2 {
        scene.call(&mut task.caller, "erase", id).await;
    }
    task.act("close", "closing", "closing").await
}

impl<'a> Followed<'a> {
    async fn open(scene: &'a Scene) -> Result<Self, Gone> {
        let open = ["task", "open", "--template", "work", "--purpose", "kills", "--json"];
        let ran = scene.command(&open, |_| ()).await;
        let granted: Value = told_done(scene, &open, &ran)?;
        let grant = Grant::of(&granted);
        scene.told(|told| {
            told.acts.insert((grant.task.clone(), "opened".to_owned()));
            told.states.insert(grant.task.clone(), vec!["open"]);
        });
        let caller = Caller::new(&grant);
        Ok(Self { scene, grant, caller, state: "open" })
    }

    /// A call that may pass.
    async fn call(&mut self, id: &str) {
        self.scene.call(&mut self.caller, "put", id).await;
    }

    /// A call after a stop that was told as done: it must not pass.
    async fn call_in_vain(&mut self, id: &str) {
        self.scene.told(|told| told.after_stop.insert(id.to_owned()));
        let told = self.scene.call(&mut self.caller, "put", id).await;
        if told == Told::Answer {
            self.scene.told(|told| told.strange.push(format!("{id} passed after a stop")));
        }
    }

    /// Moves the task to `state`; the record of it says `word`.
    async fn act(&mut self, verb: &str, state: &'static str, word: &str) -> Result<(), Gone> {
        let task = self.grant.task.clone();
        let between = match state {
            "closing" => vec![self.state, "closing", "closed"],
            _ => vec![self.state, state],
        };
        let expect = |told: &mut Promises| drop(told.states.insert(task.clone(), between));
        self.run(&["task", verb, &task], (&task, word), expect).await?;
        let after = if state == "closing" { vec!["closing", "closed"] } else { vec![state] };
        self.scene.told(|told| drop(told.states.insert(task, after)));
        self.state = state;
        Ok(())
    }

    /// Destroys the key of a closed task, once nothing of it has still to be read.
    async fn erase(&mut self) -> Result<(), Gone> {
        self.scene.until_read().await;
        if self.scene.is_over() {
            return Err(Gone);
        }
        let task = self.grant.task.clone();
        // Whose charter nobody can read is no longer listed after a start.
        let expect = |told: &mut Promises| drop(told.states.remove(&task));
        self.run(&["audit", "erase", &task], (&task, "erased"), expect).await
    }

    /// Runs a command whose success is a promise that `act` is on record.
    async fn run(
        &self,
        command: &[&str],
        act: (&str, &str),
        expect: impl FnOnce(&mut Promises),
    ) -> Result<(), Gone> {
        let command = [command, &["--json"]].concat();
        let ran = self.scene.command(&command, expect).await;
        let done = told_done(self.scene, &command, &ran)?;
        if done["recorded"] == false {
            self.scene.told(|told| told.strange.push(format!("{command:?}: {done}")));
        }
        self.scene.told(|told| told.acts.insert((act.0.to_owned(), act.1.to_owned())));
        Ok(())
    }
}

/// What a command printed; it may fail only where the server died.
fn told_done(scene: &Scene, command: &[&str], ran: &Ran) -> Result<Value, Gone> {
    if ran.ok {
        return Ok(ran.json());
    }
    if !scene.is_down() {
        let text = format!("{command:?} failed without a kill: {}", ran.said());
        scene.told(|told| told.strange.push(text));
    }
    Err(Gone)
}
