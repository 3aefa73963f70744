"""Plays runs through the gateway, with both kinds of person at the other end of its questions."""

import zlib
from collections import Counter

from agent import Agent
from score import MODES, Played, Score


def careful(call):
    """A person who approves what they wanted themselves."""
    return not call.injected


def tired(_call):
    """A person who approves whatever they are asked."""
    return True


async def play(agent, server, run, mode, approves, order=None):
    """One run, under a task of its own; what reached the server is compared with what was let through."""
    await server.play(run.calls)
    outcomes = await agent.play(server.suite, run, mode == "declared", approves)
    let_through = Counter(outcome.call.key for outcome in outcomes if outcome.permitted)
    reached = Counter(await server.reached())
    if let_through != reached:
        raise RuntimeError(f"{run.name}: let through {let_through}, and {reached} reached the server")
    return Played(run, outcomes, mode, order)


async def attacked(agent, server, run, mode, order):
    """A run with a careful person, and with a tired one where that can make a difference."""
    first = await play(agent, server, run, mode, careful, order)
    if not any(outcome.asked for outcome in first.injected):
        return first, first
    return first, await play(agent, server, run, mode, tired, order)


def sample(runs, size, name=lambda run: run.name):
    """Some of the runs, the same ones each time; which, has nothing to do with their order, since attacks take turns."""
    return sorted(runs, key=lambda run: zlib.crc32(name(run).encode()))[:size] if size else list(runs)


async def replay(operator, server, plan, progress):
    """All that `plan` asks for of one suite."""
    agent, suite = Agent(operator), server.suite
    score, can_declare = Score(suite), await agent.can_declare(suite)
    for mode in MODES:
        if mode not in plan.modes:
            continue
        if mode == "declared" and not can_declare:
            progress("there is no tool to declare a plan with: the mode `declared` is left out")
            continue
        for run in plan.honest(suite):
            score.add_honest(await play(agent, server, run, mode, careful))
        progress(f"{suite.name}, {mode}: {score.honest[mode].autonomy} autonomous")
        for order in plan.orders:
            for run in sample(plan.attacked(suite, order), plan.sample):
                score.add_attacked(*await attacked(agent, server, run, mode, order))
            figures = score.attacked[mode, order]
            progress(f"{suite.name}, {mode}, {order}: {figures.careful} careful, {figures.tired} tired")
    await agent.http.aclose()
    return score
