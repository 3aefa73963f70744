#![cfg(test)]
//! Each target over its seeds, and over what a few edits make of them: always the same.

use std::fmt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use remit_fuzz::{TARGETS, Target};

/// How many inputs are made for each target.
const CASES: u32 = 2000;

/// How many edits make an input.
const EDITS: std::ops::Range<usize> = 1..8;

/// What means something to most of the parsers.
const SYNTAX: &[u8] = b"{}[]()<>\"'\\,:;=./-+@#%*0189eEtfnu \t\r\n\0\x7f\xc3\xed\xff";

/// A change of a text; places are shares of what is there.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Repeat(Index, usize, usize),
    Join(Index, Index, Index),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let place = || any::<Index>();
        let byte = || prop_oneof![any::<u8>(), prop::sample::select(SYNTAX)];
        prop_oneof![
            (place(), byte()).prop_map(|(at, byte)| Self::Set(at, byte)),
            (place(), prop::collection::vec(byte(), 1..6))
                .prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            (place(), 1..40_usize).prop_map(|(at, size)| Self::Cut(at, size)),
            (place(), 1..40_usize, 1..20_usize)
                .prop_map(|(at, size, times)| Self::Repeat(at, size, times)),
            (place(), place(), place()).prop_map(|(at, other, from)| Self::Join(at, other, from)),
        ]
    }

    fn apply(&self, text: &mut Vec<u8>, seeds: &[(PathBuf, Vec<u8>)]) {
        let part = |at: &Index, text: &[u8], size: usize| {
            let start = at.index(text.len() + 1);
            start..text.len().min(start + size)
        };
        match self {
            Self::Set(at, byte) => {
                let part = part(at, text, 1);
                text[part].fill(*byte);
            }
            Self::Insert(at, bytes) => {
                text.splice(part(at, text, 0), bytes.iter().copied());
            }
            Self::Cut(at, size) => {
                text.drain(part(at, text, *size));
            }
            Self::Repeat(at, size, times) => {
                let part = part(at, text, *size);
                let copies = text[part.clone()].repeat(*times);
                text.splice(part.end..part.end, copies);
            }
            Self::Join(at, other, from) => {
                let other = &other.get(seeds).1;
                text.truncate(at.index(text.len() + 1));
                text.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}

/// An input, which a failure shows as it is written in a source file.
#[derive(Clone)]
struct Made(Vec<u8>);

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let files = folder.read_dir().unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Holds `hold` over what `CASES` edits make of `seeds`; the smallest input found for which it does
/// not is the error.
fn mutate(seeds: &[(PathBuf, Vec<u8>)], hold: impl Fn(&[u8])) -> Result<(), TestError<Made>> {
    let made = (any::<Index>(), prop::collection::vec(Edit::any(), EDITS));
    let made = made.prop_map(|(seed, edits)| {
        let mut text = seed.get(seeds).1.clone();
        for edit in &edits {
            edit.apply(&mut text, seeds);
        }
        Made(text)
    });
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(&made, |input| {
        hold(&input.0);
        Ok(())
    })
}

/// Holds the target called `name` over its seeds and what is made of them.
fn run(name: &str) {
    let target = Target::named(name).unwrap();
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "fuzz/seeds/{name} holds no seed");
    for (file, seed) in &seeds {
        // A panic is captured with what was printed before it.
        println!("{}", file.display());
        target.hold(seed);
    }
    mutate(&seeds, |data| target.hold(data)).unwrap_or_else(|found| panic!("{name}: {found}"));
}

macro_rules! tests {
    ($($name:ident)*) => {
        mod holds {
            $(#[test]
            fn $name() {
                super::run(stringify!($name));
            })*
        }
    };
}

remit_fuzz::each_target!(tests);

#[test]
fn what_does_not_hold_is_found() {
    let seeds = [(PathBuf::new(), br#"{"a":{"b":[1,2,3]},"c":"d"}"#.to_vec())];
    let nested = |data: &[u8]| data.windows(2).any(|it| it == b"[[");
    let Err(TestError::Fail(_, Made(found))) = mutate(&seeds, |data| assert!(!nested(data))) else {
        panic!("nothing was found")
    };
    assert!(nested(&found), "{}", found.escape_ascii());
}

#[test]
fn every_folder_of_seeds_is_a_targets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for name in folder.read_dir().unwrap() {
        let name = name.unwrap().file_name();
        assert!(TARGETS.iter().any(|it| name == it.name), "{}", name.display());
    }
}
