//! The log at the operator's door: records with their bodies, proofs, erasure.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use remit_model::TaskId;
use remit_ports::Replayed;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::Operator;
use crate::{Door, Failure, wire};

fn record(replayed: Replayed) -> wire::Record {
    let fields = |body: remit_ports::Body| -> BTreeMap<String, Box<RawValue>> {
        body.into_iter()
            .filter_map(|(name, json)| Some((name, RawValue::from_string(json).ok()?)))
            .collect()
    };
    wire::Record { index: replayed.index, entry: replayed.entry, body: replayed.body.map(fields) }
}

/// `GET /v1/ledger/entries/{index}`
pub(crate) async fn show(
    State(door): State<Door>,
    Operator(_): Operator,
    Path(index): Path<u64>,
) -> Result<Json<wire::Record>, Failure> {
    let ledger = &door.engine.ports().ledger;
    match ledger.read(index)? {
        Some(replayed) => Ok(Json(record(replayed))),
        None => Err(Failure::missing(format!(
            "the log has {} entries; {index} is beyond its end",
            ledger.status().size
        ))),
    }
}

/// Which entries.
#[derive(Debug, Deserialize)]
pub(crate) struct Range {
    #[serde(default)]
    from: u64,
    to: Option<u64>,
}

/// `GET /v1/ledger/export`: JSON lines, in order.
pub(crate) async fn export(
    State(door): State<Door>,
    Operator(_): Operator,
    Query(range): Query<Range>,
) -> Response {
    let ledger = std::sync::Arc::clone(&door.engine.ports().ledger);
    let end = ledger.status().size.min(range.to.unwrap_or(u64::MAX));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(64);
    tokio::task::spawn_blocking(move || {
        for index in range.from..end {
            let line = match ledger.read(index) {
                Ok(Some(replayed)) => Ok(record(replayed).flat().to_string() + "\n"),
                Ok(None) => break,
                Err(why) => Err(std::io::Error::other(why)),
            };
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                break;
            }
        }
    });
    let lines = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|line| (line, receiver))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// `GET /v1/ledger/proofs/{index}`: a C2SP `tlog-proof`.
pub(crate) async fn prove(
    State(door): State<Door>,
    Path(index): Path<u64>,
) -> Result<String, Failure> {
    let ledger = std::sync::Arc::clone(&door.engine.ports().ledger);
    let size = ledger.status().size;
    let proof = tokio::task::spawn_blocking(move || ledger.prove(index)).await;
    let proof = proof.map_err(Failure::bad)??;
    proof.ok_or_else(|| {
        Failure::missing(format!("the log has {size} entries; {index} is beyond its end"))
    })
}

/// `POST /v1/ledger/erase/{task}`
pub(crate) async fn erase(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(task): Path<String>,
) -> Result<Json<serde_json::Value>, Failure> {
    let task: TaskId = task.parse().map_err(Failure::bad)?;
    door.engine.erase(&actor, &task).await?;
    Ok(Json(serde_json::json!({ "erased": task })))
}
