"""upgrade.py PACKAGE: installs the package over an older one, while Postfix delivers
through the daemon. Every message arrives, and none bounces."""

import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "debian/tests"))

from installed import as_readme_says, run, world  # noqa: E402

from harness.proc import wait_until  # noqa: E402

MESSAGES = 60
LOG = Path("/var/log/postfix-test.log")

# What waits is tried again at once.
QUICK = (
    "minimal_backoff_time=1s",
    "queue_run_delay=1s",
    "transport_retry_time=1s",
    "smtp_destination_concurrency_failed_cohort_limit=100",
)


def pid():
    return Path("/run/onionmxd-test.pid").read_text()


def send(number, sent):
    user = f"user{number}@srv.example"
    text = f"Subject: test\n\nNumber {number}.\n"
    args = ["/usr/sbin/sendmail", "-i", "-f", "me@localhost", user]
    subprocess.run(args, input=text, text=True, check=True)
    sent.append(user)


def send_all(sent):
    for number in range(MESSAGES):
        send(number, sent)


def arrived(sink, sent):
    """All of those that were sent; what waits is tried again."""
    subprocess.run(["postqueue", "-f"])
    return {to for m in sink.messages for to in m.recipients} == set(sent)


def main():
    run("postconf", f"maillog_file={LOG}", *QUICK)
    with world() as sink:
        as_readme_says("Postfix")
        sink.pause = 0.1
        before, sent = pid(), []
        sender = threading.Thread(target=send_all, args=[sent])
        sender.start()
        wait_until(lambda: sink.messages, "the first message", 60)
        # --force-confold: the lines of README.Debian are in the configuration.
        run("dpkg", "--force-confold", "-i", sys.argv[1])
        assert len(sent) < MESSAGES or not arrived(sink, sent), "nothing was on its way"
        assert pid() != before
        sender.join()
        try:
            wait_until(lambda: arrived(sink, sent), "all messages", 120)
        finally:
            log = LOG.read_text()
            print(log[-20000:])
            run("postfix", "stop")
        assert "status=bounced" not in log
        print(len(sink.messages), "messages of", len(sent))


main()
