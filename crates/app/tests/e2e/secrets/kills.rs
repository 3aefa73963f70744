//! `kill -9` while secrets are kept, replaced, and wrapped under another key: what was told to be kept is
//! there, and every value is one that was given.

use std::time::Duration;

use remit_keys::Guard;

use super::{kept, stand, value};
use crate::kills::draw::Draw;
use crate::kills::number;

/// How often the server is killed where nobody says how often.
const KILLS: u64 = 24;
/// Kills of one state directory, which leave a secret each.
const KILLS_PER_RUN: u64 = 50;
/// The longest that it is left alone; three acts take about as long.
const UPTIME: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_lost_or_mixed_up_when_the_server_is_killed() {
    let kills = number("REMIT_KILLS").unwrap_or(KILLS);
    let first = number("REMIT_SEED").unwrap_or(1);
    let mut done = 0;
    for seed in first.. {
        let some = KILLS_PER_RUN.min(kills - done);
        run(some, seed).await;
        done += some;
        if done >= kills {
            break;
        }
    }
}

/// Kills it so often in one state directory.
async fn run(kills: u64, seed: u64) {
    let mut draw = Draw::new(seed, 0);
    let mut stand = stand().await;
    kept(&stand, &["secret", "add", "key"], "value-0").await;
    let mut sure = 0;
    for n in 1..=kills {
        let (name, input) = (format!("new-{n}"), format!("value-{n}"));
        let add = ["secret", "add", &name];
        let acts = async {
            let added = stand.with_input(&add, &input).await.ok;
            let replaced = stand.with_input(&["secret", "rotate", "key"], &input).await.ok;
            let turned = stand.with_passphrase(&["secret", "rotate", "--key"]).await.ok;
            (added, replaced, turned)
        };
        let pause = draw.pause(UPTIME);
        let die = async {
            tokio::time::sleep(pause).await;
            stand.die(None).await;
        };
        let ((added, replaced, turned), ()) = tokio::join!(acts, die);
        stand.kill().await;
        let what = format!(
            "seed {seed}, kill {n} after {pause:?}, added {added}, replaced {replaced}, turned {turned}"
        );
        if replaced {
            sure = n;
        }
        let key = value(stand.state(), Guard::nothing(), "key");
        let number = key.as_deref().and_then(|key| key.strip_prefix("value-"));
        let number: u64 =
            number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{what}: {key:?}"));
        // One whose answer was lost may have been kept all the same.
        assert!((sure..=n).contains(&number), "{what}: {number}");
        let new = value(stand.state(), Guard::nothing(), &name);
        assert!(new.as_deref() == Some(&input) || (new.is_none() && !added), "{what}: {new:?}");
        sure = number;
        stand.start().await;
    }
    crate::proof::log_is_good(&stand).await;
}
