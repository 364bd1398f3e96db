"""Compares a calculator with PyPI's litellm on random calls, and explains every difference.

    make test-prices                                        the full run
    python3 differential.py --calculator PROGRAM --cases 4000 --seed 1

The calculator reads lines of cost-map/RULES.md, section 10, on its standard input and writes answers. Both sides use cost-map/prices.json.
A difference is explained by one or more entries of differences.json: each has a function in
explanations.py that turns the calculator's bill into what litellm bills for that reason, and the result must be
litellm's figure. What is equal neither as it is nor after that fails the run.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
from decimal import Decimal

import explanations
import peer
from cases import TWICE, Case

HERE = pathlib.Path(__file__).resolve().parent
COST_MAP = HERE.parent.parent / "cost-map"
# Floats against exact decimals: what may be lost on the way.
TOLERANCE = Decimal("1e-12")
CHUNK = 20_000
# Not 0, which would make free what the price stands in for, too; and so small that it does not show.
NEARLY_FREE = "0.0000000000000000000000001"
TOKEN_KEYS = ("input_cost_per_token", "output_cost_per_token")
TOGETHER_MAX = 3


def main():
    arguments = read_arguments()
    explanations.check()
    text = (COST_MAP / "prices.json").read_text(encoding="utf-8")
    prices = json.loads(text)
    peer.load(prices)
    check_version()
    exact = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    table = collections.defaultdict(collections.Counter)
    unexplained = []
    names = sorted(name for name in prices if not TWICE.match(name))
    for start in range(0, arguments.cases, CHUNK):
        numbers = range(start, min(start + CHUNK, arguments.cases))
        cases = []
        for number in numbers:
            name = names[number % len(names)]
            cases.append(Case(name, prices[name], f"{arguments.seed}:{number}"))
        answers = ask_calculator(arguments.calculator, cases)
        free = ask_again(arguments.calculator, cases, answers)
        for case, answer in zip(cases, answers, strict=True):
            case.entry = exact.get(answer.get("map_entry")) or exact[case.name]
            theirs = peer.cost(case)
            verdict = judge(case, answer, theirs, free.get(id(case)))
            row = table[case.mode]
            row["cases"] += 1
            if verdict is None:
                row["unexplained"] += 1
                unexplained.append((case, answer, theirs))
            for mark in verdict or ():
                row[mark] += 1
    print_table(table)
    if arguments.dump:
        dump(unexplained, arguments.dump)
    for case, answer, theirs in unexplained[: arguments.show]:
        print(f"\n{json.dumps(case.line)}\n  calculator: {json.dumps(answer)}\n  litellm:    {theirs!r}")
    if unexplained:
        sys.exit(f"{len(unexplained)} differences that nothing explains")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calculator", required=True, help="a program that reads calls and writes answers")
    parser.add_argument("--cases", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10, help="how many unexplained differences to print")
    parser.add_argument("--dump", help="a file for all of them, one JSON object a line")
    return parser.parse_args()


def check_version():
    from importlib.metadata import version

    wanted = json.loads((COST_MAP / "prices.meta.json").read_text(encoding="utf-8"))["litellm"]
    if version("litellm") != wanted:
        sys.exit(f"litellm {version('litellm')} is installed, prices.json is of {wanted}: make venv")


def ask_calculator(program, cases):
    return ask_lines(program, [case.line for case in cases])


def ask_lines(program, lines):
    lines = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, timeout=600)
    return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


def close(ours, theirs):
    return abs(ours - theirs) <= max(TOLERANCE * max(abs(ours), abs(theirs)), Decimal("1e-17"))


def ask_again(program, cases, answers):
    """What unpriced calls cost if the token prices that are missing were next to nothing, by case."""
    again, lines = [], []
    for case, answer in zip(cases, answers, strict=True):
        if answer.get("status") != "unpriced":
            continue
        missing = [key for key in TOKEN_KEYS if key not in case.entry]
        if case.mode not in explanations.UNIT_MODES and missing:
            again.append(case)
            lines.append(case.line | {"prices": dict.fromkeys(missing, NEARLY_FREE)})
    found = ask_lines(program, lines)
    return {id(case): answer for case, answer in zip(again, found, strict=True)}


def judge(case, answer, theirs, free):
    """`("equal",)`, the ids that explain the difference, or `None`."""
    if "error" in answer:
        return None
    unpriced, raised = answer["status"] == "unpriced", isinstance(theirs, Exception)
    if unpriced and raised:
        return ("equal",)
    if raised:
        return explanations.of_error(case, theirs)
    theirs = Decimal(theirs)
    if unpriced and free is None:
        return explanations.of_unpriced(case, theirs)
    bill = explanations.read((free or answer)["line_items"])
    if close(explanations.total(bill), theirs):
        return ("no-price-is-free",) if unpriced else ("equal",)
    ids = explain(case, bill, theirs)
    return ("no-price-is-free", *ids) if unpriced and ids else ids


def explain(case, bill, theirs):
    """The fewest differences that together lead from the bill to litellm's figure."""
    bills = [((), bill)]
    for _ in range(TOGETHER_MAX):
        longer = []
        for ids, lines in bills:
            for name, change in explanations.FUNCTIONS.items():
                changed = None if name in ids else change(case, lines)
                if changed is None or changed == lines:
                    continue
                if close(explanations.total(changed), theirs):
                    return (*ids, name)
                longer.append(((*ids, name), changed))
        bills = longer
    return None


def print_table(table):
    marks = sorted({mark for row in table.values() for mark in row} - {"cases", "equal", "unexplained"})
    print(f"{'mode':22}{'cases':>9}{'equal':>9}{'explained':>11}{'unexplained':>13}")
    total = collections.Counter()
    for mode, row in sorted(table.items()):
        total.update(row)
        print_row(mode, row)
    print_row("all", total)
    print()
    for mark in marks:
        modes = ", ".join(f"{mode} {row[mark]}" for mode, row in sorted(table.items()) if row[mark])
        print(f"{mark:32}{total[mark]:>9}   {modes}")


def print_row(mode, row):
    explained = row["cases"] - row["equal"] - row["unexplained"]
    print(f"{mode:22}{row['cases']:>9}{row['equal']:>9}{explained:>11}{row['unexplained']:>13}")


def dump(unexplained, path):
    with open(path, "w", encoding="utf-8") as file:
        for case, answer, theirs in unexplained:
            row = {
                "name": case.name,
                "mode": case.mode,
                "provider": case.provider,
                "line": case.line,
                "ask": case.ask,
                "answer": answer,
                "theirs": repr(theirs),
                "total": str(sum((Decimal(item["amount"]) for item in answer.get("line_items", [])), Decimal(0))),
            }
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
