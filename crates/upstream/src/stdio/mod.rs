//! Servers that are child processes: which file is run, how the process lives and ends, and the
//! messages on its standard streams.

mod executable;
mod handed;
mod pipe;
mod process;

pub(crate) use executable::{Executables, Found};
pub(crate) use handed::Handed;
pub(crate) use pipe::Pipe;
pub(crate) use process::start;
