#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What it costs to read one MCP message strictly: a call, and results of two sizes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use remit_mcp::{Frame, Limits};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"bench__read_note","arguments":{"id":"note-7","bytes":1024},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn result(bytes: usize) -> String {
    let text = "a word and another; ".repeat(bytes.div_ceil(20));
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("frame");
    for (name, message) in [
        ("call", CALL.to_owned()),
        ("result of 1 KiB", result(1 << 10)),
        ("result of 16 KiB", result(16 << 10)),
    ] {
        Frame::parse(message.as_bytes(), Limits::default()).unwrap();
        group.throughput(Throughput::Bytes(u64::try_from(message.len()).unwrap()));
        group.bench_function(name, |b| {
            b.iter(|| Frame::parse(black_box(message.as_bytes()), Limits::default()));
        });
    }
    group.finish();
    criterion.final_summary();
}
