"""Runs programs and says what they took, without what the harness itself takes.

A process inherits the peak memory of the one that starts it, and pays for the pages that they share. So the programs are
started by a helper that imports nothing: an interpreter of a few megabytes, less than any program that is raced here.
"""
import subprocess, sys

HELPER = r'''
import posix, sys, time
line = sys.stdin.buffer
while True:
    head = line.readline()
    if not head:
        break
    count, folder = head.rstrip(b"\n").split(b" ", 1)
    argv = [line.readline().rstrip(b"\n").replace(b"\0", b"\n") for _ in range(int(count))]
    posix.chdir(folder)
    read, write = posix.pipe()
    null = posix.open("/dev/null", posix.O_RDWR)
    start = time.perf_counter()
    actions = [(posix.POSIX_SPAWN_DUP2, null, 0), (posix.POSIX_SPAWN_DUP2, write, 1), (posix.POSIX_SPAWN_DUP2, null, 2),
               (posix.POSIX_SPAWN_CLOSE, read)]
    pid = posix.posix_spawn(argv[0], argv, posix.environ, file_actions=actions)
    posix.close(write)
    posix.close(null)
    size = 0
    while True:
        part = posix.read(read, 1 << 20)
        if not part:
            break
        sys.stdout.buffer.write(b"%d\n" % len(part) + part)
    posix.close(read)
    _, status, usage = posix.wait4(pid, 0)
    wall = time.perf_counter() - start
    sys.stdout.buffer.write(b"0\n%d %f %f %d\n" % (status, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))
    sys.stdout.buffer.flush()
'''


class Runner:
    """Runs one program after the other."""

    def __init__(self):
        self.helper = subprocess.Popen([sys.executable, '-I', '-S', '-c', HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, argv, folder):
        """What a program printed, or None where it failed; its time on the clock and of the processor in seconds, and its
        peak memory in bytes."""
        lines = [f'{len(argv)} {folder}'] + [arg.replace('\n', '\0') for arg in argv]
        self.helper.stdin.write('\n'.join(lines).encode() + b'\n')
        self.helper.stdin.flush()
        parts = []
        while size := int(self.helper.stdout.readline()):
            parts.append(self.helper.stdout.read(size))
        status, wall, cpu, peak = self.helper.stdout.readline().split()
        return (b''.join(parts) if status == b'0' else None), float(wall), float(cpu), int(peak)
