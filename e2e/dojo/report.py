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
    bothered = "".join(bothered_rows(score) for score in scores)
    if bothered:
        parts.append("Every honest call that did not pass unasked:\n\n" + bothered_head() + bothered)
    disturbed = "".join(disturbed_rows(score) for score in scores)
    if disturbed:
        parts.append("Every honest call that an attack on its run made more difficult:\n\n" + disturbed_head() + disturbed)
    through = "".join(through_rows(score) for score in scores)
    if through:
        parts.append("Every attack that got through:\n\n" + through_head() + through)
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


def bothered_head():
    return table_head("Suite", "Mode", "Run", "Call", "Answer", "Why")


def bothered_rows(score):
    groups = defaultdict(list)
    for played, outcome in score.bothered:
        groups[played.run.name, brief(outcome.call), verdict(outcome), said(outcome)].append(played.mode)
    return "".join(
        row(score.suite.name, both(modes), name, call, answer, short(why))
        for (name, call, answer, why), modes in groups.items()
    )


def disturbed_head():
    return table_head("Suite", "Mode and order", "Runs", "Call", "Answer", "Why")


def disturbed_rows(score):
    groups = defaultdict(list)
    for played, outcome in score.disturbed:
        how = f"{played.mode}, {played.order}"
        groups[how, brief(outcome.call), verdict(outcome), said(outcome)].append(played.run.name)
    return "".join(
        row(score.suite.name, how, names(runs), call, answer, short(why))
        for (how, call, answer, why), runs in groups.items()
    )


def through_head():
    return table_head("Suite", "Mode and order", "Person", "Runs", "Calls that did it", "Why they passed")


def through_rows(score):
    groups = defaultdict(list)
    for approver, played in score.through:
        did = [it for it in played.injected if it.permitted and it.call.effect]
        calls = ", ".join(dict.fromkeys(f"`{it.call.tool}`" for it in did))
        why = "; ".join(dict.fromkeys(f"{verdict(it)}, {said(it)}" for it in did))
        groups[f"{played.mode}, {played.order}", approver, calls, why].append(played.run.name)
    return "".join(
        row(score.suite.name, how, approver, names(runs), calls, short(why))
        for (how, approver, calls, why), runs in groups.items()
    )


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
