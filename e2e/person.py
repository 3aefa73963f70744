#!/usr/bin/env python3
"""Plays the person whom a client sends to the consent page: fills in its forms over HTTP as a browser would.

Prints one JSON line with where the browser was sent in the end, what the page for reading said, and the name of
the cookie that the browser held.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
from bs4 import BeautifulSoup


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--passphrase-file", type=Path, required=True)
    parser.add_argument("--decide", choices=["allow", "deny"], default="allow")
    parser.add_argument("--template")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--without", action="append", default=[], metavar="SERVER/TOOL")
    parser.add_argument("--follow", action="store_true", help="go where the browser is sent in the end, too")
    return parser.parse_args()


def fields(form):
    """What a browser sends of a form that nobody touched, as the HTML standard has it."""
    found = []
    for field in form.find_all(["input", "textarea", "select"]):
        name, kind = field.get("name"), field.get("type")
        if not name:
            continue
        if field.name == "textarea":
            found.append((name, field.text))
        elif field.name == "select":
            options = field.find_all("option")
            chosen = [option for option in options if option.has_attr("selected")] or options[:1]
            found += [(name, option["value"]) for option in chosen]
        elif kind != "checkbox" or field.has_attr("checked"):
            found.append((name, field.get("value", "")))
    return found


class Browser:
    """Follows the forms of one site, keeps its cookies, and stops where it is sent elsewhere."""

    def __init__(self, url):
        self.http = httpx.Client(timeout=30)
        self.open(self.http.get(url))

    def open(self, answer):
        self.answer, self.elsewhere = answer, answer.headers.get("location")
        self.page = BeautifulSoup(answer.text, "html5lib")
        if self.page.find("script") or self.page.find(attrs={"style": True}):
            sys.exit("the page has a script or a style of an element")

    def form_with(self, button):
        for form in self.page.find_all("form"):
            if form.find("button", attrs={"value": button} if button else {"type": "submit"}):
                return form
        sys.exit(f"no button {button!r}: {self.answer.status_code} {self.page.get_text(' ', strip=True)}")

    def press(self, button, change=lambda sent: sent):
        form = self.form_with(button)
        sent = change(fields(form)) + ([("do", button)] if button else [])
        target = urljoin(str(self.answer.request.url), form["action"])
        site = urlsplit(target)
        body = httpx.QueryParams(sent)
        headers = {"Origin": f"{site.scheme}://{site.netloc}", "Content-Type": "application/x-www-form-urlencoded"}
        self.open(self.http.post(target, content=str(body), headers=headers))

    def words(self):
        return self.page.find("main").get_text(" ", strip=True)


def main():
    given = arguments()
    passphrase = given.passphrase_file.read_text()
    browser = Browser(given.url)
    read = cookie = ""
    if not browser.elsewhere:
        browser.press("", lambda sent: [(name, passphrase if name == "passphrase" else value) for name, value in sent])
        if given.template:
            browser.press("template", lambda sent: [s if s[0] != "template" else ("template", given.template) for s in sent])
        if given.decide == "allow":
            changed = dict(pair.split("=", 1) for pair in given.set)

            def fill(sent):
                kept = [(name, value) for name, value in sent if name != "tool" or value not in given.without]
                return [(name, changed.get(name, value)) for name, value in kept]

            browser.press("review", fill)
            read = browser.words()
        cookie = next(iter(browser.http.cookies), "")
        browser.press(given.decide)
    if not browser.elsewhere:
        sys.exit(f"sent nowhere: {browser.answer.status_code} {browser.words()}")
    print(json.dumps({"location": browser.elsewhere, "read": read, "cookie": cookie}), flush=True)
    if given.follow:
        httpx.get(browser.elsewhere, timeout=30)


if __name__ == "__main__":
    main()
