"""Whoever controls the daemon's answers can't make Exim do anything but route to
addresses, wait or bounce."""

import pytest

from .faulty import CLOSE, Act, Faulty


class Oracle:
    """An Exim, and the answer that it gets next."""

    def __init__(self, lab, net, make_exim, **options):
        self.answer = b""
        self.trace = lab.dir / "trace"
        self.trace.mkdir(mode=0o777)
        self.trace.chmod(0o777)
        path = lab.dir / "s"
        net.run(Faulty("readsocket", path, lambda key: Act(self.answer, CLOSE)))
        self.exim = make_exim(path, **options)

    def ask(self, answer):
        """{trace} in the answer is a file that no answer may make."""
        answer = answer.replace("{trace}", f"{self.trace}/x")
        self.answer = answer.encode("latin-1")
        verdict = self.exim.route("user@foo.example")
        assert not list(self.trace.iterdir()), answer
        assert "evil" not in verdict.text.split("onion route: ")[0]
        return verdict


@pytest.fixture
def oracle(lab, net, make_exim):
    return Oracle(lab, net, make_exim)


RUN = "${run{/usr/bin/touch {trace}}}"

# In route_data a space ends the host list, but not in quotes.
QUOTED = f'"{RUN}"'
WRITE = "${readsocket{inet:127.0.0.1:1}{x}{1s}{}{${run{/usr/bin/touch {trace}}}}}"


def all_wait(oracle, *answers):
    for answer in answers:
        verdict = oracle.ask(answer)
        assert verdict.outcome == "deferred", (answer, verdict.text)
        assert 'onion route: bad answer "' in verdict.text, (answer, verdict.text)


def test_options_after_the_host(oracle):
    """The second word of route_data can name a transport, or how to look up."""
    words = ("discard", "plain_smtp", "byname", "bydns", "randomize", "ipv4_only", ";")
    all_wait(oracle, *(f"OK 10.192.0.5 {word}\n" for word in words))
    all_wait(oracle, "OK 10.192.0.5\tdiscard\n", "OK 10.192.0.5 \n", "OK  10.192.0.5\n")


def test_expansions(oracle):
    all_wait(oracle, f"OK {RUN}\n", f"OK 10.192.0.5{RUN}\n", f"OK 10.192.0.5:{RUN}\n")
    all_wait(oracle, QUOTED, f"OK {QUOTED}\n", f'OK "10.192.0.5:{RUN}"\n')
    all_wait(oracle, RUN, f"{RUN}\n", f"NO{RUN}\n", f"NO\n{RUN}\n", f"OK {WRITE}\n")
    all_wait(oracle, "OK $primary_hostname\n", "OK 10.192.0.5}{x}fail}\n", "OK \\N\n")


def test_naive_router_would_run_it(lab, net, make_exim):
    """That the test above could fail."""
    naive = """\
onion:
  driver = manualroute
  transport = onion_smtp
  route_data = ${readsocket{/run/onionmxd/exim.sock}{route $domain\\n}{5s}{ }{}}
"""
    oracle = Oracle(lab, net, make_exim, router=naive)
    oracle.answer = QUOTED.replace("{trace}", f"{oracle.trace}/x").encode()
    oracle.exim.route("user@foo.example")
    assert [path.name for path in oracle.trace.iterdir()] == ["x"]


def test_expansions_in_a_reason(oracle):
    for word, outcome in (("TEMP", "deferred"), ("FAIL", "failed")):
        verdict = oracle.ask(f"{word} {RUN} $primary_hostname\n")
        assert verdict.outcome == outcome
        assert "${run{/usr/bin/touch" in verdict.text
        assert "mail.site.example" not in verdict.text


def test_words_of_redirect(oracle):
    """A reason is the text after :defer: or :fail:, whatever it holds."""
    items = (
        ":blackhole:",
        ":unknown:",
        "user@evil.example",
        "|/usr/bin/touch {trace}",
        "/etc/passwd",
        ":include:/etc/passwd",
        "# Exim filter",
        '"',
        "250 ok",
    )
    for item in items:
        assert oracle.ask(f"TEMP {item}\n").outcome == "deferred"
        assert oracle.ask(f"FAIL {item}\n").outcome == "failed"
        all_wait(oracle, f"TEMP x\n{item}\n", f"FAIL x\n{item}\n", f"{item}\n")
        all_wait(oracle, f"TEMP x\r{item}\n", f'"\n{item}\n', f"x{item}")


def test_names_and_other_addresses(oracle):
    all_wait(
        oracle,
        "OK evil.example\n",
        "OK a.onion\n",
        "OK 10.192.0.5:evil.example\n",
        "OK evil.example/MX\n",
        "OK ::1\n",
        "OK [10.192.0.5]\n",
        "OK <;10.192.0.5;evil.example\n",
        "OK 10.192.0.5/24\n",
        "OK 10.192.0.5+\n",
        "OK +\n",
        "OK *\n",
        "OK localhost\n",
        "OK 127.1\n",
        "OK 0x7f.0.0.1\n",
        "OK 10.192.0\n",
        "OK 10.192.0.5.6\n",
        "OK 10.192.0.256\n",
        "OK 10.192.0.005\n",
        "OK 10.192.0.05\n",
        "OK \n",
        "OK\n",
        "OK",
        "ok 10.192.0.5\n",
        "OK 1\xb2.192.0.5\n",
    )


def test_ports(oracle):
    wrong = ("0", "00025", "65536", "99999", "111111", "-1", "+25", "25x", "", " 25")
    for port in wrong:
        target = f"OK 10.192.0.5::{port}"
        all_wait(oracle, f"{target}\n", f"{target}:10.192.0.9\n")
    for rest in (":25", ":::25", "::25::25"):
        all_wait(oracle, f"OK 10.192.0.5{rest}\n")
    for port in (1, 25, 9999, 10000, 59999, 60000, 65000, 65535):
        verdict = oracle.ask(f"OK 10.192.0.5::{port}\n")
        assert verdict.hosts == [("10.192.0.5", port)], verdict.text


def test_lists(oracle):
    def hosts(count):
        return [(f"10.192.{i}.255", 60000 + i) for i in range(count)]

    def answer(hosts):
        return "OK " + ":".join(f"{host}::{port}" for host, port in hosts) + "\n"

    for count in (1, 2, 16):
        verdict = oracle.ask(answer(hosts(count)))
        assert verdict.router == "onion"
        assert verdict.hosts == hosts(count)
    all_wait(oracle, answer(hosts(17)), answer(hosts(100) * 100))
    all_wait(oracle, "OK :10.192.0.5\n", "OK 10.192.0.5:\n")
    all_wait(oracle, "OK 10.192.0.5: 10.192.0.9\n", "OK 10.192.0.5 : 10.192.0.9\n")


def test_lines_and_nul(oracle):
    all_wait(
        oracle,
        "\nOK 10.192.0.5\n",
        "OK 10.192.0.5\n\n",
        "OK 10.192.0.5\r\n",
        "OK 10.192.0.5\0\n",
        "OK 10.192.0.5\0 discard\n",
        "OK 10.192\n.0.5\n",
        "\nNO\n",
        "NO\n\n",
        "NO \n",
        "no\n",
        "NO\0\n",
        "NO\n" * 1000,
        "A" * 1_000_000,
    )


def test_what_exim_does_not_see(oracle):
    """It reads lines as C strings: the rest of a line after NUL isn't there for it, nor
    for a pattern. What is left is a right answer then, and no more than that."""
    for answer in ("OK 10.192.0.5\n\0x", "OK 10.192.0.5\0 discard\n\n"):
        verdict = oracle.ask(answer)
        assert verdict.router == "onion"
        assert verdict.hosts == [("10.192.0.5", 25)]
    assert oracle.ask("NO\n\0x").router == "clearnet"


def test_long_and_unprintable_reasons(oracle):
    all_wait(oracle, f"TEMP {'x' * 201}\n", f"FAIL {'x' * 201}\n", "FAIL \n", "TEMP\n")
    all_wait(oracle, "FAIL \x1b[2J\n", "TEMP caf\xe9\n", "FAIL a\tb\n")
    for answer in ("\x1b[2J", "\xff" * 1000, "FAIL " + "x" * 100_000 + "\n"):
        text = oracle.ask(answer).text.split("onion route: ")[1].rstrip("\n")
        assert text.isascii() and text.isprintable() and len(text) < 100
