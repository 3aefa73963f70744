"""The figures as a section of a page, and as JSON."""

from collections import Counter, defaultdict

from score import MODES, said, verdict

BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"

# Of a value or a reason, as much as makes it recognisable.
SHOWN = 240
# Of the runs that share an explanation, as many are named.
NAMED = 4


def section(scores, size=None):
    """All of it in Markdown; `size` is that of the sample of attacked runs, where not all were played."""
    played = "all" if size is None else f"a sample of {size} of each suite, mode and order"
    parts = [f"Honest runs: all. Attacked runs: {played}.\n", honest_table(scores), attacked_table(scores)]
    for title, heads, rows in EXPLAINED:
        told = "".join(row(score.suite.name, *cells) for score in scores for cells in rows(score))
        if told:
            parts.append(f"{title}:\n\n{table_head('Suite', *heads)}{told}")
    return "\n".join(parts)


def honest_table(scores):
    rows = table_head("Suite", "Mode", "Autonomous", "Asks per run", "Completable")
    for score in scores:
        for mode in MODES:
            if mode in score.honest:
                figures = score.honest[mode]
                asks = f"{figures.asks_each:.2f} ({figures.asks} of {figures.autonomy.of} runs)"
                rows += row(score.suite.name, mode, figures.autonomy, asks, figures.completable)
    return rows


def attacked_table(scores):
    rows = table_head(
        "Suite", "Mode", "Order", "Attack, careful", "Attack, tired", "Any harm", "Honest part", "… without attack"
    )
    for score in scores:
        for (mode, order), it in score.attacked.items():
            rows += row(score.suite.name, mode, order, it.careful, it.tired, it.harm, it.honest, it.unattacked)
    return rows


def bothered(score):
    """Each honest call that did not pass unasked, with the modes in which it did not."""
    calls = (((played.run.name, *about(outcome)), played.mode) for played, outcome in score.bothered)
    for (name, call, answer, why), modes in grouped(calls):
        yield both(modes), name, call, answer, short(why)


def disturbed(score):
    """Each honest call that an attack made more difficult, with the runs in which it did."""
    calls = (((order(played), *about(outcome)), played.run.name) for played, outcome in score.disturbed)
    for (how, call, answer, why), runs in grouped(calls):
        yield how, names(runs), call, answer, short(why)


def through(score):
    """Which calls of attacks came through, and in which runs."""
    found = (((order(played), approver, *did(played)), played.run.name) for approver, played in score.through)
    for (how, approver, calls, why), runs in grouped(found):
        yield how, approver, names(runs), calls, short(why)


# What is explained call by call: a title, the heads of the table, its rows.
EXPLAINED = (
    ("Every honest call that did not pass unasked", ("Mode", "Run", "Call", "Answer", "Why"), bothered),
    (
        "Every honest call that an attack on its run made more difficult",
        ("Mode and order", "Runs", "Call", "Answer", "Why"),
        disturbed,
    ),
    (
        "Every attack that got through",
        ("Mode and order", "Person", "Runs", "Calls that did it", "Why they passed"),
        through,
    ),
)


def grouped(pairs):
    """What belongs to each key, in the order of the keys' first appearance."""
    groups = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups.items()


def about(outcome):
    return brief(outcome.call), verdict(outcome), said(outcome)


def did(played):
    injected = [it for it in played.injected if it.permitted and it.call.effect]
    calls = ", ".join(dict.fromkeys(f"`{it.call.tool}`" for it in injected))
    return calls, "; ".join(dict.fromkeys(f"{verdict(it)}, {said(it)}" for it in injected))


def order(played):
    return f"{played.mode}, {played.order}"


def attacker_section(found):
    """How far the attacks that an attacker made up got, in Markdown."""
    families = defaultdict(Counter)
    for one in found:
        families[one["family"]][one["got"]] += 1
    rows = table_head("Attack", "Denied", "Asks", "Passes")
    rows += "".join(row(name, *(got[how] for how in ("denied", "asks", "passes"))) for name, got in families.items())
    through = [f"- {one['attack']}: {one['why']}" for one in found if one["got"] == "passes"]
    return rows + "\nWhat passes, and why:\n\n" + "\n".join(through) if through else rows


def both(modes):
    return "both" if len(set(modes)) == len(MODES) else modes[0]


def names(runs):
    more = f" and {len(runs) - NAMED} more" if len(runs) > NAMED else ""
    return f"{len(runs)}: {', '.join(runs[:NAMED])}{more}"


def brief(call):
    return f"`{short(f'{call.tool} {call.arguments}').replace('`', ' ')}`"


def short(text):
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def table_head(*titles):
    return row(*titles) + row(*["---"] * len(titles))


def row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"


def write(page, name, text):
    """Puts a section between its marks on a page."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"expected {begin} and {end} in {page}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def figures(scores):
    """All of it for a program."""
    return {score.suite.name: suite_figures(score) for score in scores}


def suite_figures(score):
    count = lambda it: {"met": it.met, "of": it.of}  # noqa: E731
    return {
        "honest": {
            mode: {"autonomy": count(it.autonomy), "completable": count(it.completable), "asks": it.asks}
            for mode, it in score.honest.items()
        },
        "attacked": [
            {"mode": mode, "order": order} | {name: count(value) for name, value in vars(it).items()}
            for (mode, order), it in score.attacked.items()
        ],
        "bothered": [
            {"mode": played.mode, "run": played.run.name, "answer": verdict(outcome), "why": said(outcome)}
            | call_figures(outcome)
            for played, outcome in score.bothered
        ],
        "disturbed": [
            {"mode": played.mode, "order": played.order, "run": played.run.name, "answer": verdict(outcome)}
            | call_figures(outcome)
            | {"why": said(outcome)}
            for played, outcome in score.disturbed
        ],
        "through": [
            {"mode": played.mode, "order": played.order, "person": approver, "run": played.run.name}
            | {"calls": [call_figures(it) | {"why": said(it)} for it in played.injected if it.permitted]}
            for approver, played in score.through
        ],
    }


def call_figures(outcome):
    return {"tool": outcome.call.tool, "arguments": outcome.call.arguments}
