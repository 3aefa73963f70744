//! The tables: `tasks` (id → JSON) and `meta` (name → JSON).

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    TableError, WriteTransaction,
};
use remit_model::Task;
use remit_ports::Projection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Fault;
use crate::file::fault;

/// The version of what the tables hold. Another one is not read but replayed; so a change of any
/// type in a [`Projection`] that old JSON would not survive must raise it.
const VERSION: u32 = 6;

const TASKS: TableDefinition<'_, &str, &str> = TableDefinition::new("tasks");
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The projection that `database` holds; `None` if nothing was ever saved.
pub(crate) fn read(database: &Database) -> Result<Option<Projection>, Fault> {
    let read = database.begin_read().map_err(fault)?;
    match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        opened => opened.map(drop).map_err(fault)?,
    }
    let version: u32 = meta(&read, "version")?;
    if version != VERSION {
        return Err(Fault::Useless(format!("it is of version {version}, expected {VERSION}")));
    }
    Ok(Some(Projection {
        position: meta(&read, "position")?,
        tasks: tasks(&read)?,
        catalogue: meta(&read, "catalogue")?,
        open_calls: meta(&read, "open_calls")?,
        holds: meta(&read, "holds")?,
        leases: meta(&read, "leases")?,
        standing: meta(&read, "standing")?,
        stored: meta(&read, "stored")?,
        erasing: meta(&read, "erasing")?,
    }))
}

fn meta<T: DeserializeOwned>(read: &ReadTransaction, name: &str) -> Result<T, Fault> {
    let table = read.open_table(META).map_err(fault)?;
    let json = table.get(name).map_err(fault)?;
    let json = json.ok_or_else(|| Fault::Useless(format!("its `{name}` is missing")))?;
    parse(&format!("its `{name}`"), json.value())
}

/// What storage returns is parsed, not trusted: each row must be the task its key says.
fn tasks(read: &ReadTransaction) -> Result<Vec<Task>, Fault> {
    let table = read.open_table(TASKS).map_err(fault)?;
    let mut tasks = Vec::new();
    for row in table.iter().map_err(fault)? {
        let (id, json) = row.map_err(fault)?;
        let task: Task = parse(&format!("its task `{}`", id.value()), json.value())?;
        if task.id().as_str() != id.value() {
            let text = format!("its task `{}` says that it is `{}`", id.value(), task.id());
            return Err(Fault::Useless(text));
        }
        tasks.push(task);
    }
    Ok(tasks)
}

fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|why| Fault::Useless(format!("{what} is not read: {why}")))
}

/// Replaces everything but the tasks that are not in `changed`, in one transaction.
///
/// The transaction is durable when this returns. It need not be, since the ledger is the truth;
/// but nobody waits for it (the store is written behind the hot path), and redb's other choice,
/// no durability, keeps every page since the last durable commit and would lose all of them with
/// the process, so that a start after `kill -9` would replay from there.
pub(crate) fn write(database: &Database, changed: &Projection) -> Result<(), Fault> {
    let write = database.begin_write().map_err(fault)?;
    put(&write, "version", &VERSION)?;
    put(&write, "position", &changed.position)?;
    put(&write, "catalogue", &changed.catalogue)?;
    put(&write, "open_calls", &changed.open_calls)?;
    put(&write, "holds", &changed.holds)?;
    put(&write, "leases", &changed.leases)?;
    put(&write, "standing", &changed.standing)?;
    put(&write, "stored", &changed.stored)?;
    put(&write, "erasing", &changed.erasing)?;
    {
        let mut table = write.open_table(TASKS).map_err(fault)?;
        for task in &changed.tasks {
            table.insert(task.id().as_str(), json(task)?.as_str()).map_err(fault)?;
        }
    }
    write.commit().map_err(fault)
}

fn put<T: Serialize>(write: &WriteTransaction, name: &str, value: &T) -> Result<(), Fault> {
    let mut table = write.open_table(META).map_err(fault)?;
    table.insert(name, json(value)?.as_str()).map_err(fault)?;
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    // The types of a projection have no value that cannot be written; were there one, the disk
    // would be no more to blame than the file, and trying again would not help either.
    serde_json::to_string(value).map_err(|why| Fault::Disk(why.to_string()))
}
