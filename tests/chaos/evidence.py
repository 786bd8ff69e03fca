"""What the logs of a sending mail server say of its messages. A message has the name that
the server gave it. No I/O."""

import collections
import email
import re

# The bridge's own words, for a session whose far end has gone.
GONE = r"421 4\.4\.2 connection to the onion service lost"


def names_in(text):
    """The names that servers gave a message: the last server's, and the first one's."""
    traces = email.message_from_bytes(text).get_all("Received")
    return [re.search(r"\bid ([\w-]+)", traces[n])[1] for n in (0, -1)]


def trace(text, message_id):
    """The lines of a log that are about a message."""
    for log in (PostfixLog(text), EximLog(text)):
        for name, found in log.names().items():
            if found == message_id:
                yield from re.findall(rf"^.*\b{re.escape(name)}\b.*$", text, re.M)


class PostfixLog:
    NAME = r"(\w+)"

    # The end of the data was sent, and what followed wasn't the receiving server's reply.
    # An attempt that goes on with another session has a line for each that has ended.
    DOUBT = (
        rf": {NAME}: (?:to=<.* status=deferred \()?(?:"
        rf"(?:lost connection|conversation) with .* while sending end of data -- "
        rf"message may be sent more than once|"
        rf"host .* said: {GONE} \(in reply to end of DATA command\))\)?$"
    )

    def __init__(self, text):
        self.text = text

    def names(self):
        """Its name of a message -> the message's Message-Id."""
        return dict(re.findall(rf": {self.NAME}: message-id=<(.*)>$", self.text, re.M))

    def doubts(self):
        """For each message, how often its end wasn't answered."""
        return collections.Counter(re.findall(self.DOUBT, self.text, re.M))

    def dropped(self, _first, _last):
        """Postfix drops nothing."""
        return set()


class EximLog:
    NAME = r"(\w{6}-\w{6,11}-\w{2,4})"

    AFTER = "(?:pipelined )?end of data"

    # Exim writes of one attempt a line with H= or one with ==, or both.
    DOUBT = (
        rf"^\S+ \S+ {NAME} (H=|==) ?.*(?:"
        rf"(?:in response to|SMTP timeout after) {AFTER}|"
        rf"SMTP error from remote mail server after {AFTER}: {GONE})"
    )

    def __init__(self, text):
        self.text = text

    def names(self):
        """Its name of a message -> the message's Message-Id."""
        found = re.findall(rf"^\S+ \S+ {self.NAME} <= .* id=(\S+)", self.text, re.M)
        return dict(found)

    def doubts(self):
        """For each message, how often its end wasn't answered."""
        found = collections.Counter(re.findall(self.DOUBT, self.text, re.M))
        most = collections.Counter()
        for (name, _), number in found.items():
            most[name] = max(most[name], number)
        return most

    def dropped(self, first, last):
        """The names of what is completed, in this part of the text, though it went nowhere
        in all of it. Exim from 4.98 on does that when a connection breaks after RCPT."""
        completed = re.findall(rf"^\S+ \S+ {self.NAME} Completed", self.text[first:last], re.M)
        went = set(re.findall(rf"^\S+ \S+ {self.NAME} (?:=>|->|\*\*|>>) ", self.text, re.M))
        return set(completed) - went
