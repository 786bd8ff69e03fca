"""Mail to onion services, by real mail servers and a real Tor: it arrives once, as it
was, where it should, and nothing of it goes elsewhere."""

import pytest

from harness.proc import wait_until
from peers.conf import snippet
from peers.exim import SENDER

from .site import EximBox, PostfixBox, domain, message

# What SMTP, mailboxes and mail servers are tempted to change. It is longer than what
# tor sends without an acknowledgement.
BODY = b"".join(
    line + b"\n"
    for line in [
        b".",
        b"..",
        b". and more",
        b"..." + b"x" * 987,
        b"From here on",
        b">From there on",
        b"-- ",
        b"QUIT",
        b"Subject: not a header",
        bytes(range(0x80, 0x100)),
        "Grüße, 你好".encode(),
        b"\xff" * 990,
        b"x" * 990,
        b" leading and trailing \t ",
        b"=20=0A=\t",
        *[b"%06d " % n + b"y" * 90 for n in range(4000)],
        b"",
        b".",
        b"",
        b"",
    ]
)

SENDERS = ("exim", "postfix")


def make_sender(world, kind):
    return {"exim": world.exim, "postfix": world.postfix}[kind]()


def question(name):
    """What DNS is asked for a domain."""
    return f"_onion-mx._tcp.{name}", "SRV"


@pytest.mark.parametrize("kind, box", [("exim", PostfixBox), ("postfix", EximBox)])
def test_delivery(world, kind, box):
    """By SRV, to a server of the other kind. A message to a domain that has no onion
    goes to the sink, which would have seen this one, too."""
    [far] = world.boxes(far=box)
    world.ready(domain("far.example", (10, 25, far.onion)) + domain("plain.example"))
    sender = make_sender(world, kind)
    text = message("user@far.example", BODY)
    sender.send(text, "user@far.example")
    sender.deliver()
    mail = far.wait_for_one(text)
    assert (mail.sender, mail.recipient) == (SENDER, "user@far.example")
    assert set(world.dns.queries()) == {question("far.example")}
    world.nothing_by_clearnet()

    sender.send(message("user@plain.example"), "user@plain.example")
    world.clearnet.wait_for("user@plain.example")
    sender.deliver()
    assert ("plain.example", "MX") in world.dns.queries()
    world.nothing_outside()
    assert len(far.mails()) == 1
    assert not world.home.messages


@pytest.mark.parametrize("kind", SENDERS)
def test_onion_recipient(world, kind):
    [far] = world.boxes(far=EximBox if kind == "postfix" else PostfixBox)
    world.ready()
    sender = make_sender(world, kind)
    recipient = f"user@{far.onion}"
    text = message(recipient)
    sender.send(text, recipient)
    sender.deliver()
    assert far.wait_for_one(text).recipient == recipient
    assert len(far.mails()) == 1
    assert world.dns.queries() == []
    world.nothing_by_clearnet()


@pytest.mark.parametrize("kind", SENDERS)
def test_ten_domains_on_three_onions(world, kind):
    """One has a first target that is published nowhere, one a first target whose port
    is closed."""
    boxes = world.boxes(a=PostfixBox, b=EximBox, c=EximBox)
    places = {f"d{n}.example": boxes[n % 3] for n in range(10)}
    routes = {name: [(10, 25, box.onion)] for name, box in places.items()}
    routes["d4.example"].insert(0, (5, 25, world.unpublished()))
    routes["d5.example"].insert(0, (5, 26, places["d5.example"].onion))
    world.ready("".join(domain(name, *targets) for name, targets in routes.items()))
    sender = make_sender(world, kind)
    texts = {name: message(f"user@{name}") for name in places}
    for name, text in texts.items():
        sender.send(text, f"user@{name}")
    sender.deliver()
    for name, text in texts.items():
        assert places[name].wait_for_one(text).recipient == f"user@{name}"
    assert [len(box.mails()) for box in boxes] == [4, 3, 3]
    assert set(world.dns.queries()) == {question(name) for name in places}
    world.nothing_by_clearnet()
    assert not world.home.messages


def test_exim_sends_twice_without_the_recipe(world):
    """A message that has been taken stays in the queue, and is sent again: Exim hangs
    up before it has read the answer, and tor forgets it. Not with conf/'s transport."""
    [far] = world.boxes(far=PostfixBox)
    world.ready(domain("far.example", (10, 25, far.onion)))
    line = "  hosts_avoid_pipelining = *\n"
    exim = world.exim("careless", transport=snippet("exim/transport", {line: ""}))

    def sent_twice():
        text = message("user@far.example")
        exim.send(text, "user@far.example")
        far.wait_for(text)
        if not exim.queue():
            return False
        exim.run_queue()
        wait_until(lambda: len(far.copies(text)) > 1, "the second copy")
        return True

    assert any(sent_twice() for _ in range(5))

    exim = world.exim()
    texts = [message("user@far.example") for _ in range(5)]
    for text in texts:
        exim.send(text, "user@far.example")
    exim.deliver()
    for text in texts:
        far.wait_for_one(text)
    world.nothing_by_clearnet()
