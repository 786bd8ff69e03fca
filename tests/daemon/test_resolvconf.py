"""resolv.conf, read as glibc reads it, and watched."""

import os
import shutil
import socket
import stat
import subprocess

import pytest

from harness import resolvconf
from harness.proc import wait_until
from harness.resolvconf import NOBODY, RESOLV_CONF, Found, Watcher, ask_helper

A, B, C = b"nameserver 192.0.2.1\n", b"nameserver 192.0.2.2\n", b"nameserver ::1\n"
LONG = 5000

# Files that have servers.
SERVERS = {
    "one": A,
    "two": A + B,
    "three": A + B + C,
    "four": A + B + C + b"nameserver 192.0.2.4\n",
    "ten": b"".join(b"nameserver 192.0.2.%d\n" % i for i in range(10)),
    "the same one": A + A + B,
    "the same one three times": A + A + A + B,
    "a bad one before three": b"nameserver x\n" + A + B + C,
    "a bad one among four": A + B + b"nameserver x\n" + C + b"nameserver ::2\n",
    "loopback": b"nameserver 127.0.0.1\n",
    "systemd-resolved": b"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n",
    "no newline": A + b"nameserver 192.0.2.2",
    "empty lines": b"\n\n" + A + b"\n\n" + B + b"\n",
    "comments": b"# one\n; two\n#nameserver 192.0.2.9\n" + A + b"#",
    "comment behind": b"nameserver 192.0.2.1 # ours\n",
    "text behind": b"nameserver 192.0.2.1 192.0.2.2\n",
    "blanks behind": b"nameserver 192.0.2.1  \t \n",
    "carriage return behind a blank": b"nameserver 192.0.2.1 \r\n",
    "tab": b"nameserver\t192.0.2.1\n",
    "tabs and blanks": b"nameserver \t \t192.0.2.1\t\t# x\n",
    "search": b"search a.example b.example\n" + A,
    "search after": A + b"search a.example\n",
    "domain": b"domain a.example\n" + A,
    "both, and twice": b"domain a\nsearch b\ndomain c\nsearch d e f g h i j\n" + A,
    "search without names": b"search \n" + A,
    "sortlist": b"sortlist 192.0.2.0/255.255.255.0\n" + A,
    "bad sortlist": b"sortlist x\n" + A,
    "options": b"options ndots:3 timeout:1 attempts:2 rotate\n" + A,
    "use-vc": b"options use-vc\n" + A,
    "options after": A + b"options no-aaaa edns0 trust-ad single-request\n",
    "options without": b"options\noptions \n" + A,
    "unknown options": b"options nonsense ndots:x timeout:-1 :::\n" + A,
    "no-reload": b"options no-reload inet6 no-tld-query\n" + A,
    "unknown keywords": b"lookup file bind\nfamily inet4\nport 5353\n" + A,
    "another keyword that begins so": b"nameservers 192.0.2.9\n" + A,
    "keyword without a blank": b"nameserver192.0.2.9\n" + A,
    "keyword alone": b"nameserver\n" + A,
    "keyword and blanks": b"nameserver  \t \n" + A,
    "leading blanks, then one": b" nameserver 192.0.2.9\n" + A,
    "upper case, then one": b"NAMESERVER 192.0.2.9\n" + A,
    "BOM, then one": b"\xef\xbb\xbfnameserver 192.0.2.9\n" + A,
    "CRLF, then one": b"nameserver 192.0.2.9\r\n" + A,
    "CRLF around": b"search a.example\r\n" + A + b"options rotate\r\n",
    "host name, then one": b"nameserver dns.example\n" + A,
    "port, then one": b"nameserver 192.0.2.9:53\n" + A,
    "brackets, then one": b"nameserver [::1]\nnameserver [::1]:53\n" + A,
    "127.1": b"nameserver 127.1\n",
    "127.0.1": b"nameserver 127.0.1\n",
    "a number": b"nameserver 3221225985\n",
    "the largest number": b"nameserver 4294967295\n",
    "hexadecimal": b"nameserver 0xc0.0X0.2.0x01\n",
    "octal": b"nameserver 0300.00.02.01\n",
    "leading zeros": b"nameserver 192.000.002.001\n",
    "all zero": b"nameserver 0.0.0.0\n",
    "0": b"nameserver 0\n",
    "all zero and loopback": b"nameserver 0.0.0.0\nnameserver 127.0.0.1\n" + A,
    "broadcast": b"nameserver 255.255.255.255\n",
    "IPv4 out of range, then one": b"nameserver 192.0.2.256\nnameserver 1.2.3.4.5\n" + A,
    "IPv4 and a dot, then one": b"nameserver 192.0.2.1.\n" + A,
    "bad octal, then one": b"nameserver 09.0.0.1\nnameserver 0x.1\n" + A,
    "signs, then one": b"nameserver -1\nnameserver +1\n" + A,
    "IPv6": b"nameserver 2001:db8::1\n",
    "IPv6 in capitals": b"nameserver 2001:DB8::ABCD\n",
    "IPv6, all groups": b"nameserver 2001:db8:0:0:0:0:0:1\n",
    "IPv6, mixed": A + b"nameserver 2001:db8::1\n" + B + C,
    "IPv6 only": b"nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver ::4\n",
    "::": b"nameserver ::\n",
    ":: and ::1": b"nameserver ::\nnameserver ::1\n",
    "mapped": b"nameserver ::ffff:192.0.2.1\n",
    "mapped and not": b"nameserver ::ffff:192.0.2.1\n" + A,
    "bad IPv6, then one": b"nameserver :::1\nnameserver 1:2\nnameserver 12345::\n" + A,
    "zone": b"nameserver fe80::53%lo\n",
    "zone, tab": b"nameserver\tfe80::53%lo\ttext\n",
    "zone by number": b"nameserver fe80::53%1\n",
    "zone by number, zeros": b"nameserver fe80::53%0001\n",
    "zone with an alias": b"nameserver fe80::53%lo:1\n",
    "two zones": b"nameserver fe80::53%lo\nnameserver fe80::54%1\n",
    "the same zone": b"nameserver fe80::53%lo\nnameserver fe80::53%1\n" + A,
    "zone of a multicast address": b"nameserver ff02::53%lo\n",
    "no such zone, then one": b"nameserver fe80::53%nosuch0\n" + A,
    "no such number, then one": b"nameserver fe80::53%99\nnameserver fe80::53%-1\n" + A,
    "number too large, then one": b"nameserver fe80::53%4294967297\n" + A,
    "empty zone, then one": b"nameserver fe80::53%\n" + A,
    "no zone, then one": b"nameserver fe80::53\n" + A,
    "no zone is one of three": b"nameserver fe80::53\n" + A + B + C,
    "two percent signs, then one": b"nameserver fe80::53%lo%lo\n" + A,
    "zone and CRLF, then one": b"nameserver fe80::53%lo\r\n" + A,
    "zone that isn't needed": b"nameserver 2001:db8::1%lo\n",
    "number that isn't needed": b"nameserver 2001:db8::1%1\n",
    "zone that isn't needed, CRLF": b"nameserver 2001:db8::1%\r\n",
    "zone of IPv4, then one": b"nameserver 192.0.2.9%lo\n" + A,
    "zone alone, then one": b"nameserver %lo\n" + A,
    "NUL behind": b"nameserver 192.0.2.1\0garbage\n" + B,
    "NUL behind a blank": b"nameserver 192.0.2.1 \0\n" + B,
    "NUL before": b"\0" + A + B,
    "NUL in the keyword": b"name\0server 192.0.2.9\nnameserver\0 192.0.2.9\n" + B,
    "NUL for an address": b"nameserver \0" + A + B,
    "NUL in an address": b"nameserver 192.0\0.2.1\n" + B,
    "NULs at the end": A + b"\0" * 100,
    "binary": bytes(range(256)) + b"\n" + A,
    "UTF-8": "# für uns\nsearch bücher.example\n".encode() + A,
    "Latin-1": b"# f\xfcr uns\n" + A,
    "vertical tab, form feed, then one": b"nameserver ::1\v\nnameserver ::1\f\n" + A,
    "vertical tab before, then one": b"nameserver \v192.0.2.9\n" + A,
    "no-break space, then one": b"nameserver\xc2\xa0192.0.2.9\n" + A,
    "a long comment": b"#" + b"x" * LONG + b"\n" + A,
    "a long search": b"search" + b" a.example" * LONG + b"\n" + A,
    "long options": b"options" + b" rotate" * LONG + b"\n" + A,
    "many blanks": b"nameserver" + b" " * LONG + b"192.0.2.1" + b"\t" * LONG + b"\n" + B,
    "a long word, then one": b"nameserver " + b"1" * LONG + b"\n" + A,
    "a long zone": b"nameserver 2001:db8::1%" + b"1" * LONG + b"\n" + A,
    "many comments": b"# x\n" * LONG + A,
    "backslash": b"nameserver 192.0.2.9\\\n" + A,
    "quotes, then one": b'nameserver "192.0.2.9"\n' + A,
    "comma, then one": b"nameserver 192.0.2.9,192.0.2.8\n" + A,
    "equals sign, then one": b"nameserver = 192.0.2.9\n" + A,
}

# Files that have none: glibc asks 127.0.0.1 then.
NOTHING = {
    "empty": (b"", "no nameserver line"),
    "newline": (b"\n", "no nameserver line"),
    "only comments": (b"# nameserver 192.0.2.1\n;x\n", "no nameserver line"),
    "only options": (b"options use-vc\nsearch a.example\n", "no nameserver line"),
    "only NUL": (b"\0" * 1000, "no nameserver line"),
    "UTF-16": ("\ufeffnameserver 192.0.2.1\n".encode("utf-16-le"), "no nameserver line"),
    "only BOM": (b"\xef\xbb\xbfnameserver 192.0.2.1\n", "no usable nameserver line"),
    "only CRLF": (A[:-1] + b"\r\n" + C[:-1] + b"\r\n", "no usable nameserver line"),
    "only CR": (A[:-1] + b"\r" + C[:-1] + b"\r", "no usable nameserver line"),
    "only upper case": (A.upper(), "no usable nameserver line"),
    "only capital letter": (A.capitalize(), "no usable nameserver line"),
    "only leading blanks": (b"\t" + A + b"  " + B, "no usable nameserver line"),
    "only a name": (b"nameserver dns.example\n", "no usable nameserver line"),
    "only a port": (b"nameserver 10.9.9.9:53\n", "no usable nameserver line"),
    "only the keyword": (b"nameserver", "no usable nameserver line"),
}


@pytest.fixture
def etc(lab):
    path = lab.dir / "etc"
    path.mkdir()
    return path


@pytest.fixture
def write(etc):
    def write(text):
        (etc / "resolv.conf").write_bytes(text)

    return write


def as_glibc(etc, **options):
    found = ask_helper("libc", etc=etc, network=True, **options)
    assert found.servers, found
    return found.servers


def as_read(etc, **options):
    return ask_helper("read", RESOLV_CONF, etc=etc, network=True, **options)


def meant(servers):
    """What glibc's list comes to. The kernel takes 0.0.0.0 and :: for this host, looks at
    the zone of a link-local address only, and can't send there without one; "lo", number
    1, is the only interface. A server that is there twice is one server."""
    said = []
    for server in servers:
        ip, _, zone = server.partition("%")
        ip = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip)
        if ip.startswith(("fe80:", "ff02:")):
            if zone != "1":
                continue
            ip += "%1"
        if ip not in said:
            said.append(ip)
    return tuple(said)


@pytest.mark.parametrize("name", SERVERS)
def test_servers(etc, write, name):
    write(SERVERS[name])
    found = as_read(etc)
    assert found.servers == meant(as_glibc(etc)), found
    assert found.servers and not found.why


@pytest.mark.parametrize("name", NOTHING)
def test_nothing(etc, write, name):
    text, why = NOTHING[name]
    write(text)
    assert as_glibc(etc) == ("127.0.0.1",)
    found = as_read(etc)
    assert (found.servers, found.why) == ((), why)
    assert bool(found.unusable) == ("usable" in why)


def test_no_packet_goes_to_a_link_local_address_without_a_zone():
    """So that leaving it out is what it comes to."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        with pytest.raises(OSError, match="Invalid argument"):
            s.connect(("fe80::53", 53, 0, 0))


ZONES = {
    "nosuch0": "there is no such interface",
    "99": "there is no such interface",
    "": "a link-local address needs its interface, as in fe80::1%eth0",
}


@pytest.mark.parametrize("zone", ZONES)
def test_only_a_link_local_server_that_has_no_interface(etc, write, zone):
    """glibc has it, and could never send to it."""
    write(b"# x\nnameserver fe80::53%" + zone.encode() + b"\n")
    assert meant(as_glibc(etc)) == ()
    expected = Found((), "no usable nameserver line", f"1 2 {ZONES[zone]}")
    assert as_read(etc) == expected


def test_the_first_unusable_line_is_named(etc, write):
    write(A + b"nameserver fe80::1%nosuch0\nnameserver x\nnameserver y\n")
    found = as_read(etc)
    assert found.unusable == "3 2 there is no such interface"
    write(A + b"nameserver x\nnameserver fe80::1%nosuch0\n")
    assert as_read(etc).unusable == "2 2 expected a numeric IP address"


# What isn't a file; each is given the path of resolv.conf.
MISSING = "No such file or directory"
MADE = {
    "absent": (lambda path: None, MISSING),
    "dangling link": (lambda path: path.symlink_to("nowhere"), MISSING),
    "loop": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "below a file": (lambda path: path.symlink_to("/proc/uptime/x"), "Not a directory"),
    "device": (lambda path: path.symlink_to("/dev/null"), "not a regular file"),
}


@pytest.mark.parametrize("name", MADE)
def test_not_a_file(etc, name):
    make, why = MADE[name]
    make(etc / "resolv.conf")
    assert as_glibc(etc) == ("127.0.0.1",)
    assert as_read(etc) == Found((), why)


def test_directory(etc):
    """No program that uses glibc resolves anything."""
    (etc / "resolv.conf").mkdir()
    assert ask_helper("libc", etc=etc) == Found((), "Is a directory")
    assert as_read(etc) == Found((), "Is a directory")


def test_unreadable(lab, etc, write):
    """Not as root; the checkout may be where nobody else can go."""
    helper = shutil.copy(resolvconf.HELPER, lab.dir)
    write(A)
    (etc / "resolv.conf").chmod(0)
    options = {"user": NOBODY, "helper": helper}
    assert as_glibc(etc, **options) == ("127.0.0.1",)
    assert as_read(etc, **options) == Found((), "Permission denied")


def test_a_sortlist_that_glibc_never_gets_past(etc, write):
    write(b"sortlist x/y\n" + A)
    assert as_read(etc) == Found(("192.0.2.1",))


def test_link(etc):
    (etc / "run").mkdir()
    (etc / "run/resolv.conf").write_bytes(A)
    (etc / "resolv.conf").symlink_to("run/resolv.conf")
    assert as_read(etc).servers == as_glibc(etc) == ("192.0.2.1",)


def test_fifo(etc):
    """glibc waits for somebody to write."""
    os.mkfifo(etc / "resolv.conf")
    assert as_read(etc) == Found((), "not a regular file")


def test_socket(etc):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(etc / "resolv.conf"))
    assert as_read(etc) == Found((), "No such device or address")


@pytest.mark.parametrize("more", [0, 1])
def test_size(etc, write, more):
    """64 KiB are read, and nothing of more."""
    write(A + b"#" * (65536 - len(A) + more))
    found = as_read(etc)
    assert found == (Found((), "larger than 64 KiB") if more else Found(("192.0.2.1",)))


# The watch


@pytest.fixture
def watched(lab, etc):
    """Starts to watch etc/resolv.conf, which has this text, or None."""

    def watched(text):
        path = etc / "resolv.conf"
        if text is not None:
            path.write_bytes(text)
        return path, lab.run(Watcher(lab.dir, path))

    return watched


def rename_over(path, text):
    new = path.with_suffix(".new")
    new.write_bytes(text)
    new.rename(path)


def test_change_in_place(watched):
    path, watcher = watched(A)
    for n, text in enumerate((B, A, B + A, B), 2):
        # As long as before, and perhaps within the same tick of the clock.
        path.write_bytes(text)
        expected = tuple(line.split()[1].decode() for line in text.splitlines())
        assert watcher.wait_for(n) == Found(expected)


def test_change_by_rename(watched):
    path, watcher = watched(A)
    rename_over(path, B)
    assert watcher.wait_for(2) == Found(("192.0.2.2",))
    rename_over(path, C)
    assert watcher.wait_for(3) == Found(("::1",))


def test_times_are_put_back(watched):
    path, watcher = watched(A)
    before = path.stat()
    path.write_bytes(B)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat()[stat.ST_SIZE] == before.st_size
    assert watcher.wait_for(2) == Found(("192.0.2.2",))


def test_link_is_switched(etc, watched):
    """By rename, as resolvconf and systemd-resolved do, and what it names changes."""
    (etc / "one").write_bytes(A)
    (etc / "two").write_bytes(B)
    (etc / "resolv.conf").symlink_to("one")
    path, watcher = watched(None)
    assert watcher.wait_for(1) == Found(("192.0.2.1",))
    (etc / "new").symlink_to("two")
    (etc / "new").rename(path)
    assert watcher.wait_for(2) == Found(("192.0.2.2",))
    rename_over(etc / "two", C)
    assert watcher.wait_for(3) == Found(("::1",))


def test_file_appears_and_disappears(watched):
    path, watcher = watched(None)
    missing = Found((), MISSING)
    assert watcher.wait_for(1) == missing
    path.write_bytes(A)
    assert watcher.wait_for(2) == Found(("192.0.2.1",))
    path.unlink()
    assert watcher.wait_for(3) == missing
    path.write_bytes(b"")
    assert watcher.wait_for(4) == Found((), "no nameserver line")
    path.unlink()
    path.mkdir()
    assert watcher.wait_for(5) == Found((), "Is a directory")
    path.rmdir()
    path.write_bytes(A + b"nameserver x\n")
    unusable = "1 2 expected a numeric IP address"
    assert watcher.wait_for(6) == Found(("192.0.2.1",), unusable=unusable)


def test_what_yields_the_same_is_no_change(watched):
    """Each of these alone would be one change too many."""
    path, watcher = watched(A + B)
    for text in (A + B + b"options rotate\n", b"# x\n" + A + B, A + A + B):
        rename_over(path, text)
        looks = wait_for_looks(watcher, 3)
        assert looks and len(watcher.found()) == 1
    rename_over(path, B + A)
    assert watcher.wait_for(2) == Found(("192.0.2.2", "192.0.2.1"))


def wait_for_looks(watcher, n):
    """Until it has slept and worked so many times, as the kernel counts them."""

    def switches():
        with open(f"/proc/{watcher.pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return int(lines["voluntary_ctxt_switches"])

    before = switches()
    return wait_until(lambda: switches() >= before + n, "the watch to look")


def test_interface_appears_and_disappears(lab, etc):
    """The file stays as it is."""
    (etc / "resolv.conf").write_bytes(b"nameserver fe80::53%omx0\n")
    prefix = ["unshare", "--net"]
    watcher = lab.run(Watcher(lab.dir, etc / "resolv.conf", prefix))
    assert watcher.wait_for(1).why == "no usable nameserver line"

    def ip(*words):
        enter = ["nsenter", "--net", "--target", str(watcher.pid)]
        subprocess.run([*enter, "ip", "link", *words], check=True)

    ip("add", "omx0", "type", "veth", "peer", "name", "omx1")
    (server,) = watcher.wait_for(2).servers
    assert server.startswith("fe80::53%")
    ip("del", "omx0")
    assert watcher.wait_for(3).why == "no usable nameserver line"
