"""Passwords in the options of commands: `sshpass -p hunter2`, `--password hunter2`, `["-a", "hunter2"]` in a list.

Such passwords are short and may be ordinary words, so the place has to be certain: the password option of a known
command, or an option whose name says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.letters import alternatives
from autolog._redaction.names import holds_password, suggests_secret
from autolog._redaction.signs import Signed, Signs
from autolog._redaction.spans import AMPERSAND, IN_NAMES, MAYBE_QUOTE, QUOTE, WORD, Span
from autolog._redaction.values import PLACEHOLDER, is_given, is_given_or_word, is_word

_OPTIONS = (
    (rb"curl|etcdctl", rb"(?:-[uU]|--(?:proxy-)?user)[ =]?" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}" + MAYBE_QUOTE +
     rb":" + MAYBE_QUOTE + WORD),
    (rb"https?|xh", rb"(?:-a|--auth)[ =]?" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}:" + WORD),
    (b"|".join(name + b" login" for name in (b"docker", b"podman", b"nerdctl", b"buildah", b"skopeo", b"oras", b"crane",
                                             b"az", b"helm registry")), rb"-p[ =]?" + MAYBE_QUOTE + WORD),
    (rb"oc login|cf login|az|rabbitmqadmin|hydra|racadm|rdesktop|vncviewer|mysqlsh", rb"-p[ =]?" + MAYBE_QUOTE + WORD),
    (rb"ssh-keygen", rb"-[NP] " + MAYBE_QUOTE + WORD),
    (rb"sshpass|steghide|yt-dlp|ncftpput|ncftpget|useradd|usermod|cqlsh|snowsql|twine|ncftp|mongo|mongosh|mongodump|mongorestore|mongoimport|mongoexport|certutil",
     rb"-p[ =]?" + MAYBE_QUOTE + WORD),
    (rb"mysql\w{0,12}|mariadb[\w-]{0,12}|7z[az]?|rar|unrar", rb"-(?:h?p)" + MAYBE_QUOTE + WORD),
    (rb"skopeo", rb"--(?:src-|dest-)?creds[ =]" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{1,64}:" + WORD),
    (rb"sqlcmd|tsql|osql|bcp|isql|unzip|zip|mosquitto_pub|mosquitto_sub|mosquitto_rr", rb"-P ?" + MAYBE_QUOTE + WORD),
    (rb"redis-cli", rb"-a " + MAYBE_QUOTE + WORD),
    (rb"ab", rb"-[AP] " + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{1,64}:" + WORD),
    (rb"mosquitto_passwd", rb"-[a-z]{0,3}b[a-z]{0,3} \S{1,200} \S{1,64} " + MAYBE_QUOTE + WORD),
    (rb"ldapsearch|ldapadd|ldapmodify|ldapdelete|ldappasswd|ldapwhoami", rb"-[ws] " + MAYBE_QUOTE + WORD),
    (rb"openssl", rb"(?:-[kK] " + MAYBE_QUOTE + rb"|-pass(?:in|out|) " + MAYBE_QUOTE + rb"pass:)" + WORD),
    (rb"htpasswd", rb"-(?:[a-mo-zA-Z]{0,5}b[a-mo-zA-Z]{0,5} \S{1,200}|(?=[a-zA-Z]{0,9}n)[a-zA-Z]{0,5}b[a-zA-Z]{0,5})"
                  rb" \S{1,64} " + MAYBE_QUOTE + WORD),
    (rb"smbclient|rpcclient|mount\.cifs", rb"-U ?" + MAYBE_QUOTE + rb"[^\s%]{1,64}%" + WORD),
)  # fmt: skip
_NAMES = [name for names, _ in _OPTIONS for name in names.split(b"|")]
#: A command, after anything that may precede one, including an escaped blank or line end.
_COMMAND = re.compile(
    rb"[^\w.-](?:(?<=\\)[nrt])?(?=[%s])(%s)(?=[ \t])" % (b"".join({name[:1] for name in _NAMES}), alternatives(_NAMES))
)
_OPTION = [(re.compile(names), re.compile(rb"(?<=[ \t])" + option)) for names, option in _OPTIONS]
#: The end of a command; a backslash before a line end continues it.
_COMMAND_END = re.compile(rb"(?<!\\)\n|[ \t](?:&&|\|\|?)[ \t]|;[ \t\n]")
#: Commands whose argument is always a password, so that it may be an ordinary word.
_ANY_WORD = frozenset({b"sshpass", b"curl", b"htpasswd", b"mongo", b"mongosh", b"mongodump", b"docker login",
                       b"podman login"})  # fmt: skip
#: Commands of which some take no password as that option, so that a word of letters is none.
_SOMETIMES = frozenset({b"az", b"hydra", b"mysqlsh", b"useradd", b"usermod", b"twine", b"certutil"})
#: The greatest length of a command, in bytes; what follows is treated as the next one.
_LONGEST = 4000


#: Commands whose options `credentials` searches.
WITH_P = (b"psexec", b"evil-winrm", b"nxc", b"netexec", b"crackmapexec", b"beeline", b"cypher-shell", b"ipmitool")
DASHED = (*WITH_P, b"snmp[a-z]{3,8}", b"lftp", b"security")


#: The beginning of every such option: searching for it is faster than searching for the commands.
_HINT = re.compile(
    rb"-(?<=[ \t]-)(?:[uUaApPwkKNs]|hp|-(?:proxy-)?user|-auth|-(?:src-|dest-)?creds|[a-zA-Z]{0,5}b[a-zA-Z]{0,5} )"
)


def _commands(text: bytes, _: bytes) -> Iterator[Span]:
    """Find the passwords in the options of commands, line by line."""
    at, text = 0, b"\n" + text  # so that something precedes every command
    while hint := _HINT.search(text, at):
        earliest = max(at, hint.start() - _LONGEST)
        start = max(earliest, text.rfind(b"\n", earliest, hint.start()) + 1)
        while start > earliest and text[start - 2 : start] == b"\\\n":
            start = max(earliest, text.rfind(b"\n", earliest, start - 1) + 1)
        end = text.find(b"\n", hint.end(), hint.end() + _LONGEST)
        while end > 0 and text[end - 1 : end] == b"\\":  # the command continues on the next line
            end = text.find(b"\n", end + 1, end + _LONGEST)
        at = end if end > 0 else min(len(text), hint.end() + _LONGEST)
        yield from ((first - 1, last - 1) for first, last in _options(text, start, at))


def _options(text: bytes, at: int, line_end: int) -> Iterator[Span]:
    while match := _COMMAND.search(text, max(0, at - 1), line_end):
        end = _COMMAND_END.search(text, match.end(), line_end)
        at = end.start() if end else line_end
        option = next(option for names, option in _OPTION if names.fullmatch(match[1]))
        for value in option.finditer(text, match.end(), at):
            word = value[1].decode()
            if is_given(word) or (
                PLACEHOLDER.match(word) is None
                if match[1] in _ANY_WORD
                else match[1] not in _SOMETIMES and is_word(word)
            ):
                yield value.span(1)


#: An option in a list of a command's words: one that takes a password in some commands, or in all.
_IN_LIST = rb"(?:\\{0,3}\"\s{0,8},\s{0,8}\\{0,3}\"|[^\"\\]{4})"
_LISTED_OPTION = re.compile(rb"-(?<=\"-)(?:[a-z]{0,5}[uUaApPwkKxXc]|-(?:proxy-)?user|-auth)" + _IN_LIST)
_LISTED_PASSWORD = re.compile(rb"-(?<=\"-)-?[a-z]{0,9}pass(?:word|wd|phrase)?" + _IN_LIST)
#: A known command among such words, perhaps with its path or its subcommand.
_LISTED_COMMAND = re.compile(
    rb"[\"/ ](?:%s)(?=\\{0,3}\"| )" % alternatives([*(name.partition(b" ")[0] for name in _NAMES), *DASHED])
)


def _listed_options(text: bytes, _: bytes) -> Iterator[Span]:
    """Find options in a list that may take a password; the walk over the list finds the password itself."""
    yield from (found.span() for found in _LISTED_PASSWORD.finditer(text))
    if _LISTED_OPTION.search(text) and _LISTED_COMMAND.search(text):
        yield from (found.span() for found in _LISTED_OPTION.finditer(text))


_TOKEN = re.compile(r"[\w.~+/!@#$%^*-]{8,}=*")
_LONG_OPTION = re.compile(
    rb"--([A-Za-z][\w-]{2,40}+)(?:[ =]" + MAYBE_QUOTE + rb"|" + QUOTE + rb",\s?" + QUOTE + rb")" + WORD
)


def _long_options(text: bytes, _: bytes) -> Iterator[Span]:
    """Find the values of `--password`, `--api-key` and the like in any command."""
    for found in _LONG_OPTION.finditer(text):
        name, value = found[1].decode(), found[2].decode()
        given = is_given_or_word if text[found.end(1) : found.end(1) + 1] == b"=" and holds_password(name) else is_given
        if suggests_secret(name) and given(value) and (holds_password(name) or _TOKEN.fullmatch(value)):
            yield found.span(2)


_PIPED = re.compile(
    rb"h(?<=ech)o (?:-n )?" + MAYBE_QUOTE + WORD + MAYBE_QUOTE +
    rb" ?\| ?[\w ./-]{0,80}-(?:pass(?:word|wd|phrase)-(?:stdin|fd)|with-token)"
)  # fmt: skip


def _piped(text: bytes, _: bytes) -> Iterator[Span]:
    """Find what is piped into a command that reads its password from standard input."""
    yield from (found.span(1) for found in _PIPED.finditer(text) if is_given_or_word(found[1].decode()))


#: The searches for options of commands with their signs, and those for an undecoded body, which may have them in lists.
IN_COMMANDS: tuple[Signed, ...] = (
    ((rb"-(?<=[ \t]-)(?:[uapwkns]|hp|-(?:proxy-)?user|-auth|-(?:src-|dest-)?creds|[a-z]{0,5}b[a-z]{0,5} )",),
     _commands),
    ((rb"-(?<=--)[a-z]",), _long_options), ((rb"-(?:stdin|fd|(?=with-token))",), _piped),
)  # fmt: skip
#: The same signs for texts, each with the beginning of a word that may be a password. Options that are not named like a
#: secret are left out: they would be the sign of 43 % of what is searched in manuals.
_MAY_BE_ONE = MAYBE_QUOTE + rb"[a-z._/:-]{0,256}+(?:" + AMPERSAND + rb"|[^\sa-z._/:\"'`\\;|&])"
SIGNS_OF_OPTIONS = (
    rb"-(?<=[ \t]-)(?:p |u [\"']?[\w.-]{1,32}[:%]|"
    rb"h?p[\"']?(?!rint|ath|rune|thread|edantic|ort)[a-z]{5,40}(?![\w./=:-])|"
    rb"[uapwkns][ =]?" + _MAY_BE_ONE + rb"|-(?:proxy-)?user|-auth|-(?:src-|dest-)?creds|[a-z]{0,5}b[a-z]{0,5} )",
    rb"-c(?<=redis-c)li [^\n]{0,120}?-a ", rb"ps(?<=ldaps)earch [^\n]{0,160}?-w ",
    rb"-p(?<=[ \t]-p)ass(?:in|out)? [\"']?pass:", rb"-k(?<= -k) [\"']?[a-z]{6,40}[\"'\s]",
    rb"-(?<=--)(?=[\w-]{0,30}pass(?:word|wd|phrase)?=[\"']?[a-z]{6})",
    rb"-(?<=--)(?=[a-z][\w-]{2,40}+(?:[ =]|" + QUOTE + rb",\s?)" + _MAY_BE_ONE + rb")[\w-]{0,40}?" + IN_NAMES,
    rb"-(?:stdin|fd|with-token)",
)  # fmt: skip
OPTIONS_IN_BODIES = Signs((*IN_COMMANDS, ((rb"-(?<=\"-)[-a-z]",), _listed_options)), {})
