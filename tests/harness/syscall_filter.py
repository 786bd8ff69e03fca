"""The system-call filter of the systemd unit, for a daemon that systemd doesn't start.

What the unit forbids kills the process here, where systemd makes it an error: a call that
is missed by nobody would not be noticed otherwise."""

import re
import struct
import subprocess

# linux/bpf_common.h, linux/seccomp.h, linux/audit.h
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, MACHINE_AT = 0, 4  # in struct seccomp_data
KILL, ALLOW = 0x80000000, 0x7FFF0000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def groups():
    """All of systemd's groups: what stands in each, other groups included."""
    said = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"],
        capture_output=True,  # it warns where the kernel's own list can't be read
        text=True,
        env={"SYSTEMD_COLORS": "0", "PATH": "/usr/bin:/bin"},
    )
    assert said.returncode == 0, said.stderr
    found = {}
    for line in said.stdout.splitlines():
        if line.startswith("@"):
            members = found.setdefault(line.strip(), [])
        elif re.fullmatch(r"\s+[@\w-]+", line):
            members.append(line.strip())
    assert "@system-service" in found and "@default" in found
    return found


def allowed(unit):
    """The names of the calls that a unit's text allows, later lines after earlier ones. The
    first must be a list of what is allowed; then systemd adds @default."""
    known = groups()

    def names(word):
        if not word.startswith("@"):
            return {word}
        return {name for member in known[word] for name in names(member)}

    lines = re.findall(r"^SystemCallFilter=(~?)(.+)$", unit, re.MULTILINE)
    assert lines and not lines[0][0]
    result = names("@default")
    for denied, words in lines:
        listed = {name for word in words.split() for name in names(word)}
        result = result - listed if denied else result | listed
    return result


def numbers():
    """The C library's calls, by name."""
    said = subprocess.run(
        ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = re.findall(r"^#define __NR_(\w+) (\d+)$", said.stdout, re.MULTILINE)
    return {name: int(number) for name, number in found}


def ranges(values):
    """[(first, behind the last)...], in order."""
    found = []
    for value in sorted(values):
        if found and found[-1][1] == value:
            found[-1] = found[-1][0], value + 1
        else:
            found.append((value, value + 1))
    return found


def program(machine, names):
    """As the kernel takes it: an array of struct sock_filter. Each end of a range decides,
    so that one comparison for each will do."""
    known = numbers()
    code = [
        (LOAD, 0, 0, MACHINE_AT),
        (EQUAL, 1, 0, MACHINES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    for first, behind in reversed(ranges(known[name] for name in names if name in known)):
        for bound, verdict in ((behind, KILL), (first, ALLOW)):
            code += [(AT_LEAST, 0, 1, bound), (RETURN, 0, 0, verdict)]
    code.append((RETURN, 0, 0, KILL))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
