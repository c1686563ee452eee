#!/usr/bin/env python3
"""Fills in what helm v4.3.1 makes of each row: record.py HELM [--all] FILE.jsonl...

A row is {"f": function, "t": text of NOTES.txt} and gains "out" or "err". "zone" sets TZ. Rows with "out" or "err" are
left alone unless --all is given.
"""
import json, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SET = ["--set", "i64=42,setlist={a,b}"]
MARK = "\x1e"


def render(helm, notes, zone):
    with tempfile.TemporaryDirectory() as work:
        chart = os.path.join(work, "c")
        shutil.copytree(os.path.join(HERE, "chart"), chart)
        with open(os.path.join(chart, "templates", "NOTES.txt"), "w", newline="") as f:
            f.write(notes)
        done = subprocess.run(
            [helm, "install", "c", chart, "--dry-run=client", "-o", "json", "-f", os.path.join(HERE, "values.yaml"), *SET],
            capture_output=True, env={"TZ": zone, "HOME": work, "PATH": "/nowhere"}, timeout=30)
        if done.returncode == 0:
            return json.loads(done.stdout)["info"].get("notes", ""), None
        error = done.stderr.decode("utf-8", "replace")
        lines = [l for l in error.split("\n") if not l.startswith("level=")]
        return None, "\n".join(lines).removeprefix("Error: INSTALLATION FAILED: ").rstrip("\n")


def fill(helm, rows):
    """Renders the rows together, one a line; a row that fails is recorded and left out of the next try."""
    zone = rows[0].get("zone", "UTC")
    pending = list(rows)
    while pending:
        out, error = render(helm, (MARK + "\n").join(row["t"] for row in pending), zone)
        if error is None:
            parts = out.split(MARK + "\n")
            assert len(parts) == len(pending), out
            for row, part in zip(pending, parts):
                row["out"] = part
            return
        place = re.search(r"NOTES\.txt:(\d+)", error)
        if len(pending) > 1 and (not place or "parse error" in error):
            # It failed in another template, or may not be the row it names: find out for which half.
            half = len(pending) // 2
            fill(helm, pending[:half])
            fill(helm, pending[half:])
            return
        at = int(place[1]) - 1 if len(pending) > 1 else 0
        if len(pending) > 1:
            error = error.replace(f"NOTES.txt:{at + 1}", "NOTES.txt:1")
        pending.pop(at)["err"] = error


def alone(row):
    """Whether a row could change what its neighbours see."""
    words = ("set ", "merge", "unset", ":=", "define", "Merge", "Overwrite", "\n", "\x1e")
    return "zone" in row or any(word in row["t"] for word in words)


def main():
    arguments = sys.argv[1:]
    helm = arguments.pop(0)
    everything = "--all" in arguments
    for path in (a for a in arguments if a != "--all"):
        with open(path, newline="\n") as f:
            rows = [json.loads(line) for line in f.read().split("\n") if line]
        todo = [row for row in rows if everything or ("out" not in row and "err" not in row)]
        for row in todo:
            row.pop("out", None), row.pop("err", None)
        groups, current = [], []
        for row in todo:
            if alone(row):
                groups.append([row])
                continue
            current.append(row)
            if len(current) == 48:
                groups.append(current)
                current = []
        if current:
            groups.append(current)
        with ThreadPoolExecutor(3) as pool:
            for _ in pool.map(lambda group: fill(helm, group), groups):
                pass
        with open(path, "w", newline="\n") as f:
            f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        print(f"{path}: {len(todo)} of {len(rows)} recorded")


if __name__ == "__main__":
    main()
