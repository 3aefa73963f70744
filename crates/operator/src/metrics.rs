//! Counters in the `OpenMetrics` text format, for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{counter::ConstCounter, gauge::ConstGauge};
use prometheus_client::registry::Registry;

use remit_engine::counters::{Counter, Counters};

use crate::Door;

/// `GET /metrics`
pub(crate) async fn text(State(door): State<Door>) -> impl IntoResponse {
    let mut text = String::new();
    if let Err(why) = encode(&mut text, &registry(&door)) {
        tracing::error!(%why, "the metrics could not be written");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskState {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lent {
    credential: String,
    kind: String,
    state: String,
}

fn registry(door: &Door) -> Registry {
    let mut registry = Registry::with_prefix("remit");
    let ledger = door.engine.ports().ledger.status();
    for (name, help, counter) in counted(&door.engine.counters) {
        registry.register(name, help, ConstCounter::new(counter.get()));
    }
    let witnesses = door.witnesses.status();
    let witnessed = witnesses.iter().map(|witness| witness.cosigned).min().unwrap_or_default();
    let contradicting = witnesses.iter().filter(|witness| witness.contradicts).count() as u64;
    for (name, help, value) in [
        ("ledger_entries", "Entries on disk", ledger.size),
        ("ledger_published", "Entries under the newest signed checkpoint", ledger.published),
        ("ledger_witnessed", "Entries that every witness cosigned", witnessed),
        ("witnesses_contradicting", "Witnesses that saw another log", contradicting),
        ("ledger_refusing", "1 while permits are refused", u64::from(ledger.refusing.is_some())),
        ("holds_waiting", "Calls waiting for a person", door.engine.holds_waiting() as u64),
        (
            "proofs_remembered",
            "Proofs of possession that cannot be used again",
            door.engine.proofs().remembered() as u64,
        ),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
    let lent = Family::<Lent, prometheus_client::metrics::gauge::Gauge>::default();
    for lease in door.engine.leases() {
        let (credential, state) = (lease.credential.to_string(), lease.state.to_owned());
        lent.get_or_create(&Lent { credential, kind: lease.kind, state }).inc();
    }
    registry.register("credentials_lent", "Credentials that are out", lent);
    let tasks = Family::<TaskState, prometheus_client::metrics::gauge::Gauge>::default();
    for cell in door.engine.cells() {
        let state = cell.lock().state.name().to_owned();
        tasks.get_or_create(&TaskState { state }).inc();
    }
    registry.register("tasks", "Tasks by state", tasks);
    registry
}

/// What the engine counts: name, words for people, counter.
fn counted(counters: &Counters) -> [(&'static str, &'static str, &Counter); 24] {
    [
        ("calls_permitted", "Calls permitted and recorded", &counters.permitted),
        ("calls_held", "Calls held for a person", &counters.held),
        ("calls_refused_structural", "Calls refused for what they are", &counters.structural),
        ("calls_refused_budget", "Calls refused for the budget", &counters.budget),
        ("calls_refused_transient", "Calls refused for now", &counters.transient),
        ("refusals_throttled", "Refusals counted, not recorded", &counters.throttled),
        (
            "effects_suspected",
            "Effects refused because somebody from outside seems to have wanted them",
            &counters.suspected,
        ),
        (
            "reads_steered",
            "Reads permitted of what text from outside had chosen",
            &counters.steered_reads,
        ),
        ("requests_unauthenticated", "Requests without a valid grant", &counters.unauthenticated),
        ("grants_replayed", "Codes and refresh tokens shown twice", &counters.replayed),
        ("calls_answered", "Calls answered by their server", &counters.answered),
        ("calls_stopped", "Calls stopped before they were sent", &counters.stopped),
        ("calls_not_sent", "Calls that could not be sent", &counters.not_sent),
        ("calls_unknown", "Calls that may have happened or not", &counters.unknown),
        ("svids_issued", "SVIDs issued", &counters.svids),
        ("svids_refused", "Requests by processes that are no agent", &counters.svids_refused),
        ("credentials_overdue", "Credentials not taken back in time", &counters.overdue),
        ("credentials_echoed", "Answers that held their credential", &counters.echoed),
        (
            "credential_seconds",
            "Seconds for which credentials were lent that have ended",
            &counters.lent_seconds,
        ),
        ("secrets_cut", "Secrets cut from what servers said", &counters.secrets_cut),
        (
            "secrets_in_calls",
            "Calls asked for with secrets in their arguments",
            &counters.secrets_in_calls,
        ),
        ("canaries_seen", "Calls and prompts with a canary", &counters.canaries_seen),
        ("proofs_lapsed", "Proofs of agents not renewed in time", &counters.proofs_lapsed),
        ("stops_unrecorded", "Stops that could not be recorded", &counters.unrecorded_stops),
    ]
}
