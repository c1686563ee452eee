#!/usr/bin/env python3
"""Races fluxrs against git: one commit of a repository of 10,000 files, fetched from a git daemon, again and again.

usage: race/sources/clone.py FLUXRS [ROUNDS]

git clones with --depth 1 and writes the files; fluxrs fetches them into memory, digests them and lists them. Both take turns
within one run, so that whatever else the machine does hits both.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 10_000


def repository(work):
    """A repository with one packed commit."""
    git = ["git", "-C", str(work)]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(work)], check=True)
    lines = ["commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 1\nx\n"]
    for i in range(FILES):
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{i}\ndata:\n" + "".join(
            f"  key-{j}: value {i * j % 997} of {i}\n" for j in range(40)
        )
        lines.append(f"M 644 inline apps/{i % 100:02}/app-{i:05}.yaml\ndata {len(text)}\n{text}\n")
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(lines).encode(), check=True)
    subprocess.run([*git, "repack", "-adq"], check=True)


def timed(command, **options):
    start = time.monotonic()
    subprocess.run(command, check=True, **options)
    return time.monotonic() - start


def main():
    fluxrs, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        repository(root / "app")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # The daemon itself and not `git daemon`, which would leave it behind when it is ended.
        parts = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
        daemon = subprocess.Popen(
            [f"{parts}/git-daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={root}"]
        )
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.05)
            url = f"git://127.0.0.1:{port}/app/.git"
            clone, fetch = [], []
            for _ in range(rounds):
                clone.append(timed(["git", "clone", "--quiet", "--depth", "1", url, str(root / "clone")]))
                shutil.rmtree(root / "clone")
                fetch.append(
                    timed(
                        [fluxrs, "source", "git", "--url", url, "--branch", "main", "-o", "json"],
                        stdout=subprocess.DEVNULL,
                    )
                )
        finally:
            daemon.terminate()
            daemon.wait()
    ours, theirs = statistics.median(fetch), statistics.median(clone)
    print(f"git clone --depth 1: median {theirs * 1000:.0f} ms of {rounds} (best {min(clone) * 1000:.0f})")
    print(f"fluxrs source git:   median {ours * 1000:.0f} ms of {rounds} (best {min(fetch) * 1000:.0f})")
    print(f"ratio of medians: {ours / theirs:.2f}")


main()
