#!/usr/bin/env python3
"""Records what helm makes of the cases beside this script: record.py HELM [NAME…]"""
import io, os, pathlib, re, subprocess, sys, tarfile, tempfile

HERE = pathlib.Path(__file__).parent / 'cases'
MARK = re.compile(r'^-- (\S+?)( \(no newline\))? --$', re.M)


def read(text):
    """The remark and the sections of a case."""
    parts = MARK.split(text)
    sections = {}
    for path, bare, body in zip(parts[1::3], parts[2::3], parts[3::3]):
        body = body[1:]
        sections[path] = body.removesuffix('\n') if bare else body
    return parts[0], sections


def write(remark, sections):
    out = remark
    for path, body in sections.items():
        bare = body and not body.endswith('\n')
        out += f'-- {path}{" (no newline)" if bare else ""} --\n{body}' + ('\n' if bare else '')
    return out


def unpack(files, root):
    archives = {}
    for path, body in files.items():
        if '.tgz/' in path:
            archive, inner = path.split('.tgz/', 1)
            archives.setdefault(archive + '.tgz', {})[inner] = body
        else:
            at = root / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(body.encode())
    for path, inner in archives.items():
        at = root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(at, 'w:gz') as tar:
            for name, body in inner.items():
                info = tarfile.TarInfo(name)
                info.size = len(body.encode())
                tar.addfile(info, io.BytesIO(body.encode()))


def main():
    helm, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    for path in sorted(HERE.glob('*.txt')):
        if names and path.stem not in names:
            continue
        remark, sections = read(path.read_bytes().decode())
        args = sections['args'].split('\n')[:-1]
        files = {p: b for p, b in sections.items() if p not in ('args', 'out', 'err', 'exit')}
        with tempfile.TemporaryDirectory() as root:
            unpack(files, pathlib.Path(root))
            run = subprocess.run([helm, 'template', *args], cwd=root, capture_output=True, env={'HOME': root, 'PATH': ''})
            err = run.stderr.decode().replace(root, '$ROOT')
        sections = {'args': sections['args'], **files, 'out': run.stdout.decode(), 'err': err, 'exit': f'{run.returncode}\n'}
        path.write_bytes(write(remark, sections).encode())


if __name__ == '__main__':
    main()
