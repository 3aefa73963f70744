//! A folder of files: in memory, or a real directory given by argument.
//!
//! Paths are single file names. Anything that could leave the folder is refused by form, before
//! the file system is asked; links inside a given directory are refused as well.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::json;

use super::{Arguments, Complaint, Desk, Reply, reads, tool};

/// No file is read or written beyond this size.
const MAX_FILE: usize = 64 * 1024;

const REPORT: &str = "Nordlicht Bikes, third quarter (confidential until Friday)\n\
                      revenue   1 204 000 EUR\n\
                      margin          11.8 %\n\
                      acquisition of Nordwind GmbH planned for January\n";

const SUPPLIERS: &str = "supplier        account\n\
                         Nordwind GmbH   DE02120300000000202051\n\
                         Kettenwerk AG   DE89370400440532013000\n";

fn initial() -> [(&'static str, &'static str); 2] {
    [("report.txt", REPORT), ("suppliers.txt", SUPPLIERS)]
}

#[derive(Debug)]
enum Shelf {
    Memory(Mutex<BTreeMap<String, String>>),
    Directory(PathBuf),
}

/// The file server.
#[derive(Debug)]
pub(crate) struct Files(Shelf);

impl Files {
    /// A folder in memory with the demo's files in it.
    pub(crate) fn in_memory() -> Self {
        let files =
            initial().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Self(Shelf::Memory(Mutex::new(files)))
    }

    /// A real directory; the demo's files are written into it where they are missing.
    pub(crate) fn in_directory(directory: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(directory)?;
        for (name, text) in initial() {
            match fs::File::create_new(directory.join(name)) {
                Ok(mut file) => file.write_all(text.as_bytes())?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(Shelf::Directory(directory.to_owned())))
    }

    fn names(&self) -> Result<Vec<String>, Complaint> {
        match &self.0 {
            Shelf::Memory(files) => {
                Ok(files.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect())
            }
            Shelf::Directory(directory) => {
                let entries =
                    fs::read_dir(directory).map_err(|error| cannot("list", ".", &error))?;
                let mut names: Vec<String> = entries
                    .filter_map(Result::ok)
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .collect();
                names.sort();
                Ok(names)
            }
        }
    }

    fn read(&self, name: &str) -> Result<String, Complaint> {
        match &self.0 {
            Shelf::Memory(files) => files
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(name)
                .cloned()
                .ok_or_else(|| Complaint::failed(format!("cannot read `{name}`: no such file"))),
            Shelf::Directory(directory) => {
                let path = directory.join(name);
                let kind = fs::symlink_metadata(&path).map_err(|e| cannot("read", name, &e))?;
                if !kind.is_file() || kind.len() > MAX_FILE as u64 {
                    return Err(Complaint::failed(format!(
                        "cannot read `{name}`: expected a plain file of at most {MAX_FILE} bytes"
                    )));
                }
                fs::read_to_string(&path).map_err(|error| cannot("read", name, &error))
            }
        }
    }

    fn write(&self, name: &str, content: &str) -> Result<(), Complaint> {
        if content.len() > MAX_FILE {
            return Err(Complaint::failed(format!(
                "cannot write `{name}`: at most {MAX_FILE} bytes, got {}",
                content.len()
            )));
        }
        match &self.0 {
            Shelf::Memory(files) => {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                if files.contains_key(name) {
                    return Err(exists(name));
                }
                files.insert(name.to_owned(), content.to_owned());
                Ok(())
            }
            Shelf::Directory(directory) => match fs::File::create_new(directory.join(name)) {
                Ok(mut file) => file
                    .write_all(content.as_bytes())
                    .map_err(|error| cannot("write", name, &error)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    Err(exists(name))
                }
                Err(error) => Err(cannot("write", name, &error)),
            },
        }
    }
}

fn cannot(what: &str, name: &str, error: &std::io::Error) -> Complaint {
    Complaint::failed(format!("cannot {what} `{name}`: {error}"))
}

fn exists(name: &str) -> Complaint {
    Complaint::failed(format!("`{name}` exists already; choose another name"))
}

/// A plain file name: no separators, no parent, not hidden, nothing to be escaped.
fn file_name(path: &str) -> Result<&str, Complaint> {
    let plain = !path.is_empty()
        && path.len() <= 100
        && !path.starts_with('.')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if plain {
        Ok(path)
    } else {
        Err(Complaint::failed(format!(
            "`{}` is not a file name here; use letters, digits, `.`, `-` and `_`",
            path.escape_default()
        )))
    }
}

impl Desk for Files {
    fn instructions(&self) -> &'static str {
        "One flat folder of text files."
    }

    fn tools(&self) -> Vec<Tool> {
        let path = ("path", "string", "The file's name");
        vec![
            tool(
                "list_files",
                "Lists the files in the folder.",
                &[],
                Some(reads("List files", false)),
            ),
            tool(
                "read_file",
                "Returns the text of a file.",
                &[path],
                Some(reads("Read a file", false)),
            ),
            tool(
                "write_file",
                "Creates a new text file. Never overwrites one.",
                &[path, ("content", "string", "The text to write")],
                Some(
                    ToolAnnotations::with_title("Create a file")
                        .read_only(false)
                        .destructive(false)
                        .idempotent(false)
                        .open_world(false),
                ),
            ),
        ]
    }

    fn call(&self, tool: &str, arguments: Arguments<'_>) -> Result<Reply, Complaint> {
        match tool {
            "list_files" => {
                let names = self.names()?;
                Ok(Reply::with_data(names.join("\n"), json!({ "files": names })))
            }
            "read_file" => self.read(file_name(arguments.text("path")?)?).map(Reply::text),
            "write_file" => {
                let name = file_name(arguments.text("path")?)?;
                let content = arguments.text("content")?;
                self.write(name, content)?;
                Ok(Reply::text(format!("wrote {} bytes to {name}", content.len())))
            }
            other => Err(Complaint::UnknownTool(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(files: &Files, tool: &str, arguments: &serde_json::Value) -> Result<Reply, Complaint> {
        files.call(tool, Arguments(arguments.as_object().unwrap()))
    }

    #[test]
    fn memory_and_directory_behave_alike() {
        let directory = tempfile::tempdir().unwrap();
        for files in [Files::in_memory(), Files::in_directory(directory.path()).unwrap()] {
            let listed = call(&files, "list_files", &json!({})).unwrap();
            assert_eq!(listed.text, "report.txt\nsuppliers.txt");
            let note = json!({ "path": "note.txt", "content": "two\nlines" });
            assert_eq!(
                call(&files, "write_file", &note).unwrap().text,
                "wrote 9 bytes to note.txt"
            );
            let again = call(&files, "write_file", &note).unwrap_err();
            assert!(again.to_string().contains("exists already"), "{again}");
            let read = call(&files, "read_file", &json!({ "path": "note.txt" })).unwrap();
            assert_eq!(read.text, "two\nlines");
            let absent = call(&files, "read_file", &json!({ "path": "nope" })).unwrap_err();
            assert!(absent.to_string().starts_with("cannot read `nope`"), "{absent}");
        }
    }

    #[test]
    fn nothing_leaves_the_folder() {
        let directory = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).unwrap();
        let files = Files::in_directory(directory.path()).unwrap();
        let absolute = outside.path().to_str().unwrap();
        for path in ["../x", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\0b", absolute] {
            let refused = call(&files, "read_file", &json!({ "path": path })).unwrap_err();
            assert!(refused.to_string().contains("not a file name"), "{path}: {refused}");
        }
        let link = call(&files, "read_file", &json!({ "path": "link" })).unwrap_err();
        assert!(link.to_string().contains("expected a plain file"), "{link}");
        let through = json!({ "path": "link", "content": "x" });
        assert!(call(&files, "write_file", &through).is_err());
        assert_eq!(fs::read(outside.path()).unwrap(), b"");
    }

    #[test]
    fn sizes_are_bounded() {
        let long = json!({ "path": "big", "content": "x".repeat(MAX_FILE + 1) });
        let refused = call(&Files::in_memory(), "write_file", &long).unwrap_err();
        assert!(refused.to_string().contains("at most 65536 bytes"), "{refused}");
    }
}
