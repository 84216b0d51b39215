"""Secrets after fixed words of tools: in their commands and scripts, in their settings and in what they print."""

from __future__ import annotations

from autolog._redaction.calls import USER_AND_PASSWORD
from autolog._redaction.names import looks_random
from autolog._redaction.signs import Signed, SignedPlaces, searches_for
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, QUOTED, WORD
from autolog._redaction.values import is_any, is_chosen, is_given, is_given_or_word

#: A library's record of a password's hash, and the key in the settings of an issuer of tokens.
_HASHED = rb"[:_][\w:]{2,30}\$[\w./+=-]{1,64}\$[\w./+=$-]{20,200})"
_ISSUER = rb"jwt\w{0,12}" + QUOTE + rb"\s{0,4}:\s{0,8}\{[^{}]{0,300}?" + QUOTE + rb"(?:issuer)?key" + QUOTE
#: What an expect script sends when it is asked for a password: `expect "assword:"; send "p4ss!\\r"`.
_SENDS = rb"send(?:line)?[ (](?:-- |-s )?b?" + QUOTE
_SENT = (
    rb"ass(?:word|phrase)[^\n\"'\\\d]{0,20}"
    + QUOTE
    + rb"\)?[;,]?(?:[ \t\r\n{]|\\{1,3}[nrt]){0,20}(?:\w{1,20}\.)?"
    + _SENDS
    + rb"([^\s\"'`\\]{4,256})(?:\\{1,7}[nr])?"
    + QUOTE
)
#: The users of Redis, and its commands that authenticate in passing.
_REDIS = rb"(?:(?:acl setuser|user) \S{1,64} (?:[^\s>]{1,30} ){0,6}>([^\s\"'`\\]{4,256}))"
_AUTHENTICATES = rb"(?:hello \d auth \S{1,64}|migrate [^\n]{1,160}?\d auth) " + MAYBE_QUOTE + WORD
#: Keys of network devices and of their peers, perhaps after the way in which they are encrypted.
_DEVICE_KEYS = (
    rb"(?:isakmp key|pre-shared-key|authentication-key|digest-key \d{1,3} md5|(?:tacacs|radius)-server key|"
    rb"wpa-psk (?:ascii|hex))(?: (?:\d|ascii-text|local|remote))? " + MAYBE_QUOTE + WORD
)
#: Commands that read a secret from a string given to them.
_HERE = (
    rb"(?:passw|passphrase-fd|secret|token|sudo -s|pass insert|env add|login|kinit|cryptsetup|pdbedit)[^\n]{0,80}?<<< ?"
    + MAYBE_QUOTE
    + WORD
)
#: Those signs that are only looked for where their word occurs.
ALIAS, PASSPHRASE, NETWORK = rb"c alias (?<=mc alias )set ", rb"passphrase (?<=wpa_passphrase )", rb"cli\b(?<=nmcli)"
#: Passwords and keys after fixed words: in options of commands that no other search knows, and in what tools print.
#: A pattern should begin with a single word: with one of several it takes ten times as long.
_AFTER_WORDS: tuple[SignedPlaces, ...] = (
    ((rb"-(?<=--)from-literal",),
     ((rb"-(?<=--)from-literal[= ]" + MAYBE_QUOTE + rb"[\w.-]{1,60}=" + WORD, is_given),)),
    ((rb"-(?<=django-)insecure-",), ((rb"-(?<=django-)insecure-([^\s\"'`\\]{30,80})", bool),)),
    ((rb"v(?=ault login)ault login",), ((rb"vault login " + MAYBE_QUOTE + WORD, looks_random),)),
    ((rb"v(?=ault operator unseal)ault op", rb"go login (?<=cargo login )"),
     ((rb"(?:vault operator unseal|cargo login) " + MAYBE_QUOTE + WORD, looks_random),)),
    ((rb"bscure (?<=rclone obscure )", rb"passwd -[156] ", rb"ba-tool user"),
     ((rb"(?:rclone obscure|openssl passwd -[156]|samba-tool user (?:create|add) \S{1,64}) " + MAYBE_QUOTE + WORD,
       is_given),)),
    ((rb"p-(?<=snmp-)server community",), ((rb"p-(?<=snmp-)server community " + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"_userpwd",), ((USER_AND_PASSWORD, is_given),)),
    ((rb"_user (?:(?<= add_user )|(?<= authenticate_user ))", rb"_password (?<= change_password )"),
     ((rb"rabbitmqctl [^\n]{0,60}?(?:add_user|change_password|authenticate_user) \S{1,64} " + MAYBE_QUOTE + WORD,
       is_given_or_word),)),
    ((NETWORK,), ((rb"nmcli\b[^\n]{0,200}? (?:password|[\w.-]{0,40}psk) " + MAYBE_QUOTE + WORD, is_given_or_word),)),
    ((PASSPHRASE,),
     ((rb"wpa_passphrase (?:\S{1,64}|" + QUOTE + rb"[^\"'`\n]{1,64}" + QUOTE + rb") " + MAYBE_QUOTE + WORD,
       is_given_or_word),)),
    ((ALIAS,), ((rb"mc alias set \S{1,64} \S{1,200} \S{1,64} " + MAYBE_QUOTE + WORD, is_given_or_word),)),
    ((rb"-(?<=rootpw -)-\w",), ((rb"rootpw (?:--\w{1,12} ){1,3}" + MAYBE_QUOTE + WORD, is_given),)),
    ((rb":(?<=request:)(?= pass )",), ((rb"request: pass " + WORD, is_given),)),
    ((rb":(?<=request command:)(?= pass)",),
     ((rb"request command: pass(?:\s|\\{1,3}[nrt]){1,40}request arg: " + WORD, is_given),)),
    ((rb":(?<=key content            :)",), ((rb"key content {12}: ([^\s\\]{8,63})", is_given),)),
    ((rb"<keymaterial>",), ((rb"<keymaterial>([^<>\s]{8,64})<", is_given),)),
    ((rb"j(?=wt\w{0,12}" + QUOTE + rb"\s{0,4}:)",),
     ((_ISSUER + rb"\s?:\s?" + QUOTED, lambda value: looks_random(value) or is_chosen(value)),)),
    ((rb"\$\d{4,7}\$[\w./+]", rb"\$(?<=\d\$)[\w./+]{8,32}\$[0-9a-f]{32}"),
     ((rb"(pbkdf2" + _HASHED, bool), (rb"(scrypt" + _HASHED, bool), (rb"(bcrypt" + _HASHED, bool),
      (rb"(argon2" + _HASHED, bool))),
    ((rb"-(?<=--)value[ =]",),
     ((rb"keyvault secret set [^\n]{0,300}?--value[ =]" + MAYBE_QUOTE + WORD, is_given),
      (rb"ssm put-parameter [^\n]{0,300}?--value[ =]" + MAYBE_QUOTE + WORD, is_given))),
    ((rb":(?<=new value:)",),
     ((rb"successfully reset\.(?:\s|\\{1,3}[nr]){1,8}new value: " + WORD, is_given),)),
    ((rb"<auth-user-pass>",),
     ((rb"<auth-user-pass>(?:\s|\\{1,3}[nr]){1,4}[\w.@-]{1,64}(?:\s|\\{1,3}[nr]){1,4}" + WORD, is_given),)),
    ((rb"<\w{1,40}>\{aqaa",), ((rb"<\w{1,40}>(\{aqaa[\w+/=]{20,4000}\})<", bool),)),
    ((_SENDS,), ((_SENT, is_any),)),
    ((rb"cl setuser (?<=acl setuser )", rb">(?<= on >)"), ((_REDIS, is_any),)),
    ((rb"uth (?<=\d auth )",), ((_AUTHENTICATES, is_any),)),
    ((rb"-pass (?<=auth-pass )",), ((rb"auth-pass \S{1,64} " + MAYBE_QUOTE + WORD, is_any),)),
    ((rb"key (?<=isakmp key )", rb"-key (?<=pre-shared-key )", rb"-key (?<=authentication-key )",
      rb"-key (?<=digest-key )\d", rb"key (?<=-server key )", rb"psk (?<=wpa-psk )"), ((_DEVICE_KEYS, is_given),)),
    ((rb"<<< ?[^\s<>=]",), ((_HERE, is_given_or_word),)),
    ((rb"pdp (?<=expdp )", rb"pdp (?<=impdp )", rb"sqlldr ", rb"get (?<=rman target )"),
     ((rb"(?:expdp|impdp|sqlldr|rman target) " + MAYBE_QUOTE + rb"[\w$.]{1,64}/([^\s@\"'/\\]{4,64})", is_given),)),
    ((rb"-basic\.(?<=http-basic\.)",), ((rb"http-basic\.\S{1,60} \S{1,64} " + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"-token\.(?<=pypi-token\.)",), ((rb"pypi-token\.\S{1,60} " + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"-plaintext[ =]",), ((rb"hash-password [^\n]{0,60}?--plaintext[ =]" + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"kserv (?<=nickserv )identify ",), ((rb"kserv identify (?:[\w-]{1,32} )?" + WORD, is_given),)),
    ((rb"gntool (?<=signtool )",), ((rb"signtool [^\n]{0,160}?/p " + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"bw (?:unlock|login )",), ((rb"bw (?:unlock|login \S{1,80}) " + MAYBE_QUOTE + WORD, is_given),)),
    ((rb"password for (?<=set password for )",), ((rb"set password for [^\n=]{1,80}= ?" + QUOTED, is_given),)),
    ((rb"key s:(?<= key s:)",), ((rb"(?<= )key s:([^\s\"'`\\]{5,63})", is_given),)),
    ((rb":(?<=wifi:)[^\n;]{1,60};",), ((rb"wifi:(?:[^\n;]{1,60};){0,3}p:([^\s;\"\\]{8,63});", is_any),)),
    ((rb"::(?<=userpassword::)",), ((rb"userpassword:: ([a-z0-9+/]{8,400}={0,2})", bool),)),
    ((rb"\{s(?:sha|ha|md5)\d{0,3}\}", rb"\{md5\}", rb"\{crypt\}"),
     ((rb"\{(?:s?sha\d{0,3}|s?md5|crypt)\}([\w+/=$.]{16,200})", looks_random),)),
    ((rb":::(?<=[0-9a-f]{8}:::)",), ((rb":([0-9a-f]{32}):::", bool),)),
    ((rb"-set(?<=--set)(?:-string)?[ =]",),
     ((rb"--set(?:-string)?[ =]" + MAYBE_QUOTE + rb"[^\s\"'`\\]{0,200}?pass(?:word|wd)?=((?:[^\s\"'`\\;|&,]|" +
       AMPERSAND + rb"){4,256})", is_given_or_word),)),
    ((rb"-pass[ =]" + MAYBE_QUOTE + rb"pass:",),
     ((rb"-pass[ =]" + MAYBE_QUOTE + rb"pass:" + WORD, is_given_or_word),)),
    ((rb"/rp (?<=[ \t]/rp )",), ((rb"schtasks [^\n]{0,300}?/rp " + MAYBE_QUOTE + WORD, is_given_or_word),)),
    ((rb"config (?<=rclone config )",),
     ((rb"rclone config [^\n]{1,200}? pass(?:word)?[ =]" + MAYBE_QUOTE + WORD, is_given_or_word),)),
    ((rb"_token_(?<=tf_token_)",), ((rb"tf_token_\w{3,80}\s?[=:]\s?" + MAYBE_QUOTE + WORD, looks_random),)),
)  # fmt: skip
#: These searches with their signs.
OF_TOOLS: tuple[Signed, ...] = searches_for(_AFTER_WORDS)
