"""Recognise the names of secrets: `OPENAI_API_KEY`, `dbPassword`, `X-Auth-Token`.

Names are compared by their ends, without case and separators, because the beginning only says whose key it is. A suffix
that tells one of several apart is ignored (`API_KEY_2`, `password_old`); any other suffix names something else
(`password_length`, `secret_name`).
"""

from __future__ import annotations

import functools
import re

_SEPARATORS = str.maketrans("", "", "-_. ")
_WHICH = re.compile(
    r"(?:\d|old|new|confirm|confirmation|repeat|prod|production|staging|dev|test|live|primary|secondary|backup|value|"
    r"b64|base64)++\Z"
)

#: Names whose values are secrets wherever they occur.
_CERTAIN = (
    "apikey", "apikeys", "apitoken", "apisecret", "authorization", "accesskey", "secretkey", "secretaccesskey",
    "privatekey", "signingkey", "encryptionkey", "subscriptionkey", "accountkey", "masterkey", "sharedkey",
    "storagekey", "adminkey", "servicekey", "deploykey", "licensekey", "accesstoken", "refreshtoken", "sessiontoken",
    "authtoken", "bearertoken", "idtoken", "securitytoken", "oauthtoken", "bottoken", "authorizationtoken",
    "clientsecret", "webhooksecret", "signingsecret", "appsecret", "consumersecret", "connectionstring",
    "consumerkey", "hmackey", "fernetkey", "sshkey", "secretkeybase", "openaikey", "anthropickey", "geminikey",
    "mistralkey", "coherekey", "groqkey", "azurekey", "awskey", "stripekey", "sendgridkey", "clientkeydata",
    "privatekeydata", "totpsecret", "otpsecret", "secretstring", "authkey", "privkey", "unsealkey", "presharedkey",
    "jwtkey", "authsalt", "noncesalt", "noncekey", "loggedinkey", "loggedinsalt", "openrouterkey", "deepseekkey",
    "decryptionkey", "apisecretkey", "xaikey", "perplexitykey", "togetherkey", "fireworkskey", "replicatekey",
    "elevenlabskey", "voyagekey", "huggingfacekey", "langfusekey", "langsmithkey", "tavilykey", "serperkey",
)  # fmt: skip
#: Prefixes of `pass`, which alone is too short to be certain: `ssh_pass`, `DB_PASS`.
_PASSES = tuple(
    f"{word}pass"
    for word in ("ssh", "become", "sudo", "root", "admin", "user", "service", "login", "db", "mysql", "pg", "postgres",
                 "sql", "mongo", "redis", "rabbit", "rabbitmq", "amqp", "ldap", "bind", "imap", "smtp", "mail", "ftp",
                 "sftp", "proxy", "http", "basic", "auth", "wifi", "vpn", "rpc", "store", "keystore", "truststore",
                 "web", "require", "htpasswd", "default", "initial", "master", "client", "key", "secret", "account",
                 "site")
)  # fmt: skip
#: The word for a password in other languages, with and without the accents that are often left out.
PASSWORD_ELSEWHERE = (
    "passwort", "kennwort", "contraseña", "contrasena", "contrasenha", "clave", "senha", "mot de passe", "mot_de_passe",
    "motdepasse", "wachtwoord", "parola", "mdp", "lozinka", "geslo", "κωδικός", "парола",
    "lösenord", "losenord", "adgangskode", "passord", "salasana", "heslo", "hasło", "haslo", "jelszó", "jelszo",
    "şifre", "sifre", "kata sandi", "mật khẩu", "mat khau", "пароль", "密码", "密碼", "口令", "パスワード", "暗証番号",
    "비밀번호", "비번", "암호", "şifrem", "şifresi", "parola d'ordine", "סיסמה",
    "كلمة المرور", "كلمة السر", "รหัสผ่าน", "पासवर्ड",
)  # fmt: skip
_ELSEWHERE = tuple(word.replace(" ", "") for word in PASSWORD_ELSEWHERE)
#: The words for a key or token in other languages. Objects and maps have keys, too: the values have to look random.
KEY_ELSEWHERE = (
    "schlüssel", "schluessel", "zugriffstoken", "clé", "jeton d'accès", "token d'accès", "token de acceso",
    "chave", "token de acesso", "chiave", "token di accesso", "klucz", "api-sleutel", "api sleutel", "geheime sleutel",
    "nyckel", "nøgle", "nøkkel", "avain",
    "klíč", "kľúč", "kulcs", "anahtar\u0131", "ключ", "токен", "密钥", "密鑰", "秘钥", "私钥", "令牌", "秘密鍵", "キー",
    "トークン", "키", "토큰", "מפתח", "مفتاح",
)  # fmt: skip
#: Names whose values are secrets in a program's own data; in a conversation with a model they may be the topic.
_LIKELY = (
    "password", "passwords", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "cookie", "cookies",
    "token", "credential", "credentials", "psk", "xauth", "bearer", "rediscliauth", *_PASSES,
    *_ELSEWHERE, "passwordhash", "recoverycode", "recoverycodes", "backupcode", "backupcodes",
)  # fmt: skip
#: Names of secrets that people choose themselves.
_PASSWORDS = ("password", "passwd", "passphrase", "passcode", "pwd", "psk", "presharedkey", *_PASSES, *_ELSEWHERE,
              "secretkey", "totpsecret", "otpsecret")  # fmt: skip
#: Names whose values are secrets if they look random, and names whose values are secrets unless they are words.
_RANDOM = (
    "passwordsalt", "phpsessid", "jsessionid", "connectsid", "applicationkey", "appkey", "functionskey", "saskey",
    "rolekey", "integrationkey", "routingkey", "writekey", "serverkey", "aeskey", "sessionkey", "ingestionkey",
    "authenticationkey", "fastlykey", "clickhousekey", "rapidapikey", "datadogkey", "mapskey",
    "recoverykey", "backupkey", "activationkey", "productkey", "wifikey", "wpakey", "networkkey",
    *(word.replace(" ", "") for word in KEY_ELSEWHERE),
)  # fmt: skip
_PERHAPS = frozenset({"pass", "auth", "pw"})
#: Names of codes of a few digits.
_CODES = frozenset({"otp", "totp", "pin", "cvv", "cvv2", "cvc", "cvc2", "pincode", "securitycode", "verificationcode",
                    "mfacode", "otpcode", "onetimecode", "onetimepassword"})  # fmt: skip
_SPLIT = re.compile(r"[-_. ]|(?<=[a-z])(?=[A-Z])")
#: Tokens that are not secrets: those of texts, and those of pages.
_HARMLESS = tuple(
    f"{word}token"
    for word in ("page", "next", "continuation", "stop", "start", "end", "bos", "eos", "pad", "mask", "unk", "sep",
                 "cls", "special", "first", "last", "cursor", "sync", "per", "text", "prompt", "image", "audio",
                 "clientrequest", "change", "idempotency")
)  # fmt: skip
#: Environment variables of keys that are not secrets: those of records and of encryption that all may know.
_HARMLESS_KEYS = tuple(
    f"{word}key"
    for word in ("next", "row", "hash", "range", "index",
                 "public", "publishable", "pub", "primary", "foreign", "cache", "partition", "sort", "object", "s3",
                 "host", "idempotency", "unique", "lookup", "registry", "hot", "shortcut", "group",
                 "storage", "search", "site")
)  # fmt: skip
#: URL parameters that grant access, in addition to those whose names say so.
PARAMETERS = frozenset({"key", "sig", "signature", "code", "token", "auth", "x-amz-signature", "x-amz-credential",
                        "x-amz-security-token", "x-goog-signature", "x-goog-credential"})  # fmt: skip


@functools.lru_cache(maxsize=4096)
def names_secret(name: str) -> bool:
    """Return whether a value of this name is a secret wherever it occurs and whatever it looks like."""
    return _bare(name).endswith(_CERTAIN)


@functools.lru_cache(maxsize=4096)
def suggests_secret(name: str) -> bool:
    """Return whether a value of this name is a secret in a program's own data."""
    bare = _bare(name)
    return bare.endswith(_CERTAIN) or (bare.endswith(_LIKELY) and not bare.endswith(_HARMLESS))


@functools.lru_cache(maxsize=4096)
def holds_password(name: str) -> bool:
    """Return whether a value of this name is a password, which need not look random."""
    return _bare(name).endswith(_PASSWORDS) or _last_word(name) == "pw"


@functools.lru_cache(maxsize=4096)
def holds_code(name: str) -> bool:
    """Return whether a value of this name is a one-time code or the security code of a card."""
    return _last_word(name) in _CODES or _bare(name) in _CODES


@functools.lru_cache(maxsize=4096)
def holds_secret(name: str) -> bool:
    """Return whether a value of this name is a secret that a person may have chosen like a password."""
    return _bare(name).endswith(("secret", "secretkey", "wifikey", "wpakey", "networkkey"))


def _last_word(name: str) -> str:
    return _SPLIT.split(name[-200:])[-1].lower()


@functools.lru_cache(maxsize=4096)
def holds_random(name: str) -> bool:
    """Return whether a value of this name is a secret if it looks random."""
    bare = _bare(name)
    if name.isupper() and name.endswith("_KEY"):
        return not bare.endswith(_HARMLESS_KEYS)
    return bare == "salt" or bare.endswith(_RANDOM) or _last_word(name) in ("pat", "auth")


@functools.lru_cache(maxsize=4096)
def holds_key(name: str) -> bool:
    """Return whether a value of this name is a secret if it is drawn: keys of records and of encryption are not."""
    return _last_word(name) == "key" and not _bare(name).endswith(_HARMLESS_KEYS)


@functools.lru_cache(maxsize=4096)
def holds_session(name: str) -> bool:
    """Return whether a value of this name identifies a session, which is a secret unless it is a plain number or id."""
    return _bare(name).endswith("sessionid") or _last_word(name) == "sid"


def perhaps_secret(name: str) -> bool:
    """Return whether a value of this name is a secret unless it is an ordinary word."""
    return name.strip("_-").lower() in _PERHAPS


@functools.lru_cache(maxsize=4096)
def holds_token(name: str) -> bool:
    """Return whether a value of this name is a token, either of a service or of a text."""
    return _bare(name).endswith(("token", "tokens"))


def _bare(name: str) -> str:
    """Return a name in lower case, without separators and without a suffix that tells one of several apart."""
    return _WHICH.sub("", name[:200].lower().translate(_SEPARATORS))


# Values

_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_PADDED = re.compile(r"[\w+/-]{22,511}+={1,2}")
_RUN = re.compile(r"[A-Za-z0-9]{10,}")
_CHANGES = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_CASE_CHANGES = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[a-z])")
#: Signs that passwords contain.
_SIGNS = re.compile(r"[!@#$%^&*+?]")
#: A camel-case identifier, possibly with short numbers between its words.
_HUMPS = re.compile(r"(?:[A-Z]*+[a-z]{2,}+|[A-Z]{3,}+|\d{1,3}+(?!\d))++\Z")


def looks_random(value: str) -> bool:
    """Return whether a word looks random: it mixes letters and digits as no name or path does."""
    if _UUID.fullmatch(value):
        return True
    if value.endswith("=") and _PADDED.fullmatch(value):
        value = value.replace("+", "").replace("/", "")  # which divide base64 into runs that may look like names
    return any(
        not _HUMPS.match(run) and (len(_CHANGES.findall(run)) >= 2 or alternates(run, least=20))
        for run in _RUN.findall(value[:512])
    )


def alternates(word: str, least: int) -> bool:
    """Return whether the case of letters changes as often as in random ones; the words of names are longer."""
    return len(word) >= least and len(_CASE_CHANGES.findall(word)) > 0.4 * len(word)


def is_jumbled(value: str) -> bool:
    """Return whether a value consists of many letters whose case changes as it does in no name; signs may divide it."""
    words = [word for word in _SIGNS.split(value) if word]
    letters = "".join(words)
    if len(letters) < (16 if letters == value else 10) or not letters.isalpha():
        return False
    return not (letters.islower() or letters.isupper() or all(map(_HUMPS.match, words)))


def is_mixed(value: str) -> bool:
    """Return whether a value contains both letters and digits."""
    return any(sign.isdigit() for sign in value[:512]) and any(sign.isalpha() for sign in value[:512])
