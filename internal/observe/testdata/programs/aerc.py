"""Goes through aerc's account wizard as a person would, and prints the servers that it has
written down. A line for each."""
import configparser
import os
import pty
import select
import sys
import time
import urllib.parse

address, password = sys.argv[1:]
TAB, ENTER = "\t", "\r"
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp("aerc", ["aerc"])


def drawn(seconds, until=None):
    """What is drawn, up to some words."""
    out, end = b"", time.time() + seconds
    while time.time() < end and not (until and until in out):
        if select.select([terminal], [], [], 0.02)[0]:
            try:
                out += os.read(terminal, 65536)
            except OSError:
                break
    sys.stderr.write(out.decode("utf8", "replace"))
    return out


def keys(text):
    """Types, and waits after each key until something was drawn, and then nothing more."""
    out = b""
    for key in text:
        os.write(terminal, key.encode())
        more = drawn(0.4, b"\x1b")
        while more:
            out += more
            more = drawn(0.05)
    return out


drawn(20, b"Your email address")
keys("world" + TAB + "Fred" + TAB + address + TAB)
for page in ("incoming", "outgoing"):
    keys(ENTER)
    drawn(1)  # it looks servers up meanwhile
    if b"plaintext" in keys(TAB + password + TAB):  # it warns that it keeps the password
        keys(ENTER)
    for _ in range(6):  # up to the button, which is drawn anew when it is reached
        if b"[Next]" in keys(TAB):
            break
keys(ENTER + TAB + ENTER)
drawn(1)
accounts = configparser.ConfigParser(interpolation=None)
accounts.read(os.environ["HOME"] + "/.config/aerc/accounts.conf")
os.kill(pid, 9)
os.waitpid(pid, 0)
account = accounts["world"]
for name in ("source", "outgoing"):
    url = urllib.parse.urlparse(account.get(name, ""))
    scheme = url.scheme.split("+")[0]
    if not url.port:  # a form that nothing has filled in has the domain
        continue
    starttls = scheme == "imap" or account.get("smtp-starttls") == "yes"
    socket = "SSL" if scheme.endswith("s") else "STARTTLS" if starttls else "plain"
    print(scheme.rstrip("s"), url.netloc.rsplit("@")[-1], socket, urllib.parse.unquote(url.username))
