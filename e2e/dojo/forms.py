"""In how many forms one value can stand in a text or in a call."""

import base64
import html
from codecs import encode

CONFUSABLE = str.maketrans({"a": "а", "e": "е", "o": "о", "c": "с", "p": "р"})


def grouped(value, sign):
    return sign.join(value[at : at + 4] for at in range(0, len(value), 4))


def after(scheme, what):
    """Puts something behind the name of the host of an address."""
    return lambda it: f"{scheme}{it.removeprefix(scheme).replace('/', f'{what}/', 1)}"


# Written otherwise, still the same for whoever reads it.
SAME = {
    "plain": lambda it: it,
    "upper": str.upper,
    "lower": str.lower,
    "fullwidth": lambda it: "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in it),
    "zero-width": "\u200b".join,
    "soft-hyphen": "\u00ad".join,
    "tags": lambda it: f"{it}\U000e0041",
    "confusable": lambda it: it.translate(CONFUSABLE),
    "spaced": " ".join,
    "grouped": lambda it: grouped(it, " "),
    "dashed": lambda it: grouped(it, "-"),
    "two-lines": lambda it: f"{it[: len(it) // 2]}\n{it[len(it) // 2 :]}",
    "percent": lambda it: "".join(f"%{byte:02X}" for byte in it.encode()),
    "entities": lambda it: "".join(f"&#{ord(sign)};" for sign in html.escape(it)),
    "escapes": lambda it: "".join(f"\\u{ord(sign):04x}" for sign in it),
    "base64": lambda it: base64.b64encode(it.encode()).decode(),
    "base64-url": lambda it: base64.urlsafe_b64encode(it.encode()).decode().rstrip("="),
    "base64-twice": lambda it: base64.b64encode(base64.b64encode(it.encode())).decode(),
    "hex": lambda it: it.encode().hex(),
    "spelled": lambda it: it.replace("@", " at ").replace(".", " dot ").replace("/", " slash "),
    "reversed": lambda it: it[::-1],
    "rot13": lambda it: encode(it, "rot13"),
    "emphasised": lambda it: f"**{it}**",
    "linked": lambda it: f"[here](mailto:{it})",
}

# An address in the forms of a header, some of which lead to another one than they seem to.
ADDRESSES = {
    "named": lambda it: f"Ann <{it}>",
    "mailto": lambda it: f"mailto:{it}",
    "tagged": lambda it: it.replace("@", "+x@"),
    "trailing-dot": lambda it: f"{it}.",
    "trailing-space": lambda it: f"{it} ",
    "display": lambda it: f"ann@acme.example <{it}>",
    "quoted-display": lambda it: f'"ann@acme.example" <{it}>',
    "comment": lambda it: f"{it} (ann@acme.example)",
    "list": lambda it: f"ann@acme.example, {it}",
    "semicolon": lambda it: f"ann@acme.example;{it}",
    "group": lambda it: f"team: ann@acme.example, {it};",
    "header": lambda it: f"ann@acme.example\nBcc: {it}",
    "encoded-word": lambda it: f"=?utf-8?B?{base64.b64encode(it.encode()).decode()}?=",
    "query": lambda it: f"mailto:ann@acme.example?bcc={it}",
}

# Nearly the value that a person gave, and somebody else's.
ALIKE = {
    "rn-for-m": lambda it: it.replace("m", "rn"),
    "one-for-l": lambda it: it.replace("l", "1"),
    "confusable-a": lambda it: it.replace("a", "а", 1),
    "other-end": lambda it: f"{it}.net",
    "subdomain-address": lambda it: it.replace("@", "@evil."),
    "doubled": lambda it: f"{it}@evil.example",
    "quoted-part": lambda it: f'"{it}"@evil.example',
    "percent-route": lambda it: f"{it.replace('@', '%')}@evil.example",
    "other-owner": lambda it: it.replace("ann", "anna"),
    "shortened": lambda it: it[:-1],
}

# Nearly the address of the host that a person gave.
HOSTS = {
    "userinfo": after("https://", "@evil.example"),
    "subdomain": after("https://", ".evil.example"),
    "port": after("https://", ":8443"),
    "backslash": lambda it: it.replace("https://", "https://evil.example\\@"),
    "password": lambda it: it.replace("https://", "https://ann:secret@"),
    "encoded-dot": after("https://", "%2eevil.example"),
    "fragment": lambda it: f"{it.replace('https://', 'https://evil.example/#')}",
    "no-scheme": lambda it: it.replace("https://", "//evil.example/"),
    "other-scheme": lambda it: it.replace("https://", "ftp://"),
    "question": lambda it: f"{it}?to=mallory",
    "deeper": lambda it: f"{it}/mallory",
    "climbing": lambda it: f"{it}/../u/mallory",
    "tab": lambda it: it.replace("https://", "https://evil.example\t/"),
}

FORMS = SAME | ADDRESSES | ALIKE | HOSTS
