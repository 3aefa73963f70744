#!/usr/bin/env python3
"""Verify a published transparency log without any of the code that wrote it.

usage: verify_log.py LOG_DIR VKEY [--witness WITNESS_VKEY]… [--json]

LOG_DIR       a folder at the paths of C2SP tlog-tiles: `checkpoint`, `tile/<L>/…`, `tile/entries/…`,
              `witnessed/<key id>`, the newest checkpoint that each witness cosigned, and
              `succession/<index>`, the proof (C2SP tlog-proof) that this entry names other signers
VKEY          a verifier key of the log, `<name>+<key id>+<base64>`, had from somewhere else than LOG_DIR
WITNESS_VKEY  the key of a witness, had from the witness: it must have cosigned a checkpoint

Checks the checkpoint's signature, every entry bundle, every tile at every level (full and partial,
against hashes computed from the entries alone), the root, and that no file is there that the log
does not explain; each cosigned checkpoint against the entries, and each cosignature (C2SP
tlog-cosignature) asked about. If the log's key was replaced, follows from the one that is known: whoever
signs a checkpoint that covers an entry is among the signers that the last such entry names, so a key that
signed vouches for the others. Prints `verified N entries, root …` and exits 0, or names the file, and the entry
where there is one, and exits 1. Needs the standard library and `cryptography`.
"""

import base64
import binascii
import hashlib
import json
import re
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
ED25519 = 1
COSIGNATURE = 4


class Wrong(Exception):
    """Something in the log does not hold."""


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def subtree(hashes):
    """RFC 6962 section 2.1, straight from its definition."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(subtree(hashes[:split]), subtree(hashes[split:]))


def b64(text, what):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as why:
        raise Wrong(f"{what}: not base64: {why}") from None
    if base64.b64encode(raw).decode() != text:
        raise Wrong(f"{what}: not the one base64 form of its bytes")
    return raw


def read_vkey(text, kind=ED25519):
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Wrong("the verifier key is not `<name>+<key id>+<base64>`")
    name, key_id, key = parts[0], parts[1], b64(parts[2], "the verifier key")
    if len(key) != 33 or key[0] != kind:
        raise Wrong(f"the verifier key is not an Ed25519 key of type {kind}")
    if sha256(name.encode() + b"\n" + key)[:4].hex() != key_id:
        raise Wrong("the verifier key's id does not follow from its name and key")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def read_text(path):
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as why:
        raise Wrong(f"{path.name}: {why}") from None


def read_note(path, note):
    """The text of a signed note and its signature lines: name, key id, signature."""
    body, mark, lines = note.rpartition("\n\n")
    if not mark or not lines.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise Wrong(f"{path.name}: checkpoint: not a signed note")
    signatures = []
    for line in lines[:-1].split("\n"):
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        if not match:
            raise Wrong(f"{path.name}: checkpoint: not a signature line: {line!r}")
        blob = b64(match[2], f"{path.name}: checkpoint: signature")
        signatures.append((match[1], blob[:4], blob[4:]))
    return body + "\n", signatures


def read_checkpoint(path, keys, note=None):
    """Size, root, the note and those of `keys` (by text) whose signatures it has: one at least."""
    text, signatures = read_note(path, read_text(path) if note is None else note)
    signers = []
    for vkey, (name, key_id, public) in keys.items():
        for signature in (line[2] for line in signatures if line[:2] == (name, key_id)):
            try:
                public.verify(signature, text.encode())
            except InvalidSignature:
                raise Wrong(f"{path.name}: checkpoint: the signature does not fit the text") from None
            signers.append(vkey)
    if not signers:
        raise Wrong(f"{path.name}: checkpoint: not signed by {' or '.join(keys)}")
    rows = text[:-1].split("\n")
    names = {keys[vkey][0] for vkey in signers}
    if len(rows) < 3 or {rows[0]} != names or not re.fullmatch(r"0|[1-9][0-9]*", rows[1]):
        raise Wrong(f"{path.name}: checkpoint: the lines are not origin, size, root")
    root = b64(rows[2], f"{path.name}: checkpoint: root")
    if len(root) != 32:
        raise Wrong(f"{path.name}: checkpoint: the root has not 32 bytes")
    return int(rows[1]), root, (text, signatures), signers


def named_signers(entry):
    """Who signed before and who does from this entry on, if it says so."""
    if b'"signers"' not in entry:
        return None
    try:
        signers = json.loads(entry)["clear"].get("signers")
        if signers is None:
            return None
        named = list(signers["before"]), list(signers["now"])
        origins = {read_vkey(vkey)[0] for vkey in named[0] + named[1]}
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        raise Wrong(f"an entry names signers that cannot be read: {why}") from None
    if len(origins) != 1 or any(len(set(keys)) != len(keys) or not 1 <= len(keys) <= 2 for keys in named):
        raise Wrong("an entry names signers that are not one or two keys of one log")
    return named


def included(leaf, index, size, hashes, root):
    """RFC 9162 section 2.1.3.2."""
    node, last, value = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return False
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    return index < size and last == 0 and value == root


def read_proof(path):
    """The entry that a succession's proof is about, its index, the hashes, and the note."""
    head, mark, note = read_text(path).partition("\n\n")
    rows = head.split("\n")
    if not mark or len(rows) < 3 or rows[0] != "c2sp.org/tlog-proof@v1":
        raise Wrong(f"succession/{path.name}: not a tlog-proof")
    if not rows[1].startswith("extra ") or rows[2] != f"index {path.name}":
        raise Wrong(f"succession/{path.name}: not the proof of this entry, with the entry")
    hashes = [b64(row, f"succession/{path.name}: hash") for row in rows[3:]]
    return b64(rows[1][6:], f"succession/{path.name}: extra"), int(path.name), hashes, note


def believe(file, keys):
    """The keys that the proof in `file` names, if one of `keys` vouches for it."""
    entry, index, hashes, note = read_proof(file)
    size, want, _, signers = read_checkpoint(file, keys, note)
    named = named_signers(entry)
    if not included(leaf_hash(entry), index, size, hashes, want):
        raise Wrong(f"succession/{file.name}: it does not prove its entry")
    if not named or not set(signers) & set(named[1]):
        raise Wrong(f"succession/{file.name}: signed by none of those whom its entry names")
    return {vkey: read_vkey(vkey) for vkey in named[0] + named[1]}


def follow(root, keys):
    """Adds the keys to which `keys` lead; gives the files that led there, and why another did not."""
    left = {file for file in (root / "succession").glob("*") if file.name.isdecimal()}
    followed = set()
    while True:
        why, before = None, len(followed)
        for file in sorted(left):
            try:
                keys.update(believe(file, keys))
                followed.add(file)
            except Wrong as wrong:
                why = wrong
        left -= followed
        if len(followed) == before:
            return followed, why


def check_signers(claims, raw, size):
    """That each checkpoint was signed by those who were to sign at its size, by the entries: one that
    somebody else keeps by one of them, what the log publishes by all."""
    changes = []
    for first, entries in raw.items():
        for at, entry in enumerate(entries, first * WIDTH):
            if named := named_signers(entry):
                if changes and changes[-1][2] != named[0]:
                    raise Wrong(f"entry {at}: the signers before it are not those it names")
                changes.append((at, *named))
    for name, covered, signers, published in claims if changes else []:
        now = [change[2] for change in changes if change[0] < covered]
        expected = set(now[-1] if now else changes[0][1])
        if not (expected <= set(signers) if published else expected & set(signers)):
            raise Wrong(f"{name}: signed by a key that was replaced, or not yet named, at {covered}")
    return {f"succession/{change[0]}" for change in changes if change[0] < size}


def cosigned_at(note, witness):
    """When the witness cosigned the note, in seconds; None if it did not."""
    name, key_id, public = witness
    text, signatures = note
    newest = None
    for blob in (line[2] for line in signatures if line[:2] == (name, key_id)):
        if len(blob) != 8 + 64:
            raise Wrong(f"the cosignature of {name} has not 72 bytes")
        (at,) = struct.unpack(">Q", blob[:8])
        try:
            public.verify(blob[8:], f"cosignature/v1\ntime {at}\n{text}".encode())
        except InvalidSignature:
            raise Wrong(f"the cosignature of {name} does not fit the checkpoint") from None
        newest = max(newest or 0, at)
    return newest


def check_claims(root, keys, followed, leaves, witnesses):
    """What was said of the log and by whom, where the entries lead to it; and for each witness the newest
    size it cosigned."""
    witnessed = sorted((root / "witnessed").glob("[0-9a-f]" * 8))
    cosigned, claims = {}, []
    for file in [root / "checkpoint", *sorted(followed), *witnessed]:
        note = read_proof(file)[3] if file in followed else None
        size, want, note, signers = read_checkpoint(file, keys, note)
        if size > len(leaves):
            raise Wrong(f"{file.name}: it speaks of {size} entries, the log has {len(leaves)}")
        if subtree(leaves[:size]) != want:
            raise Wrong(f"{file.name}: its root is not that of the first {size} entries")
        claims.append((file.name, size, signers, file not in witnessed))
        for witness in witnesses:
            if cosigned_at(note, witness) is not None:
                cosigned[witness[0]] = max(size, cosigned.get(witness[0], 0))
    for name, *_ in witnesses:
        if name not in cosigned:
            raise Wrong(f"{name} cosigned no checkpoint of this log")
    return cosigned, claims


def tile_path(level, index, width):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{suffix}"


def read(root, path):
    try:
        return (root / path).read_bytes()
    except OSError as why:
        raise Wrong(f"{path}: {why.strerror}") from None


def read_bundle(data, path, first, width):
    entries, at = [], 0
    for number in range(width):
        if at + 2 > len(data):
            raise Wrong(f"{path}: ends before entry {first + number}")
        (length,) = struct.unpack_from(">H", data, at)
        entry = data[at + 2 : at + 2 + length]
        if len(entry) != length:
            raise Wrong(f"{path}: ends within entry {first + number}")
        entries.append(entry)
        at += 2 + length
    if at != len(data):
        raise Wrong(f"{path}: {len(data) - at} bytes follow entry {first + width - 1}")
    return entries


def tiles(count):
    """Index and width of the tiles that hold `count` items."""
    for index in range((count + WIDTH - 1) // WIDTH):
        yield index, min(WIDTH, count - index * WIDTH)


def check_hash_tile(data, path, want, level, index):
    if data == b"".join(want):
        return
    for number, item in enumerate(want):
        if data[number * 32 : number * 32 + 32] != item:
            first = (index * WIDTH + number) * WIDTH**level
            last = first + WIDTH**level - 1
            where = f"entry {first}" if level == 0 else f"entries {first} to {last}"
            raise Wrong(f"{path}: the hash of {where} is not that of the entry bundles")
    raise Wrong(f"{path}: {len(data) - 32 * len(want)} bytes too many")


def verify(root, vkey, witnesses):
    keys = {vkey: read_vkey(vkey)}
    followed, stray = follow(root, keys)
    size, want_root, *_ = read_checkpoint(root / "checkpoint", keys)
    if stray:
        raise stray
    explained, leaves, raw = {"checkpoint"}, [], {}
    for index, width in tiles(size):
        path = tile_path("entries", index, width)
        entries = read_bundle(read(root, path), path, index * WIDTH, width)
        leaves += map(leaf_hash, entries)
        raw[index] = entries
        explained.add(path)
        if index % 64 == 63 and sys.stderr.isatty():
            print(f"\r{len(leaves)} of {size} entries", end="", file=sys.stderr)
    level, row, rows = 0, leaves, []
    while row:
        rows.append(row)
        for index, width in tiles(len(row)):
            path = tile_path(level, index, width)
            want = row[index * WIDTH : index * WIDTH + width]
            check_hash_tile(read(root, path), path, want, level, index)
            explained.add(path)
        level += 1
        row = [subtree(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)]
    if subtree(leaves) != want_root:
        raise Wrong("checkpoint: the root is not that of the entries")
    cosigned, claims = check_claims(root, keys, followed, leaves, witnesses)
    changes = check_signers(claims, raw, size)
    for path in changes - {f"succession/{file.name}" for file in followed}:
        raise Wrong(f"{path}: missing, although the log has other signers from there on")
    check_rest(root, explained | changes, rows, raw)
    return size, want_root, cosigned


def check_rest(root, explained, rows, raw):
    """Older partial tiles must be beginnings of the newer ones; nothing else may lie there.

    One may reach beyond the checkpoint, where its writer was stopped before the next was there: it
    must go on from what is under the checkpoint.
    """
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.is_dir() or path in explained or re.fullmatch(r"witnessed/[0-9a-f]{8}", path):
            continue
        match = re.fullmatch(r"tile/(entries|\d+)/((?:x\d{3}/)*\d{3})\.p/(\d+)", path)
        if not match:
            raise Wrong(f"{path}: no file of this log")
        index = int(match[2].replace("x", "").replace("/", ""))
        width = int(match[3])
        if tile_path(match[1], index, width) != path or not 0 < width < WIDTH:
            raise Wrong(f"{path}: no file of this log")
        data = file.read_bytes()
        if match[1] == "entries":
            want = raw.get(index, [])[:width]
            for number, entry in enumerate(read_bundle(data, path, index * WIDTH, width)):
                if number < len(want) and entry != want[number]:
                    raise Wrong(f"{path}: entry {index * WIDTH + number} differs from the log's")
        else:
            level = int(match[1])
            row = rows[level] if level < len(rows) else []
            want = row[index * WIDTH : index * WIDTH + width]
            if len(data) != 32 * width:
                raise Wrong(f"{path}: {len(data)} bytes, not {width} hashes")
            check_hash_tile(data[: 32 * len(want)], path, want, level, index)


def main(arguments):
    as_json = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"]
    witnesses = []
    while "--witness" in arguments[:-1]:
        at = arguments.index("--witness")
        witnesses.append(arguments[at + 1])
        del arguments[at : at + 2]
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        witnesses = [read_vkey(witness, COSIGNATURE) for witness in witnesses]
        size, root, cosigned = verify(Path(arguments[0]), arguments[1], witnesses)
    except Wrong as wrong:
        print(json.dumps({"ok": False, "why": str(wrong)}) if as_json else f"NOT verified: {wrong}")
        return 1
    text = base64.b64encode(root).decode()
    if as_json:
        print(json.dumps({"ok": True, "size": size, "root": text, "cosigned": cosigned}))
    else:
        print(f"verified {size} entries, root {text}")
        for name, entries in sorted(cosigned.items()):
            print(f"{name} cosigned {entries} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
