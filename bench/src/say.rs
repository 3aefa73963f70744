//! Where words go: results to standard output, progress to standard error, sections into a page.

use std::io::Write;
use std::path::Path;

use crate::fail::Fail;

/// Prints a result.
///
/// Errors: nobody reads it.
pub(crate) fn result(text: &str) -> Result<(), Fail> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}

/// Says what goes on.
pub(crate) fn progress(line: &str) {
    // A closed standard error is no reason to stop measuring.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Puts `text` into the page at `path`, between the marks of section `name`.
///
/// Errors: the page cannot be read or written, or has no such section.
pub(crate) fn section(path: &Path, name: &str, text: &str) -> Result<(), Fail> {
    let failed = |why| Fail::new(format!("{}: {why}", path.display()));
    let page = std::fs::read_to_string(path).map_err(|why| failed(why.to_string()))?;
    let page = replaced(&page, name, text).map_err(failed)?;
    std::fs::write(path, page).map_err(|why| failed(why.to_string()))
}

fn replaced(page: &str, name: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let missing = || format!("expected a section between `{}` and `{end}`", begin.trim_end());
    let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_changes() {
        let page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new").unwrap(), new);
        assert!(replaced(page, "y", "new").unwrap_err().contains("begin y"));
    }
}
