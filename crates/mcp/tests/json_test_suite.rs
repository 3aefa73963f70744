#![cfg(test)]
//! Every case of JSONTestSuite as the parameters of a request: what must be JSON is taken, what
//! must not be is refused, and where RFC 8259 leaves the choice, ours is pinned.
//!
//! The cases are those of <https://github.com/nst/JSONTestSuite> (`test_parsing`, commit 1ef36fa,
//! MIT, see `json_test_suite/LICENSE`), one a line: name, base64, and for two long ones how often
//! that stands there and what follows.

use data_encoding::BASE64;
use remit_mcp::{Frame, Limits};

const CASES: &str = include_str!("json_test_suite/cases.tsv");

/// JSON, but two readers could read two things: a request with a duplicate name is refused.
const REFUSED: [&str; 2] = ["y_object_duplicated_key", "y_object_duplicated_key_and_value"];

/// Left to the reader, and taken: numbers of any size keep their text, and half a surrogate pair
/// in a value keeps its escape.
const TAKEN: [&str; 19] = [
    "i_number_double_huge_neg_exp",
    "i_number_huge_exp",
    "i_number_neg_int_huge_exp",
    "i_number_pos_double_huge_exp",
    "i_number_real_neg_overflow",
    "i_number_real_pos_overflow",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
    "i_string_1st_surrogate_but_2nd_missing",
    "i_string_1st_valid_surrogate_2nd_invalid",
    "i_string_incomplete_surrogate_and_escape_valid",
    "i_string_incomplete_surrogate_pair",
    "i_string_incomplete_surrogates_escape_valid",
    "i_string_invalid_lonely_surrogate",
    "i_string_invalid_surrogate",
    "i_string_inverted_surrogates_U+1D11E",
    "i_string_lone_second_surrogate",
];

fn bytes(fields: &[&str]) -> Vec<u8> {
    let decode = |text: &str| BASE64.decode(text.as_bytes()).unwrap();
    let piece = decode(fields[0]);
    let times = fields.get(1).map_or(1, |times| times.parse().unwrap());
    let rest = fields.get(2).map_or_else(Vec::new, |rest| decode(rest));
    [piece.repeat(times), rest].concat()
}

#[test]
fn every_case_is_read_as_it_must_be() {
    let mut seen = 0;
    for line in CASES.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let name = fields[0];
        let before = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"value\":";
        let message = [&before[..], &bytes(&fields[1..]), b"}}"].concat();
        let read = Frame::parse(&message, Limits::default());
        let taken = match name.split_once('_').unwrap().0 {
            "y" => !REFUSED.contains(&name),
            "n" => false,
            _ => TAKEN.contains(&name),
        };
        assert_eq!(read.is_ok(), taken, "{name}: {read:?}");
        if let Ok(frame) = read {
            assert_eq!(frame.raw().as_str().as_bytes(), message, "{name}: bytes are kept");
        }
        seen += 1;
    }
    assert_eq!(seen, 318, "cases are missing");
}
