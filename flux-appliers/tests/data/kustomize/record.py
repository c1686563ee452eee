#!/usr/bin/env python3
"""Asks the real program for the outcome of each case here and writes it into the case.

  record.py KUBECTL [HELM] [CASE.txt ...]      kubectl with kustomize v5.8.1, helm v4.3.1 for charts

A case is a text: lines `# build: DIR` (default .) and `# flags: FLAG ...` (for `kubectl kustomize`), then files, each
under a line `-- NAME [ATTRIBUTES] --`; attributes: crlf, bom, no-newline, repeat=N (copies, {i} is the number), bytes
(hex). What comes under `-- expected --` (what is printed) or `-- error --` (the error, the root taken out) is written
by this script.
"""
import os, re, subprocess, sys, tempfile


def sections(text):
    title, body = None, []
    for line in text.splitlines(keepends=True):
        found = re.fullmatch(r'-- (.+) --', line.rstrip())
        if found:
            yield title, ''.join(body)
            title, body = found[1], []
        else:
            body.append(line)
    yield title, ''.join(body)


def content(body, attributes):
    for attribute in attributes:
        key, _, value = attribute.partition('=')
        if key == 'crlf':
            body = body.replace('\n', '\r\n')
        elif key == 'bom':
            body = '\ufeff' + body
        elif key == 'no-newline':
            body = body.rstrip('\n')
        elif key == 'repeat':
            body = ''.join(body.replace('{i}', str(i)) for i in range(int(value)))
        elif key == 'bytes':
            return bytes.fromhex(''.join(body.split()))
        else:
            sys.exit(f'no attribute {key}')
    return body.encode()


def record(path, kubectl, helm):
    text = open(path, newline='').read()
    head = re.split(r'^-- (?:expected|error) --\n', text, flags=re.M)[0]
    with tempfile.TemporaryDirectory() as root:
        root = os.path.realpath(root)
        build, flags = '.', []
        for title, body in sections(head):
            if title is None:
                for key, value in re.findall(r'^# (build|flags): (.*)$', body, re.M):
                    if key == 'build':
                        build = value.strip()
                    else:
                        flags = value.split()
                continue
            name, *attributes = title.split()
            file = os.path.join(root, name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            open(file, 'wb').write(content(body, attributes))
        if '--enable-helm' in flags:
            flags += ['--helm-command', helm]
        made = subprocess.run([kubectl, 'kustomize', *flags, os.path.join(root, build)], capture_output=True, timeout=120)
        if made.returncode == 0:
            outcome = '-- expected --\n' + made.stdout.decode()
        else:
            error = made.stderr.decode().split('error: ', 1)[-1]
            error = re.sub(r'\b0x[0-9a-f]{6,16}\b', '0xADDR', error)
            outcome = '-- error --\n' + error.replace(root + '/', '/').replace(root, '/')
    open(path, 'w', newline='').write(head + outcome)


def main():
    kubectl, *rest = sys.argv[1:]
    cases = [one for one in rest if one.endswith('.txt')]
    helm = next((one for one in rest if not one.endswith('.txt')), 'helm')
    here = os.path.dirname(os.path.abspath(__file__))
    for path in cases or sorted(os.path.join(here, one) for one in os.listdir(here) if one.endswith('.txt')):
        record(path, kubectl, helm)


main()
