//! `remit demo-server`: one of the demo's servers, as a process of its own.

use remit_demo::DemoServer;
use remit_demo::drift::Flag;
use remit_demo::server::Seat;

use crate::cli;
use crate::fail::Fail;

/// Serves until standard input ends.
pub(crate) async fn run(args: cli::DemoServer) -> Result<(), Fail> {
    let kind: DemoServer = args.kind.parse()?;
    let seat = Seat { directory: args.dir, drift: args.drift.map(Flag::new) };
    remit_demo::serve(kind, seat).await.map_err(|why| Fail::new(why.to_string()))
}
