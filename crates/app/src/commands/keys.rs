//! `remit keys …`

use remit_model::Timestamp;
use remit_operator::wire::{Key, Retired, Rotate, Rotated};
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out};

/// Runs one of the commands of keys.
pub(crate) async fn run(context: &Context, args: cli::Keys, out: &mut Out) -> Result<(), Fail> {
    match args {
        cli::Keys::List => {
            let keys: Vec<Key> = context.client().get("/v1/keys").await?;
            out.say(&keys, |keys| keys.iter().flat_map(show).collect::<Vec<_>>())
        }
        cli::Keys::Rotate { which, compromised } => {
            let client = context.operator().await?;
            let (path, words): (_, fn(&Rotated) -> String) = match which {
                cli::Rotatable::Log => ("/v1/keys/log/rotate", of_log),
                cli::Rotatable::Svid => ("/v1/keys/svid/rotate", |it| words(it, "new bundle")),
                cli::Rotatable::Token => {
                    ("/v1/keys/token/rotate", |it| words(it, "new `/oauth/jwks`"))
                }
            };
            let rotated: Rotated = client.post(path, &Rotate { compromised }).await?;
            out.say(&rotated, |rotated| Lines::of_ours(&words(rotated)))
        }
        cli::Keys::Retire { which: cli::Retirable::Log } => {
            let client = context.operator().await?;
            let retired: Retired = client.post("/v1/keys/log/retire", &json!({})).await?;
            out.say(&retired, |Retired { retired, signs }| {
                format!(
                    "{retired} signs no more and is wiped, {signs} goes on alone; who knows {retired} \
                     alone still finds {signs} in the published log"
                )
            })
        }
    }
}

fn show(key: &Key) -> [String; 3] {
    let at = |what: &str, at: Option<Timestamp>| at.map(|at| format!("{what} {}", moment(at)));
    let times = [
        at("made", key.made),
        at("signs from", key.signs_from),
        at("signs until", key.signs_until),
        at("next made", key.next_made),
        at("good until", key.good_until),
    ];
    let times: Vec<_> = times.into_iter().flatten().collect();
    let times = times.join(", ");
    [
        format!("{:<8} {:<11} {:<7} {}", key.name, key.signs, key.algorithm, key.id),
        format!("         {times}"),
        format!("         {}", key.file),
    ]
}

/// `heard` is where others hear of it.
fn words(rotated: &Rotated, heard: &str) -> String {
    let Rotated { made, signs_from, withdrawn } = rotated;
    if withdrawn.is_empty() {
        return format!(
            "made {made}: it signs from {} on; what the keys before it signed stays good until it \
             runs out",
            moment(*signs_from)
        );
    }
    format!(
        "made {made}: it signs at once; {} are believed no more, by others as soon as they have the \
         {heard}",
        withdrawn.join(" and ")
    )
}

fn of_log(Rotated { made, withdrawn, .. }: &Rotated) -> String {
    let tell = "give its verifier key (`remit audit key`) to whoever witnesses and verifies";
    if withdrawn.is_empty() {
        return format!(
            "made {made}: it signs the log from now on, beside the one before\n{tell}; once all have \
             it: `remit keys retire log`"
        );
    }
    format!(
        "made {made}: it signs the log alone from now on\nwiped {}\n{tell}: nothing signed before leads to \
         it, and the log is proven up to what a witness cosigned or somebody kept",
        withdrawn.join(" and ")
    )
}
