//! Names as readers see them that do not tell capitals from small letters.
//!
//! Decoders of JSON that many servers are written with (Go's `encoding/json`, those of .NET for the web)
//! take a member whose name differs from a field's only in case for that field. So a name that
//! somebody decides by must not stand beside another that folds to the same.

/// `name` without the difference between capitals and small letters: equal for names that some reader
/// takes for one.
///
/// Through small letters, capitals and small letters again, because of those with more than two forms:
/// `ſ` is an `s` as a capital only, `ẞ` and the sign for kelvin are `ß` and `k` as small letters only.
pub fn folded(name: &str) -> String {
    let small = name.chars().flat_map(char::to_lowercase);
    small.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_only_in_case_fold_to_one() {
        for (one, other) in [
            ("path", "Path"),
            ("filePath", "FILEPATH"),
            ("name", "naME"),
            ("is", "i\u{17f}"),
            ("key", "\u{212a}ey"),
            ("straße", "STRAẞE"),
            ("größe", "GRÖSSE"),
            ("σ", "ς"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("path", "paths"), ("file_path", "filePath"), ("a", "ä"), ("", "a")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn every_letter_folds_as_its_capital_and_its_small_letter_do() {
        // Behind them no letter has two forms.
        for letter in '\0'..='\u{1ffff}' {
            let whole = folded(&letter.to_string());
            let capital: String = letter.to_uppercase().collect();
            let small: String = letter.to_lowercase().collect();
            assert_eq!((folded(&capital), folded(&small)), (whole.clone(), whole), "{letter:?}");
        }
    }
}
