//! The terminal page: a few kinds of line, sober colours, nothing that a stranger's text can
//! paint over.
//!
//! Every text from outside is shown through [`visible`], so that no escape sequence and no
//! invisible character reaches the terminal as itself. Words carry the meaning; colours only
//! repeat it.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::orders::is_invisible;
use crate::setting::{Pace, Setting};

const MAX_WIDTH: usize = 100;
const MIN_WIDTH: usize = 40;
const MARGIN: &str = "  ";
/// Where details begin, under the tool's name.
const DETAIL: &str = "               ";

/// A colour, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As the terminal has it.
    Plain,
    /// For headings.
    Bold,
    /// For what is not the point.
    Dim,
    /// Permitted.
    Green,
    /// Held.
    Yellow,
    /// Refused.
    Red,
}

impl Ink {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
            Self::Red => Some("31"),
        }
    }
}

/// The page that a story is written on.
pub struct Page<'a> {
    out: &'a mut (dyn Write + Send),
    colour: bool,
    width: usize,
    pace: Pace,
}

impl std::fmt::Debug for Page<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("width", &self.width).finish_non_exhaustive()
    }
}

impl<'a> Page<'a> {
    /// A page on `out`.
    pub fn new(out: &'a mut (dyn Write + Send), setting: &Setting) -> Self {
        Self {
            out,
            colour: setting.colour,
            width: setting.width.clamp(MIN_WIDTH, MAX_WIDTH),
            pace: setting.pace,
        }
    }

    /// The title of the whole page.
    pub async fn title(&mut self, title: &str, subtitle: &str) -> io::Result<()> {
        let line = format!(
            "\n{MARGIN}{} {}",
            self.paint(Ink::Bold, title),
            self.paint(Ink::Dim, subtitle)
        );
        self.line(&line).await
    }

    /// A scene's number, heading and its one sentence, with time to read it.
    pub async fn scene(&mut self, number: usize, title: &str, sentence: &str) -> io::Result<()> {
        let heading = format!("\n{MARGIN}{}", self.paint(Ink::Bold, &format!("{number}  {title}")));
        self.line(&heading).await?;
        self.paragraph("     ", Ink::Plain, sentence).await?;
        self.line("").await?;
        tokio::time::sleep(self.pace.sentence()).await;
        Ok(())
    }

    /// A named fact: `budget    2 effects`.
    pub async fn fact(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.labelled("     ", &format!("{name:<9} "), Ink::Plain, text).await
    }

    /// What became of a call: the decision's word, the tool, and its arguments, on their own
    /// lines where they do not fit.
    pub async fn call(
        &mut self,
        (ink, word): (Ink, &str),
        tool: &str,
        arguments: &str,
    ) -> io::Result<()> {
        let badge = self.paint(ink, &format!("{word:<10}"));
        let (tool, arguments) = (visible(tool), visible(arguments));
        let used = DETAIL.len() + tool.chars().count() + 1;
        if used + arguments.chars().count() <= self.width {
            let arguments = self.paint(Ink::Dim, &arguments);
            return self.line(&format!("     {badge}{tool} {arguments}")).await;
        }
        self.line(&format!("     {badge}{tool}")).await?;
        self.paragraph(DETAIL, Ink::Dim, &arguments).await
    }

    /// One decision of the log, in columns.
    pub async fn entry(
        &mut self,
        index: u64,
        (ink, word): (Ink, &str),
        tool: &str,
    ) -> io::Result<()> {
        let index = self.paint(Ink::Dim, &format!("entry {index:>3}"));
        let line =
            format!("     {index}  {}{}", self.paint(ink, &format!("{word:<8}")), visible(tool));
        self.line(&line).await
    }

    /// An empty line.
    pub async fn blank(&mut self) -> io::Result<()> {
        self.line("").await
    }

    /// Something said about the call above: `why`, `remedy`.
    pub async fn detail(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.labelled(DETAIL, &format!("{name:<7} "), Ink::Plain, text).await
    }

    /// Words from outside, line by line behind a bar, at most `lines` of them.
    pub async fn quote(&mut self, text: &str, lines: usize) -> io::Result<()> {
        let room = self.width.saturating_sub(DETAIL.len() + 2);
        for text in text.lines().filter(|line| !line.trim().is_empty()).take(lines) {
            for piece in wrap(&visible(text), room) {
                let line = format!("{DETAIL}{} {piece}", self.paint(Ink::Dim, "│"));
                self.line(&line).await?;
            }
        }
        Ok(())
    }

    /// A difference, removed lines red and added lines green; wrapped lines repeat their sign and
    /// indentation.
    pub async fn diff(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            let (ink, sign, body) = match line.split_at_checked(1) {
                Some(("-", body)) => (Ink::Red, "-", body),
                Some(("+", body)) => (Ink::Green, "+", body),
                Some((" ", body)) => (Ink::Dim, " ", body),
                _ => (Ink::Dim, "", line),
            };
            let blanks = body.chars().take_while(|c| *c == ' ').count();
            let indent = format!("{DETAIL}{sign}{}", " ".repeat(blanks));
            self.paragraph(&indent, ink, &visible(body.trim_start())).await?;
        }
        Ok(())
    }

    /// What a person did.
    pub async fn act(&mut self, text: &str) -> io::Result<()> {
        self.labelled("     ", "operator  ", Ink::Bold, text).await
    }

    /// Plain words, wrapped.
    pub async fn words(&mut self, text: &str) -> io::Result<()> {
        self.paragraph("     ", Ink::Plain, text).await
    }

    async fn labelled(&mut self, indent: &str, name: &str, ink: Ink, text: &str) -> io::Result<()> {
        let first = format!("{indent}{}", self.paint(Ink::Dim, name));
        let hang = indent.len() + name.chars().count();
        let mut lead = first;
        for piece in wrap(&visible(text), self.width.saturating_sub(hang)) {
            let line = format!("{lead}{}", self.paint(ink, &piece));
            self.line(&line).await?;
            lead = " ".repeat(hang);
        }
        Ok(())
    }

    async fn paragraph(&mut self, indent: &str, ink: Ink, text: &str) -> io::Result<()> {
        for piece in wrap(text, self.width.saturating_sub(indent.len())) {
            let line = self.paint(ink, &format!("{indent}{piece}"));
            self.line(&line).await?;
        }
        Ok(())
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        match ink.code().filter(|_| self.colour) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }

    async fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()?;
        tokio::time::sleep(self.pace.line()).await;
        Ok(())
    }
}

/// `text` with every control and invisible character written out, `<U+200B>`. Line ends become
/// blanks where a single line is wanted; callers that keep lines split them first.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c == '\n' || c == '\t' {
            shown.push(' ');
        } else if c.is_control() || is_invisible(c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "<U+{:04X}>", u32::from(c));
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Breaks `text` between words into lines of at most `width` characters; a longer word is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drift::Flag;

    #[test]
    fn nothing_invisible_gets_through() {
        assert_eq!(visible("a\u{1b}[31mb\u{200b}c\u{202e}"), "a<U+001B>[31mb<U+200B>c<U+202E>");
        assert_eq!(visible("zwei\nZeilen"), "zwei Zeilen");
    }

    #[test]
    fn lines_fit() {
        let text = "one two three four fivesixseveneightnineten eleven";
        let lines = wrap(text, 12);
        assert!(lines.iter().all(|line| line.chars().count() <= 12), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert_eq!(wrap("äöüäöü ä", 10), ["äöüäöü ä"]);
    }

    #[tokio::test]
    async fn colours_only_where_wanted() {
        for colour in [false, true] {
            let mut out = Vec::new();
            let setting = Setting {
                colour,
                width: 80,
                pace: Pace::Fast,
                patience: Duration::ZERO,
                drift: Flag::new("unused"),
            };
            let mut page = Page::new(&mut out, &setting);
            page.call((Ink::Red, "refused"), "mail/send", "to=a\u{1b}[2J").await.unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.contains("\u{1b}[31m"), colour);
            assert!(!text.contains("\u{1b}[2J"), "a stranger's escape sequence came through");
        }
    }
}
