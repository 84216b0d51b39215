"""Two corpora for measuring the search for secrets: texts with planted keys, and texts without any.

    python tests/secret_corpus.py

prints the share of keys found, and the false positives per megabyte. Everything is generated from a fixed seed: keys in
the formats that their issuers publish, and texts like those that programs send to models: prose, code, style sheets,
logs, lock files, API responses.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Iterator

_SIGNS = {
    "a": string.ascii_letters + string.digits, "h": "0123456789abcdef", "U": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase + string.digits, "d": string.digits, "w": string.ascii_letters + string.digits + "-_",
    "b": string.ascii_letters + string.digits + "+/",
}  # fmt: skip

#: Keys by issuer: `{a20}` are 20 letters and digits, `h` hexadecimal digits, `U` and `l` of one case, `d` digits,
#: `w` and `b` the alphabets of base64.
FORMATS = {
    "OpenAI project": "sk-" + "proj-{w64}", "OpenAI": "sk-{a48}", "OpenAI admin": "sk-" + "admin-{w64}",
    "Anthropic": "sk-" + "ant-api03-{w93}AA", "OpenRouter": "sk-" + "or-v1-{h64}", "DeepSeek": "sk-{h32}",
    "Langfuse": "sk-" + "lf-{h8}-{h4}-{h4}-{h4}-{h12}", "Hugging Face": "hf_{a34}", "Groq": "gsk_{a52}",
    "xAI": "xai-{a80}", "Perplexity": "pplx-{a48}", "Replicate": "r8_{a37}", "NVIDIA": "nvapi-{w64}",
    "Tavily": "tvly-{a32}", "Jina": "jina_{a60}", "Fireworks": "fw_{a24}", "Cerebras": "csk-{l48}",
    "Together": "tgp_v1_{w43}", "Pinecone": "pcsk_{a70}", "Vercel AI Gateway": "vck_{a56}", "ElevenLabs": "sk_{h48}",
    "Voyage": "pa-{w43}", "LangSmith": "lsv2_pt_{h32}_{h10}", "autolog": "alk_{w32}", "Prefect": "pnu_{l36}",
    "Sourcegraph": "sgp_{h16}_{h40}", "Sentry": "sntrys_eyJ{w80}", "Sentry user": "sntryu_{h64}",
    "AWS access key": "AKIA{U16}", "AWS session": "ASIA{U16}", "Bedrock": "ABSK{b120}", "Google API": "AIza{w35}",
    "Google OAuth": "ya29.{w60}", "Google client secret": "GOCSPX-{w28}", "Google refresh": "1//0{w60}",
    "Azure storage": "AccountKey={b86}==", "Azure bus": "SharedAccessKey={b43}=", "Azure AD": "{a3}8Q~{a34}",
    "Azure OpenAI": "{a52}JQQJ99{a26}", "Alibaba": "LTAI{a20}", "DigitalOcean": "dop_v1_{h64}",
    "Heroku": "HRKU-{w60}", "Fly": "fm2_{b120}", "Netlify": "nfp_{a40}", "Supabase": "sbp_{h40}",
    "Supabase secret": "sb_secret_{w31}", "PlanetScale": "pscale_tkn_{w43}", "Databricks": "dapi{h32}",
    "Doppler": "dp.pt.{a43}", "Vault": "hvs.{w90}", "Terraform": "{a14}.atlasv1.{w67}", "Pulumi": "pul-{h40}",
    "Tailscale": "tskey-auth-{a16}-{a32}", "age": "AGE-SECRET-KEY-1{U58}", "New Relic": "NRAK-{U27}",
    "Grafana": "glsa_{a32}_{h8}", "Grafana Cloud": "glc_{b60}", "GitHub": "ghp_{a36}", "GitHub app": "ghs_{a36}",
    "GitHub fine-grained": "github_pat_{a22}_{a59}", "GitLab": "glpat-{w20}", "GitLab runner": "glrt-{w20}",
    "Atlassian": "ATATT3{w180}", "Bitbucket": "ATBB{a32}", "npm": "npm_{a36}", "PyPI": "pypi-AgEIcHlwaS5vcmc{w120}",
    "RubyGems": "rubygems_{h48}", "crates.io": "cio{a32}", "NuGet": "oy2{l43}", "Docker": "dckr_pat_{w27}",
    "SonarQube": "squ_{h40}", "CircleCI": "CCIPAT_{a22}_{h40}", "Buildkite": "bkua_{h40}",
    "Postman": "PMAK-{h24}-{h34}", "Linear": "lin_api_{a40}", "Figma": "figd_{w43}", "Slack bot": "xoxb-{d12}-{d12}-{a24}",
    "Slack app": "xapp-1-{U11}-{d13}-{h64}", "Slack webhook": "https://hooks.slack.com/services/T{U9}/B{U9}/{a24}",
    "Discord webhook": "https://discord.com/api/webhooks/{d18}/{w68}", "Discord bot": "M{a23}.{w6}.{w38}",
    "Telegram": "{d10}:AA{w33}", "Twilio": "SK{h32}", "Stripe": "sk_" + "live_{a24}", "Stripe restricted": "rk_" + "live_{a24}",
    "Stripe webhook": "whsec_{a32}", "Razorpay": "rzp_live_{a14}", "Square": "sq0atp-{w22}", "Shopify": "shpat_{h32}",
    "EasyPost": "EZAK{a54}", "Shippo": "shippo_live_{h40}", "Plaid": "access-production-{h8}-{h4}-{h4}-{h4}-{h12}",
    "SendGrid": "SG.{w22}.{w43}", "Mailgun": "key-{h32}", "Mailchimp": "{h32}-us12", "Resend": "re_{a8}_{a24}",
    "Notion": "ntn_{a46}", "Notion, old": "secret_{a43}", "Airtable": "pat{a14}.{h64}",
    "HubSpot": "pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}", "Dropbox": "sl.u.{w140}", "Facebook": "EAA{a120}",
    "Typeform": "tfp_{w44}", "PostHog": "phx_{a43}",
    "Vercel": "vcp_{a56}", "Gemini": "AQ." + "Ab8R{w50}", "Firecrawl": "fc-{h32}", "E2B": "e2b_{h40}", "LlamaCloud": "llx-{a48}", "Mem0": "m0-{a40}",
    "Friendli": "flp_{a46}", "RunPod": "rpa_{U42}", "Chutes": "cpk_{h32}.{h32}.{a32}", "Anyscale": "esecret_{l26}", "Context7": "ctx7sk-{h8}-{h4}-{h4}-{h4}-{h12}",
    "Apify": "apify_api_{a36}", "Cartesia": "sk_car_{a22}", "Cursor": "crsr_{h64}", "Runway": "key_{h64}", "Qianfan": "bce-v3/ALTAK-{a21}/{h40}",
    "Cloudflare": "cfut_{a48}", "Cloudflare account": "cfat_{a48}", "Cloudflare global": "cfk_{a48}", "Dynatrace": "dt0c01.{U24}.{U64}", "Neon": "napi_{l64}",
    "Render": "rnd_{a32}", "OpenShift": "sha256~{w43}", "Artifactory": "AKCp{a69}", "1Password": "A3-{U6}-{U6}-{U5}-{U5}-{U5}-{U5}", "Amazon MWS": "amzn.mws.{h8}-{h4}-{h4}-{h4}-{h12}",
    "Amazon client": "amzn1.oa2-cs.v1.{h64}", "Yandex": "AQVN{w36}", "Infracost": "ico-{a32}", "Sourcegraph license": "slk_{h64}", "Octopus": "API-{U26}",
    "Rootly": "rootly_{h64}", "Figma OAuth": "figo_{w43}", "Harness": "pat.{w22}.{h24}.{a20}", "Brevo": "xkeysib-{h64}-{a16}", "Flutterwave": "FLWSECK-{h32}-X",
    "Paddle": "pdl_live_apikey_{l26}_{a22}_{a3}", "Polar": "polar_oat_{a43}", "Xendit": "xnd_production_{a60}", "LaunchDarkly": "sdk-{h8}-{h4}-{h4}-{h4}-{h12}",
    "Cal.com": "cal_live_{h32}", "Browserbase": "bb_live_{a27}", "Stytch": "secret-live-{w36}=", "MaxMind": "{a6}_{a29}_mmk",
    "Portkey Bedrock": "ak-{h8}-{h4}-{h4}-{h4}-{h12}", "Logfire": "pylf_v1_us_{a43}", "OpenPipe": "opk_{h40}", "Humanloop": "hl_sk_{h40}",
    "PromptLayer": "pl_{h32}", "You.com": "ydc-sk-{a30}", "Brave Search": "BSA{w28}", "Featherless": "rc_{h64}", "Requesty": "rqsty-sk-{w60}",
    "Glama": "glama_{w40}", "Lambda": "secret_lambda_{h32}.{a32}", "Novita": "sk_{w43}", "Volcengine": "ark-{h8}-{h4}-{h4}-{h4}-{h12}-{h5}",
    "DigitalOcean Spaces": "DO00{U16}", "Scaleway": "SCW{U17}", "Yandex IAM": "t1.{w60}.{w86}", "Neon role": "npg_{a12}", "MongoDB Atlas": "mdb_sa_sk_{w40}",
    "Vercel Blob": "vercel_blob_rw_{a16}_{a30}", "Deno": "ddp_{a36}", "NetBird": "nbp_{a36}", "Datadog": "ddapp_{a34}", "Honeycomb": "hcaik_{l58}",
    "Axiom": "xaat-{h8}-{h4}-{h4}-{h4}-{h12}", "New Relic browser": "NRJS-{h19}", "Trello": "ATTA{h64}", "Buildkite cluster": "bkct_{w40}",
    "CircleCI project": "CCIPRJ_{a22}_{h40}", "Snyk": "snyk_uat.{h8}.{w60}", "Stripe organization": "sk_" + "org_live_{a40}", "Liveblocks": "sk_prod_{w64}",
    "Lob": "live_{h35}", "Mercado Pago": "APP_USR-{d16}-{d6}-{h32}-{d9}", "Mollie": "access_{a36}",
    "BIP 32": "xprv{a107}", "Nostr": "nsec1{l58}", "Alchemy": "alcht_{a30}", "ClickUp": "pk_{d8}_{U32}", "Salesforce refresh": "5Aep861{a80}",
    "Zoho": "1000.{h32}.{h32}", "Asana": "1/{d16}:{h32}", "OneSignal": "os_v2_app_{l103}", "MailerSend": "mlsn.{h64}", "Adobe": "p8e-{l32}",
    "Mapbox": "sk.eyJ{w60}.{w22}", "Telnyx": "KEY{U32}_{a22}", "Azure DevOps": "{a76}AZDO{a4}", "Azure Batch": "{a76}+ABa{a8}==",
    "RapidAPI": "{h10}msh{h15}p1{h6}jsn{h12}", "Firebase": "{a22}:APA91b{w134}",
    "Inngest": "signkey-prod-{h64}", "Trigger.dev": "tr_prod_{a24}", "Brex": "bxt_{a40}", "DevCycle": "dvc_server_{h8}_{h7}_{h7}_{h7}",
    "ConfigCat": "configcat-sdk-1/{w22}/{w22}", "Retool": "retool_01{l26}", "Honeybadger": "hbp_{a36}", "Checkly": "cu_{h32}",
    "Braintrust": "bt-st-{a48}", "Daytona": "dtn_{h64}", "CodeSandbox": "csb_v1_{w43}", "Tripo": "tsk_{a43}", "Meshy": "msy_{a40}",
    "Hyperbrowser": "hb_{h60}", "Steel": "ste-{a48}", "Browser Use": "bu_{a43}", "Literal AI": "lsk_{a36}", "Socket": "sktsec_{a44}_api",
    "Xata": "xau_{a44}", "Bitwarden": "0.{h8}-{h4}-{h4}-{h4}-{h12}.{a30}:{b22}==", "Instagram": "IGQV{a150}", "xAI token": "xai-token-{a60}",
    "Luma": "luma-{h8}-{h4}-{h4}-{h4}-{h12}-{h8}-{h4}-{h4}-{h4}-{h12}", "Pollinations": "plln_sk_{a32}", "n8n": "n8n_api_{h40}",
    "GitBook": "gb_api_{a40}", "Scrapfly": "scp-live-{h32}", "Unkey": "unkey_{a24}", "Devin": "apk_user_{a56}", "Volcengine access key": "AKLT{a42}",
    "Aiven": "AVNS_{a19}", "CockroachDB": "CCDB1_{a22}_{a40}", "ClickHouse Cloud": "4b1d{a38}", "Grafana, old": "eyJrIjoi{a70}", "Confluent": "cflt{b60}",
    "Fauna": "fnA{a37}", "Depot": "depot_project_{h60}", "Packagist": "packagist_uut_{h68}", "Open VSX": "ovsxat_{h8}-{h4}-{h4}-{h4}-{h12}", "dbt": "dbtc_{a40}",
    "Slack session": "xoxd-{a60}", "Slack workflow": "xwfp-{d12}-{d12}-{d12}-{h32}", "Onfido": "api_live.{a11}.{a32}", "Persona": "persona_production_{h8}-{h4}-{h4}-{h4}-{h12}",
    "LinkedIn": "WPL_AP1.{a16}.{a8}==", "Asaas": "$aact_prod_{a80}", "Rancher": "token-{l5}:{l54}", "GoCardless": "live_{a20}-{a19}",
    "Azure Functions": "{a44}AzFu{a6}==", "Azure Cosmos DB": "{a74}ACDb{a6}==", "Azure Redis": "{a33}AzCaA{a4}=", "New Relic license": "{h36}NRAL", "Modal": "as-{a22}",
    "Sanity": "sk{a178}", "Percy": "web_{h64}", "Honeycomb management": "hcamk_{l58}", "Supabase OAuth": "sbp_oauth_{h40}", "Zapier": "https://hooks.zapier.com/hooks/catch/{d7}/{l7}",
    "Helicone": "sk-" + "helicone-{a7}-{a7}-{a7}-{a7}", "Dynatrace, service": "dt0s16.{U8}.{U64}",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJ{w60}.{w43}",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n{b64}\n{b64}\n-----END RSA PRIVATE KEY-----",
    "PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{b64}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
}  # fmt: skip
#: Secrets without a format, by the text around them.
NAMED = {
    "env": "OPENAI_API_KEY={h32}", "export": "export DB_PASSWORD='{a20}'", "json": '{"client_secret": "{h40}"}',
    "yaml": "github_token: {h40}", "python": 'api_key="{h32}"', "header": "Authorization: Bearer {a40}",
    "basic": "Authorization: Basic {b40}==", "url": "postgres://app:{a16}@db.example.com/app",
    "azure sas": "https://x.blob.core.windows.net/c/f?sv=2022&sig={b43}%3D", "query": "https://api.example.com/v1?key={a39}",
    "words": "my secret access key: {b40}", "Splunk": "Authorization: Splunk {a36}",
    "Okta": "Authorization: SSWS {a42}", "application key": "DD-APPLICATION-KEY: {h40}", "functions key": 'x-functions-key: "{a54}"',
    "token in capitals": "TOKEN={h40}", "token in quotes": 'const token = "{h40}";', "token in JSON": '{"token": "{h64}"}', "token that is": "the token is {h40}",
    "access token": "access token {h40}", "encryption key": "the encryption key is {h64}", "rejected key": "invalid api key {h40}", "token of a form": "user=ada&token={h40}",
    "compared": "if (token !== '{h40}') throw", "environment": "ENV['TOKEN'] = '{h40}'", "PHP": "[token] => {h40}",
    "presigned": "https://b.s3.amazonaws.com/o?X-Amz-Signature={h64}", "aws": "aws_secret_access_key = {b40}",
}  # fmt: skip
#: Passwords recognised by their place alone.
PLACES = (
    "curl -u ada:{} https://a.example/x", "curl --user 'ada:{}' https://a.example", "curl --proxy-user ada:{} https://a.example",
    "http -a ada:{} GET https://a.example", "wget --user=ada --password={} https://a.example", "docker login -u ada -p {} r.example",
    "docker login --password {} r.example", "echo {} | docker login --password-stdin r.example", "podman login -p '{}' r.example",
    "helm registry login -u ada -p {} r.example", "az login --service-principal -u x -p {} --tenant y", "mysql -u root -p{} app",
    "mysqldump -p'{}' app > dump.sql", "mysqladmin --password={} ping", "sshpass -p {} ssh ada@h.example", "PGPASSWORD={} psql app",
    "psql 'host=h dbname=app password={}'", "redis-cli -a {} ping", "ldapsearch -w {} -D cn=x", "openssl enc -k {} -in a",
    "openssl pkcs12 -passin pass:{} -in a", "htpasswd -b users ada {}", "smbclient //h/s -U ada%{}", "gpg --passphrase {} -d a",
    "7z x -p{} a.7z", "unzip -P {} a.zip", "sqlcmd -S h -U sa -P {}", "mongosh -u ada -p {} h", "twine upload -u ada -p {} dist/*",
    "kubectl create secret generic x --from-literal=password={}", 'os.getenv("DB_PASSWORD", "{}")', "process.env.API_KEY || '{}'",
    'os.environ.get("API_KEY", "{}")', 'config("SECRET_KEY", default="{}")', 'ENV.fetch("SECRET_KEY") { "{}" }', "${DB_PASSWORD:-{}}",
    'System.getProperty("db.password", "{}")', "machine api.example.com login ada password {}", "machine h\n  login ada\n  password {}",
    "db.example.com:5432:app:ada:{}", "*:*:*:postgres:{}", "jdbc:postgresql://h/db?user=ada&password={}", "jdbc:oracle:thin:scott/{}@//h:1521/x",
    "jdbc:sqlserver://h:1433;user=sa;password={};encrypt=true", "Driver={x};Server=h;Uid=sa;PWD={};", "amqp://guest:{}@h:5672/",
    "mongodb+srv://ada:{}@c.example.net/db", "db:\n  password: {}\n  user: ada", "password: |\n  {}\n", "secret: >-\n  {}\nnext: 1",
    '- name: DB_PASSWORD\n  value: "{}"', "PATH=/bin\nDB_PASSWORD={}\nHOME=/root", "export DB_PASS={}", "set DB_PASSWORD={}",
    "$env:DB_PASSWORD = '{}'", "ENV DB_PASSWORD {}", "docker run -e MYSQL_ROOT_PASSWORD={} mysql", "Set-Cookie: session={}; Path=/",
    "https://a.example/cb?password={}",
    "net use Z: \\\\h\\s /user:D\\ada {}", "net user ada {} /add", "cmdkey /add:h /user:ada /pass:{}", "xfreerdp /v:h /u:ada /p:{}",
    "curl -su ada:{} https://a.example", "nxc smb h -u ada -p {}", "snmpwalk -v3 -u ada -A {} h", "lftp -u ada,{} h",
    "sqlplus scott/{} as sysdba", "keytool -genkey -storepass {} -alias x", "gh secret set DB_PASSWORD --body '{}'",
    "echo 'root:{}' | chpasswd", "echo {} | sudo -S apt update", 'ConvertTo-SecureString "{}" -AsPlainText -Force',
    "impacket-psexec D/ada:{}@10.0.0.1", "MYSQL_PWD={} mysql", "h1 ansible_ssh_pass={} ansible_port=22", "java -Da.keyStorePassword={} -jar a.jar",
    "helm install x --set auth.password={},replicas=2", "ALTER USER ada WITH PASSWORD '{}';", "CREATE USER 'a'@'%' IDENTIFIED BY '{}';",
    "SET PASSWORD FOR 'a'@'h' = PASSWORD('{}');", "USER ada\nPASS {}\n", "C:\na1 LOGIN ada {}", "redis:6379> AUTH default {}", "requirepass {}",
    "enable password {}", ': PSK "{}"', "requests.get(u, auth=('ada', '{}'))", 'new NetworkCredential("ada", "{}")', "define('DB_PASSWORD', '{}');",
    'variable "db_password" {\n  default = "{}"\n}', "const c = { user: 'ada', password: '{}' }", 'let password = "{}";', "<password>{}</password>",
    "my password is {}, please", "the password for ada is: {}", "2026-11-01T10:00:00Z   DB_PASSWORD: {}", "user,password\nada,{}\n", "user\tpassword\nada\t{}\n",
    "**Password:** {}", "(password: {})", "Password: <b>{}</b>",
    "| user | password |\n|---|---|\n| ada | {} |", "kind: Secret\nstringData:\n  config: |\n    pass {}\n", "x=%7B%22password%22%3A%22{}%22%7D",
    '"{\\"password\\": \\"{}\\"}"',
    "ssh-keygen -t ed25519 -N '{}' -f k", "snowsql -a x -u y -p {}", "htpasswd -nb ada {}", "chpasswd <<< 'ada:{}'", "influx -username a -password {}",
    "redis-server --requirepass {}", 'args: ["--password", "{}"]', "setx DB_PASSWORD {}", "CREATE USER a IDENTIFIED WITH sha256_password BY '{}'",
    "CREATE DATABASE LINK l CONNECT TO a IDENTIFIED BY {}", "os.environ['DB_PASSWORD'] = '{}'", 'var password string = "{}"', 'let password: &str = "{}";',
    "password <- '{}'", 'std::string password{"{}"};', '<add key="Password" value="{}" />', '<input type="password" value="{}">',
    "| user | ada |\n| password | {} |", "enable secret {}", "username ada privilege 15 secret 0 {}", "rcon_password {}", "rootpw {}", "app.secret={}",
    "my password ({})", "my password's {}", "the password has been changed to {}", "I set the password to {}", "use password {} to log in",
    "nmcli dev wifi connect Home password {}", "nmcli con modify x wifi-sec.psk '{}'", "wpa_passphrase Home {}", "useradd -m -p {} ada",
    "das Passwort für das WLAN lautet {}", "Kennwort: {}", "La contraseña es {}", "Le mot de passe du wifi : {}", "A senha é {}",
    "**Wachtwoord:** {}", "hasło: {}", "Пароль для входа: {}", "密码\uff1a{}", "パスワードは{}", "비밀번호는 {}", "mật khẩu: {}",
    "INSERT INTO users (name, password) VALUES ('ada', '{}');", "insert into users(id, passwd, role)\nvalues\n  (1, 'x', 'a'),\n  (2, '{}', NOW());",
    'form-data; name="password"\r\n\r\n{}\r\n--b', '<input name="pw" type="password" value="{}">', '<input value="{}" type="password">',
    "<password><![CDATA[{}]]></password>", '<password type="text">{}</password>', "<key>password</key><string>{}</string>", "<td>Password</td><td>{}</td>",
    "<dt>Password:</dt> <dd>{}</dd>", "mysqli_connect('localhost', 'root', '{}', 'db');", 'DriverManager.getConnection(url, "root", "{}")', "new PDO($dsn, 'root', '{}')",
    'props.put("password", "{}");', 'flag.String("password", "{}", "the password")', "CREATE LOGIN a WITH PASSWORD = N'{}';", 'public string Password { get; set; } = "{}";',
    'passwd = \"\"\"{}\"\"\"', "redis:\n  requirepass: {}", "password: &pw {}", "password: !vault {}", "pw: {}", "the admin pw is {}", "DB_PW={}",
    "use {} as the password", "I log in with '{}' as my root password", "user ada, password {}", "login ada password {} rejected", "password - {}", "Password \u2014 {}",
    "the password used to be {}", "the password should be {}", "the password for the vpn: {}", "my passwords are {} and x", "password -> {}", "Password? {}",
    "curl --user ada:'{}' https://a.example", "id\tuser\tpwd\n1\tada\t{}\n", "user,pass\nada,{}\n", "email;passwort\na@b.c;{}\n", "SECRET={}\n",
    "use pw {}", "log in with the password {}", "{} is my password", "{} is the password.", "creds: ada / {}", "credentials ada:{}", "login: ada / {}",
    "username ada and password {}", "change the password from {} to x", "Passwort {} funktioniert nicht", "usuario ada contraseña {}", "мой пароль {}",
    "用户名 ada 密码 {}", "la password è {}", "password **{}**", "|Password|{}|", "| Passwort | {} |", "Password\t{}",
    "+------+----------+\n| user | password |\n+------+----------+\n| ada  | {} |\n", "EXEC sp_addlogin 'a', '{}'",
    "EXEC sp_addlinkedsrvlogin 's', 'false', NULL, 'a', '{}'", "SELECT crypt('{}', gen_salt('bf'))", "pgp_sym_encrypt(d, '{}')", "PRAGMA key = '{}';",
    "bcrypt.hash('{}', 10)", "password_verify('{}', $h)", "user.set_password('{}')", "page.fill('#password', '{}')", "cy.get('#password').type('{}')",
    "DB_PASSWORD ?= {}\n", 'NSString *password = @"{}";', 'Dim dbPassword As String = "{}"', "NAME            VALUE\nDB_PASSWORD     {}\n", "ADMIN_PASSWORD                 : {}",
    "set -x DB_PASSWORD {}\n", 'adminPw: "{}",', "RABBITMQ_DEFAULT_PASS={}\n", 'clave = "{}"', "mot_de_passe: {}", "parola: {}", "ENV ADMIN_PW {}\n", "парола: {}",
    "define('DB_PASSWORD',        '{}');",
    "USER      PASSWORD          HOST\nada       {}        db1\n", "my pass phrase is {}", "Master password \u2192 {}", "mon mdp c'est {}", "password: !!str {}",
    "la password del wifi \u00e8 {}", 'password: Some("{}".to_string())', "URL.create('postgresql', 'a', '{}', 'h')", '.password("{}")', 'passwords: ["{}"]',
    "1 validation error for Settings\npassword\n  Extra inputs are not permitted [type=x, input_value='{}', input_type=str]",
    "login with user ada and password {}", "I changed my password from oldOne12!x to {}", "The root password for the server 10.0.0.1 is {}.", "mi contraseña es {}",
    "the logins are ada:{}", "{user: ada, password: {}}", '@Value("${db.password:{}}")', "+DB_PASSWORD={}\n", "wifi_psk: {}", 'System.setProperty("wifi.psk", "{}");',
    "A temporary password is generated for root@localhost: {}", 'logging.info("password is %s", "{}")', 'log.Printf("pw=%v", "{}")', 'WiFi.begin("Home", "{}");',
    "signInWithEmailAndPassword(auth, 'a@b.c', '{}')", "auth.signInWithEmailAndPassword('a@b.c', '{}')", 'mqtt.username_pw_set("ada", "{}")', 'keyring.set_password("svc", "ada", "{}")',
    'User.objects.create_user("ada", "a@b.c", "{}")', 'connect(c, "h", "ada", "{}")', "curl_setopt($c, CURLOPT_USERPWD, 'ada:{}');", "root:{}@db.example.com:5432",
    "connect to root:{}@10.0.0.5", 'sql.Open("mysql", "root:{}@tcp(h:3306)/d")', "kubectl create secret generic x --from-literal=foo={}", "snmp-server community {} RO",
    "SECRET_KEY = 'django-insecure-(*fw6)j)$-z+pp1cjx8h*@^${}'", 'os.Setenv("ADMIN_PW", "{}")', 'api_secret: "{}$x"',
    'Credentials.basic("a", "{}")', '.basic_auth("a", Some("{}"))', "process.env.DB_PASS ??= '{}'", "assert password == '{}'", "insert into u(login,pass) values('a','{}')",
    "rabbitmqctl add_user ada {}", "rabbitmqctl -n a@h change_password ada '{}'", "mc alias set s3 http://h:9000 ada {}", "mosquitto_pub -h h -u ada -P {} -t a",
    "rootpw --plaintext {}\n", "chpasswd:\n  list: |\n    root:{}\n  expire: False", "[{user, \"ada\"}, {password, \"{}\"}]", '{db_password, <<"{}">>}',
    "ALTER USER ada IDENTIFIED BY '{}'", "db_password TEXT NOT NULL DEFAULT '{}',", "password varchar(40) default '{}'", "password: ${DEFAULT_PW:-{}}", "passwords: [{}]",
    "New password [None]: {}\n", "reg add HKLM\\X /v DefaultPassword /t REG_SZ /d {} /f", "    DefaultPassword    REG_SZ    {}", "Request: PASS {}\r\n",
    "Request command: PASS\n    Request arg: {}", "    Key Content            : {}\n", "<keyMaterial>{}</keyMaterial>", 'smtp.PlainAuth("", "a@b.c", "{}", "h")',
    "az keyvault secret set --vault-name v --name db --value '{}'", "aws ssm put-parameter --name /db --type SecureString --value {}",
    "Password for the [elastic] user successfully reset.\nNew value: {}", "<auth-user-pass>\nada\n{}\n</auth-user-pass>",
    "login for staging: admin / {}", "creds for the prod db: ada/{}",
    "jwt.verify(t, '{}')", "jwt.decode(t, '{}', algorithms=['HS256'])", "HMACSHA256(header + '.' + payload, '{}')", 'Keys.hmacShaKeyFor("{}".getBytes())',
    'HMACSHA256(\n  base64UrlEncode(header) + "." +\n  base64UrlEncode(payload),\n  {}\n)', 'new SecretKeySpec("{}".getBytes(), "AES")', 'Algorithm.HMAC256("{}")',
    "createCipheriv('aes-256-cbc', '{}', iv)", "CryptoJS.AES.encrypt(m, '{}')", 'EncodingKey::from_secret("{}".as_ref())', 'token.SignedString([]byte("{}"))',
    "hash_hmac('sha256', $d, '{}')", "hmac.new('{}'.encode(), m, sha256)", "'Basic ' + btoa('ada:{}')", 'keyStore.load(in, "{}".toCharArray())', 'ds.setPassword("{}")',
    "ACL SETUSER ada on >{} ~* +@all", "user ada on >{} ~* &* +@all", "HELLO 3 AUTH ada {}", "MIGRATE h 6379 k 0 5000 AUTH {}", "sentinel auth-pass mymaster {}", "redis-cli> AUTH {}",
    'expect "*?assword:*"\nsend -- "{}\\r"', 'expect -re "Password:" { send "{}\\r" }', "child.expect('assword:')\nchild.sendline('{}')", "sudo -S <<< '{}' ls",
    "wrangler secret put X <<< {}", "printf '{}' | docker secret create x -", "echo -n '{}' | gcloud secrets create x --data-file=-", "expdp ada/{} directory=d",
    "rman target sys/{}@x", "poetry config http-basic.x ada {}", "poetry config pypi-token.pypi {}", "caddy hash-password --plaintext {}", "signtool sign /p {} /f x.pfx",
    "certutil -p {} -importpfx x", "bw unlock '{}'", "SET PASSWORD FOR 'a'@'h' = '{}';", "iwconfig wlan0 key s:{}", "WIFI:T:WPA;S:Home;P:{};;",
    "crypto isakmp key {} address 1.2.3.4", "pre-shared-key {}", "ip ospf authentication-key {}", "tacacs-server key {}", "radius-server key 0 {}",
    "wpa-psk ascii 0 {}", "etcdctl --user root:{} get x", "db.changeUserPassword('ada', '{}')", "neighbor 1.2.3.4 password {}", "ssh root@10.0.0.5 password {}",
    'new UsernamePasswordAuthenticationToken("a", "{}")',
    "Driver={ODBC};PWD={{}};UID=a", 'const secret = "{}";', "<secret>{}</secret>", "docker run --env SECRET={} x", "heroku config:set SECRET_KEY={}", '- name: SECRET\n  value: "{}"', '{"pass": "{}"}',
    '{"jwt": {"secret": "{}"}}', "'secret' => '{}',", "| env | secret |\n|---|---|\n| prod | {} |", "**Secret:** `{}`", "app.use(session({ secret: '{}' }))",
    "new Sequelize('d', 'a', '{}')", "ssh.connect('h', 22, 'ada', '{}')", "$ua->credentials('h', 'r', 'a', '{}')", '[r setValue:@"{}" forHTTPHeaderField:@"X-Api-Key"];',
    'r.setValue("Bearer {}", forHTTPHeaderField: "X-Auth-Token")', "jwt.sign({ id }, '{}')",
    "What is the password? \u2014 {}", "Q: What is the password?\nA: {}", "ada: the password pls\nbob: {}", "I forgot my password, I think it was {}",
    "the password below\n{}\n", "Password (admin): {}", "password ==> {}", "password >> {}", "Password: \u201c{}\u201d", "use {} as password",
    "<strong>Password</strong>: {}<br>", "log in with ada / {}", "sign in as ada/{}", "The credentials are ada and {}", 'wifi_key = "{}"', "password di accesso: {}",
    "&quot;password&quot;:&quot;{}&quot;", "<div data-x='{&#34;password&#34;: &#34;{}&#34;}'>", "&lt;password&gt;{}&lt;/password&gt;", "{&amp;quot;password&amp;quot;:&amp;quot;{}&amp;quot;}",
    'char pass[] = "{}";', '#define PASS "{}"', 'var password = $"{}";', 'Map.of("user", "ada", "password", "{}")', "password: ${DB_PASSWORD:{}}", 'if (pw != "{}") return;',
    '.password(passwordEncoder().encode("{}"))', '.password("{noop}{}")', 'fill_in "Password", with: "{}"', "cy.get('[name=\"password\"]').type('{}')",
    'onView(withId(R.id.password)).perform(typeText("{}"));', 'server.login(user, "{}")', 'smtp.PlainAuth("", "bot@a.example", "{}", "smtp.example")',
    "User.objects.create_superuser('ada', 'a@b.c', '{}')", "auth.signIn('ada', '{}')", 'password_confirmation: "{}"',
    "oc login -u ada -p {} https://h", "az sql server create -n s -u ada -p {}", "unrar x -p{} a.rar", "hydra -l ada -p {} ssh://h", "rabbitmqadmin -u ada -p {} list queues",
    "mosquitto_passwd -b f ada {}", "openssl passwd -6 {}", "rclone obscure {}", "samba-tool user create ada {}", "kinit ada <<< {}", "echo {} | kinit ada",
    "printf '{}' | cryptsetup luksFormat /dev/sda -", "gpg --passphrase-fd 0 <<< '{}'", "keytool -deststorepass {} -destkeystore a", "drush si --account-pass={} --yes",
    "<input type=password name=pw value={}>", " user | password \n------+----------\n ada  | {}\n", "Username ...... ada\nPassword ...... {}", "ada@example.com / {}",
    "Alice: what's the password?\nBob: it's {}", "wifi password?\n{}\n", "Password \u279c {}", "Password \uff1a {}", "login/pw: ada / {}", "credentials (ada / {})",
    "user, password = 'ada', '{}'", "argon2.hash('{}')", "Hash::make('{}')", "bcrypt.hashSync('{}', 10)", 'BCrypt::Password.create("{}")', 'passwordEncoder.encode("{}")',
    "crypto.scryptSync('{}', 's', 32)", "createCipher('aes192', '{}')", "Buffer.from('ada:{}')", 'GetBytes("ada:{}")', 'yagmail.SMTP("a@b.example", "{}")',
    "<td>password:</td><td><code>{}</code></td>", "&lt;Password&gt;{}&lt;/Password&gt;", "curl --user 'ada':'{}' https://h", "osql -U sa -P {} -S h",
    "$('#password').val('{}');", "document.getElementById('password').value = '{}';", "Login details: ada / {}", "the password I use: {}", "my password currently is {}",
    "wifi.connect('Home', '{}')",
    "helm install db x --set auth.password={},auth.user=ada", "helm upgrade db x --set-string a.b.passwd={}", "ab -A ada:{} https://a.example/", "steghide embed -p {} -cf a.jpg",
    "apksigner sign --ks a.jks --ks-pass pass:{} a.apk", "schtasks /create /tn a /ru ada /rp {}", "rclone config create r webdav user ada pass {}",
)  # fmt: skip
#: Secrets of digits or letters only, recognised by their place.
SHORT = {
    "<password>{}</password>": "{AQAACP8nXwcsRZ9BcgV0p4+RIJrZifXgaFeW5l7Ve51+FdX9GReT4Li/Ig==}",
    "smtp://ada@a.example:{}@mail.example:587": "hunter2horse", "redis://ada:{}@db.example:6379/0": "q8Zr@mt4Lf", 'password = "{}"': "lKkpES@nZQxMol", "ansible_ssh_pass={} ansible_port=22": "EWmUvM!QpLdNzp",
    "AWS Secret Access Key [None]: {}\n": "ns8YmyICaCCvjT2QiKZ9isi00Q6ss+KfRrSPyj6u", "a.example\tTRUE\t/\tTRUE\t1\tsession_id\t{}": "FxIMqmBUykKWP8xeJ1CsE5V7xmvy0X1xk4CxqIUi",
    '"Jwt": { "Issuer": "x", "Key": "{}" }': "zRbQaHAWNZ9X1ldV6XzPAmkofNCIIv2QQqmGMq0y",
    "1\t{}\ta@b.c": "pbkdf2_sha256$260000$5JKVCGAoJ3YqVAvPtlch7U$UJO7GQA6EXCEbiUf4F+nuWB6tHk+aj/CUH6+s/ZEcfs=",
    "pw_hash = '{}'": "scrypt:32768:8:1$q8Zr3Lk9Vx2P$" + "0a1b2c3d" * 16,
    "Authorization: Basic {}": "dXNlcjpwYXNz", "authorization: basic {}": "YWRhOnBhc3N3b3Jk", '"Authorization": "Basic {}"': "dXNlcjpwYXNz",
    "_auth={}": "dXNlcjpwYXNzd29yZA==", "//r.example/:_auth = {}": "dXNlcjpwYXNzd29yZA==", "otp: {}": "482913", "Your OTP is {}": "482913",
    "cvv: {}": "482", "verification code: {}": "482913", "Your login code {}": "482913", "{} is your Acme verification code.": "482913", "PIN: {}": "4829", "totp_secret={}": "JBSWY3DPEHPK3PXP",
    "client-key-data: {}": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlF", "JSESSIONID={}": "A1B2C3D4E5F60718293A4B5C6D7E8F90",
    "https://a.example/cb#access_token={}&state=1": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "salt: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'Authorization: Digest username="a", nonce="b", response="{}"': "9f2c4e1ab07d63f58e9a1c2b3d4f5061",
    "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={}": "9f2c4e1ab07d63f58e9a1c2b3d4f50619f2c4e1ab07d63f58e9a1c2b3d4f5061",
    '{"auths":{"r.example":{"auth":"{}"}}}': "YWRhOmh1bnRlcjJob3JzZQ==", "AUTH PLAIN {}": "AGFkYQBodW50ZXIyaG9yc2U=",
    "kind: Secret\ndata:\n  dsn: {}\n": "cG9zdGdyZXM6Ly9hOmJAYy9k", "root:{}:19000::": "$6$saltsalt$q8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr",
    "hash: {}": "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "key: {}": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3dJQkFBSw==",
    "data: {}": "eyJwYXNzd29yZCI6ICJodW50ZXIyaG9yc2UiLCAidXNlciI6ICJhZGEifQ==", "cookie eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}": "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
    "MIIEowIBAAKCAQEA\n{}\n-----END RSA PRIVATE KEY-----": "MIIEowIBAAKCAQEAx7Vq3Lk9Vx2Pm7Tn4Wb6q8Zr",
    '{"kty":"EC","d":"{}"}': "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI", "APP_KEY={}": "base64:q8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr3Lk9Vx2Pm7Tn4Wb6abc=",
    "https://a.example/reset-password/{}": "q8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr", "https://api.telegram.org/{}/getMe": "bot123456789:AAHq8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr3Lk9Vx2P",
    "q=%22{}%22": "sk-" + "ant-api03-" + "xY9_" * 22 + "AA",
    "seed phrase: {}": "witch collapse practice feed shame open despair creek road again ice least",
    "Hello, my password is {}, can you help?": "hunter2", "He wrote: the password: {}.": "sunshine9", "My Wi-Fi password: {} (2.4 GHz)": "rosebud42",
    "https://{}@git.example.com/o/r.git": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "my password ({}) does not work": "hunter2", "I changed my password to {}.": "sunshine9",
    "your temporary password is: {}.": "welcome77", "Log in as ada; the root password was {} until May": "dragon99", "my password for github is {} now": "shadow12",
    "name,api_key\nx,{}\n": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "| app | token |\n|---|---|\n| a | {} |": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'jwt.sign(claims, "{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "GITHUB_PAT={}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "SESSION_ID={}": "q8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr", "os.environ['TOKEN'] = '{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "app.secret_key = b'{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'var jwtKey = []byte("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "- **API key:** `{}`": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "INSERT INTO keys (name, token) VALUES ('x', '{}');": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'form-data; name="api_key"\r\n\r\n{}\r\n--b': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "localStorage.setItem('token', '{}')": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "<apiKey><![CDATA[{}]]></apiKey>": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    '<meta name="csrf-token" content="{}">': "q8Zr3Lk9Vx2Pm7Tn4Wb6", '<meta content="{}" name="csrf-token">': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "const apiKey: string = '{}';": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'const API_KEY: &str = "{}";': "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'api_keys = ["{}"]': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'api_key = SecretStr("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "Incorrect API key provided: {}.": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "the api key {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "{} is the secret": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "| Token | `{}` |": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "<th>Token</th><td>{}</td>": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "document.cookie = 'session={}; path=/'": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'new("Bearer", "{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "x-registry-auth: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "echo {} | gh auth login --with-token": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "stringData:\n  x: {}\nkind: Secret": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    '- name: JWT_SECRET\n  value: "{}"': "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'variable "jwt_secret" {\n  default = "{}"\n}': "q8Zr3Lk9Vx2Pm7Tn4Wb6", '{"app_key": "{}"}': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "FAL_KEY={}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "secret_key <- '{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'setx APP_KEY "{}"': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "TOKEN               {}\n": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "API_TOKEN ?= {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'SESSION_SECRET = "{}"': "vmdV3d9rv+RyKOZckHhoIkoqFjiRk/iwU5xJ2/ZoTKE=", "define('NONCE_SALT',       '{}');": "x8:De0PPuS8jTBG uuuC?2u6?BmS-I~Z%2/@]dw",
    "my OpenAI key is {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "our new token: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "the bearer token is: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "**api_key**: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "<li>api_key: <code>{}</code></li>": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'api_key={"value":"{}"}': "q8Zr3Lk9Vx2Pm7Tn4Wb6", '<api_key type="string">{}</api_key>': "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'std::string api_key{"{}"};': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    '<setting name="api_key" serializeAs="String"><value>{}</value>': "q8Zr3Lk9Vx2Pm7Tn4Wb6", '.api_key("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "api_key \u2192 {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "api_key=={}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "Name       Token                     Created\nprod       {}      2026-01-01\n": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "AKIA" + "IOSFODNN7EXAMPLE / {}": "ns8YmyICaCCvjT2QiKZ9isi00Q6ss+KfRrSPyj6u",
    "Access key ID,Secret access key\nAKIA" + "IOSFODNN7EXAMPLE,{}": "ns8YmyICaCCvjT2QiKZ9isi00Q6ss+KfRrSPyj6u",
    "<key>apiKey</key><string>{}</string>": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'hmac.new(b"{}", m, sha256)': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "createHmac('sha256', '{}')": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'Fernet(b"{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", '.bearer_auth("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "vault login {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "**API key** - `{}`": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "**API key** \u2014 `{}`": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "pw {}": "mt4Lf05ydj9NBq", "mot de passe : {}": "weyldaij839DC", "my pw is in use, pw {}!": "Winter711",
    "VPN_SECRET='{}'": "3ZNxpfAjs-uT_laRqXpLlowHkLGfmOvQerh-0wTFcv4", "Dim secret_key As String = \"{}\"": "q8Zr3Lk9Vx2Pm7Tn4Wb6", ':auth-token "{}"': "3/u+eZaDCORbAPKSruLJiNpgD/8ZYFAWdRxNImAAaeE=",
    "redis_password = '{}'": "*bsAE#+ZXIbG*4", "https://mainnet.infura.io/v3/{}": "9997d0cf279ef0b8a5d87bd1b5a98289",
    "{}": "Ky2xmkWGisRJ78" + "oCMzt18WEkCXcqX2L2By7bMppjBVfSHUtyBGyx",
    'NSString *apiKey = @"{}";': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "ACL SETUSER ada on >{} allkeys": "tulipriver", "userPassword:: {}": "aHVudGVyMmhvcnNl", 'expect "assword:"\nsend "{}\\n"': "tulipriver",
    "https://ada:{}@git.example.com/o/r.git": "xq8Zr3Lk9", "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\n{}\nPrivate-MAC: 0": "MIIEvQIBADANBgkqhkiG9w0",
    "My seed phrase is {}": "witch collapse practice feed shame open despair creek road again ice least", "ada@example.com / {}": "sunshine2019",
    "clé d'API: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "o token é {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "el token es {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "API Key\uff1a{}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "秘密鍵: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "weather_key = '{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6Ty5N", '{"mapKey": "{}"}': "q8Zr3Lk9Vx2Pm7Tn4Wb6Ty5N", "Der Token lautet {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'g = Github("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", "activation key: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "key = b'{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6Ty5N",
    "API_KEY is set to {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "set OPENAI_API_KEY to {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "recovery key: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "vault operator unseal {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "cargo login {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "headers['Authorization'] = 'Bearer ' + '{}'": "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'bot.run("{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6", 'createClient("https://x.example", "{}")': "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    'const key = "{}";': "q8Zr3Lk9Vx2Pm7Tn4Wb6Ty5N", '{"key": "{}", "region": "eu"}': "q8Zr3Lk9Vx2Pm7Tn4Wb6Ty5N",
    "API-Schlüssel: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "ma clé API est {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "Jeton d'accès : {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "chave de API: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "chiave API: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "mój klucz API to {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "API-sleutel: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "Ключ API: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "мой токен {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "我的API密钥是{}": "q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "私のAPIキーは{}です": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "API 키: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "token de acceso: {}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "비번: {}": "hk7!Qz42x", "密码{}": "hk7!Qz42x",
    "DB_PASSWORD={}": "tulipriver", "app.datasource.password={}\n": "tulipriver", "MYSQL_ROOT_PASSWORD: {}\n": "tulipriver", "<password>{}</password>\n": "tulipriver", "username: ada\npassword: {}\n": "tulipriver",
    'connect(user="ada", password="{}")': "tulipriver", "CREATE USER a WITH PASSWORD '{}'": "tulipriver", "ALTER USER a IDENTIFIED BY '{}'": "tulipriver", 'getConnection(u, "root", "{}")': "tulipriver",
    "curl -u ada:{} https://a.example": "tulipriver", "docker login -u ada -p {} r.example": "tulipriver", "htpasswd -b f ada {}": "tulipriver", "echo 'root:{}' | chpasswd": "tulipriver",
    "password: {}": "v10l3t26x",
    'db_password = "{}"': "correcthorse", "password: '{}'": "sunshine", "const password = '{}';": "Thunderbird", "if pw != '{}':": "tulipriver",
    '{"user": "ada", "password": "{}"}': "Buttercup", '{"password": "{}", "username": "ada"}': "Buttercup", '{"login": "ada", "pass": "{}"}': "tulipriver",
    'see {"user": "ada", "password": "{}"} there': "Buttercup", "{ password: '{}', user: 'ada' }": "Buttercup", "  password: {}\n  user: ada\n": "tulipriver", '[db]\nuser = "ada"\npassword = "{}"': "Buttercup",
    '<property name="password" value="{}"/>': "tulipriver", '<user name="a" password="{}" roles="x"/>': "tulipriver", '{"env": {"PGPASSWORD": "{}"}}': "tulipriver", '{"name": "DB_PASSWORD", "value": "{}"}': "tulipriver",
    'export PGPASSWORD="{}"': "Buttercup", 'variable "db_password" {\n  type = string\n  default = "{}"\n}': "tulipriver", "- name: DB_PASSWORD\n  value: {}": "tulipriver", "Server=s;Database=d;Password={};": "tulipriver",
    "User Id=sa;Password={};": "tulipriver", "ansible-playbook site.yml -e ansible_password={}": "tulipriver", "terraform apply -var 'db_password={}'": "tulipriver", 'psk="{}"': "tulipriver",
    "requirepass {}": "tulipriver", "bindpw {}": "tulipriver", "CONFIG SET requirepass {}": "tulipriver", "url,username,password\na.example,ada,{}\n": "tulipriver", "| User | Password |\n|---|---|\n| ada | {} |": "tulipriver",
    "FLWSECK_TEST-{}": "9f2c4e1ab07d", "my BTC key {} ok": "5" + "JQrCCSKMLiRZxfQmnZ34ahPTHJT" + "AYgwKRqStWsd14ubHP6FZ7Y", "1Password ops_eyJ{}": "aB3+/xQ9" * 10,
    "mysql -uroot -p{} app": "tulipriver", "mysqldump -u root -p{} shop > s.sql": "Buttercup", "redis-cli -h c -a {} ping": "tulipriver", "openssl rsa -in k -passin pass:{} -out p": "tulipriver", "unzip -P {} a.zip": "Buttercup",
    "7z x a.7z -p{}": "tulipriver", "rar a -hp{} a.rar d": "tulipriver", "smbclient //h/s -U ada%{}": "tulipriver", "ldapsearch -x -D cn=a -w {} -b x": "tulipriver", "sqlcmd -S h -U sa -P {}": "tulipriver", "tsql -S h -U sa -P {}": "hunter2",
    "ldappasswd -D cn=a -s {} uid=b": "hunter2", "skopeo copy --src-creds ada:{} docker://a docker://b": "tulipriver", "cf login -u ada -p {}": "hunter2", "net use Z: \\\\h\\s /user:D\\ada {}": "tulipriver", "xfreerdp /v:h /u:ada /p:{}": "tulipriver",
    '$p = ConvertTo-SecureString "{}" -AsPlainText -Force': "tulipriver", "sqlplus scott/{}@//h:1521/XE": "tulipriver", "rabbitmqctl add_user ada {}": "tulipriver", "gpg --batch --passphrase {} -d a.gpg": "tulipriver", "keytool -storepass {} -list": "tulipriver",
    "qpdf --password={} --decrypt a b": "tulipriver", "svn co https://h/r --username ada --password {}": "tulipriver", "cypher-shell -u neo4j -p {}": "tulipriver", "nmcli dev wifi connect Home password {}": "tulipriver", "sudo -S <<< '{}' ls": "tulipriver",
    'gh secret set X -b"{}"': "hunter2horse", "/msg NickServ IDENTIFY {}": "hunter2", 'requests.get(u, auth=("ada", "{}"))': "tulipriver", 'server.login("a@b.c", "{}")': "Buttercup", "new NetworkCredential('ada', '{}')": "tulipriver",
    'user.set_password("{}")': "tulipriver", '.withPassword("{}")': "tulipriver", "DBI->connect($dsn, 'ada', '{}')": "tulipriver", "page.fill('#password', '{}')": "tulipriver", 'props.setProperty("password", "{}");': "tulipriver",
    'd.find_element(By.ID, "password").send_keys("{}")': "tulipriver", "echo {} | docker login --password-stdin r.example": "tulipriver",
    "userPassword: {SSHA}{}": "nU7a9Z0pQfKc2m6bT1r5Yx8wLz3EoVjD", "ada:{SHA}{}": "W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "ada:500:aad3b435b51404eeaad3b435b51404ee:{}:::": "31d6cfe0d16ae931b73c59d7e0c089c0",
    "export TF_TOKEN_app_terraform_io={}": "q8Zr3Lk9Vx2Pm7Tn4Wb6", "helm install a b --set auth.password={}": "tulipriver", "apksigner sign --key-pass pass:{} a.apk": "tulipriver",
    "schtasks /create /ru ada /rp {} /tn a": "tulipriver", "steghide extract -p {} -sf a": "tulipriver", "ab -P ada:{} http://h/": "tulipriver", "rclone config create r sftp pass {}": "tulipriver",
    "AWS_SECRET_ACCESS_KEY={}": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY", "api_key={}": "abcdef1234567890", "CLIENT_SECRET={}": "mysecretvalue123", 'MY_SECRET="{}"': "s3cr3t", "SECRET={}\n": "hunter22hunter22",
    "mount -o user=ada,pass={} //h/s /m": "BlueSky77", "| Username | ada |\n| Password | {} |": "tulipriver", "* **User:** ada\n* **Password:** {}": "tulipriver", "- user: `ada`\n- password: `{}`": "tulipriver",
    "<tr><td>User</td><td>ada</td></tr><tr><td>Password</td><td>{}</td></tr>": "tulipriver", "RootUser: admin RootPass: {}": "tulipriver", 'String::from("x"); let password = String::from("{}");': "xK9$mP2vL", 'the root password is "{}".': "tulipriver",
}  # fmt: skip
CONTEXTS = ("{}", "my key is {}", "Use {}, please.", "line\n{}\nline", 'key="{}"', "({})", "[{}]", "curl -H 'x: {}' https://a.example",
            "a,{},b", "first: {} and then")  # fmt: skip


def filled(rng: random.Random, template: str) -> str:
    """Return a template with random characters in its fields."""
    return re.sub(
        r"\{([ahUldwb])(\d+)\}",
        lambda found: "".join(rng.choice(_SIGNS[found[1]]) for _ in range(int(found[2]))),
        template,
    )


def planted(seed: int = 7) -> Iterator[tuple[str, str, str]]:
    """Yield an issuer, a text with a key, and the part of the key that must not remain."""
    rng = random.Random(seed)
    for issuer, template in FORMATS.items():
        for context in CONTEXTS:
            key = filled(rng, template)
            yield issuer, context.replace("{}", key), key.splitlines()[len(key.splitlines()) // 2][-20:]
    for name, template in NAMED.items():
        for context in ("{}", "see {}", "line\n{}\nline"):
            text = filled(rng, template)
            secret = max(re.findall(r"[\w+/]{16,}", text), key=len)
            yield name, context.replace("{}", text), secret
    for template in PLACES:
        password = filled(rng, "{a4}{d2}!{a3}")
        yield "by its place", template.replace("{}", password), password
    for template, held in SHORT.items():
        yield "by its place", template.replace("{}", held), held


_WORDS = ["the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he", "this", "are", "or", "his", "from", "at", "which", "but", "have", "an", "had", "they", "you", "were", "their", "one", "all", "we", "can", "her", "has", "there", "been", "if", "more", "when", "will", "would", "who", "so", "no", "said", "what", "up", "its", "about", "into", "than", "them", "only", "some", "could", "time", "these", "two", "may", "then", "do", "first", "any", "my", "now", "such", "like", "our", "over", "man", "me", "even", "most", "made", "after", "also", "did", "many", "before", "must", "through", "back", "years", "where", "much", "your", "way", "well", "down", "should", "because", "each", "just", "those", "people", "how", "too", "little", "state", "good", "very", "make", "world", "still", "own", "see", "men", "work", "long", "get", "here", "between", "both", "life", "being", "under", "never", "day", "same", "another", "know", "while", "last", "might", "us", "great", "old", "year", "off", "come", "since", "against", "go", "came", "right", "used", "take", "three", "token", "secret", "password", "key", "credentials", "author", "basic", "bearer", "monkey", "tokens", "keyboard", "secretary", "passwords", "authorization"]  # fmt: skip
_CODE = (
    "def {w}_{w}(self, token: str, key: bytes) -> None:\n    self.token = tokenizer.encode_plus_v2(token)\n",
    "api_key = os.environ['OPENAI_API_KEY']\npassword = settings.DATABASES2['default'].password\n",
    "const token = await getAccessTokenForUser2(user, {{ scope: '{w}' }});\n",
    ".sk-spinner-double-bounce-container {{ color: #{h6}; }}\n.sk-cube-grid-1-of-9-wrapper > .pa-4-xl {{ margin: 0 }}\n",
    "const apiKey = process.env.API_KEY ?? config.get('services.openai.apiKey');\n",
    "password: ${{DB_PASSWORD}}\nsecret_name: my-app-secret-name\ntoken_count: 1200\nmax_tokens: 4096\n",
    "Authorization: Bearer <your-token-here>\nX-Api-Key: YOUR_API_KEY\n", "postgres://user:password@localhost:5432/db\n",
    "commit {h40}\nAuthor: Ada <ada@example.com>\nDate: 2026-01-02\n\n    {w} the {w} {w}\n", "token: {h40}\n",
    '"integrity": "sha512-{b86}==",\n"resolved": "https://packages.example.com/{w}/-/{w}-1.2.3.tgz",\n',
    "image@sha256:{h64}\n", '{{"id": "chatcmpl-{a29}", "object": "chat.completion", "system_fingerprint": "fp_{h10}"}}\n',
    '{{"id": "msg_{a24}", "tool_use_id": "toolu_{a24}", "request_id": "req_{a24}"}}\n', "{h8}-{h4}-{h4}-{h4}-{h12}\n",
    "2026-11-02T10:11:12.123Z INFO [{w}] request_id={h32} status=200 duration_ms=12\n",
    "https://example.com/{w}/{w}?page=2&sort=desc&id={h24}\n", "<div class=\"css-{l7} sk-{w}-{w}-{w}-{w}\" id=\"{w}\">\n",
    "SELECT {w}_key, primary_key FROM {w} WHERE token_id = {d8};\n", "key: value\nforeign_key: user_id\ncache_key: v2:{w}:{w}\n",
    "docker run -p 8080:80 -e API_KEY=$API_KEY image2\ncurl -u $USER:$PASS https://a.example\nmysql -p app2\n",
    "docker login -u ada -p $TOKEN1 r.example\nsshpass -p \"$PASS1\" ssh h2\ndocker build --secret id=npm,src=$HOME/.npmrc2 .\n",
    ("Das Passwort muss 8 Zeichen haben. const senha = usuario2; senha: string\nle mot de passe : 12 signes\n"
     "密码\uff1a请输入6位数字 パスワードは8文字以上です пароль: не менее 8 символов contraseña: mínimo 8 caracteres\n"),
    ("Erlang OTP 27.1, error code 500123, access code 12 of 20; 2024 is your year, 100000 is your limit\n"
     "nmcli dev status\nuseradd -p $HASH1 ada\nwpa_passphrase is a tool2\n"),
    "required: [\"password\", \"user_name2\"]\nos.getenv('DB_PASSWORD', '')\nenv.get('PRIMARY_KEY', 'id_2')\n",
    "password: str | None = None\npassword: Optional[str],\npassword = getpass.getpass2('x')\nPASSWORD=${{PASSWORD2}}\n",
    "tool --max-token 4096 --token-file /etc/x1 --password-stdin --password PASSWORD2 --api-key YOUR_API_KEY\n",
    ("pin: 13\nerror code: 500\nzip code is 12345\nsalt: 1 tsp\nmain.go:123:45: error: x2\nsrc/a.py:1234:def:x:y\n"
     "The form has a password: required, the password: step2, the password field2, my password: see part2, a new password: input2.\n"
     "the password is base64-encoded, the password is sha256-hashed and your password is 12-characters long; password: user2\n"),
    "connect(host=h, password=pw2)\nlogin(user, password=db.password2)\nGET /login?next=/a HTTP/1.1\nAuthorization: Bearer token\n",
    "machine learning with a password manager 2\nhelm upgrade -p 2 x\nkubectl get secret my-secret-2 -o yaml\npassword: |\n\nx\n",
    ("session_id: {h8}-{h4}-{h4}-{h4}-{h12}\nsession_id=sess_{a24}\nsid=12\npath=/usr/lib/{w}2/{l7}\npat: {w}\nuser,token,key\n1,2,3\n"
     "INSERT INTO users (name, password) VALUES (?, %s), (:name, :password);\ninsert into a (token_id) values ({d8});\n"
     "connect(button, 'clicked2', 'on_click2')\nget('password', 'default')\nadd_argument('--password', 'x')\n"
     "use the token as a password; treat utf8 as the password encoding; user ada, password required\n"
     '<input type="password" name="pw2" value="">\n<input name="q" value="password2">\nform-data; name="password_hint"\r\n\r\nhint2\n'),
    ("utf8 is the password encoding; sha256 is my password hash, the password C++11 and a password at 100%; wrong password (3 of 5)!\n"
     "login: ada / admin2, credentials: region/us-east-1; the token is the key; password == password2; hash('sha256'), crypt('des3')\n"
     "| Token | Count |\n|---|---|\n| key | 12 |\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
     "token: Optional[str] = None; key: int = 12; const tokenType: string = 'access2'; dtn_ hb_ bu_{w}_{w} tr_prod_{w}\n"),
    ("username: string, password: string; user: text, password: required; {{\"username\": \"Benutzername\", \"password\": \"Passwort\"}}\n"
     "PASSWORD=changeme\nself.password=passphrase\n<password>Passwort</password> user: ada, password: see below\nclass Password\nis_active2\n"
     "Reach me at ada@example.com / phone2 or git@github.example:ada2, scp x2 ada@h.example.com:backup-1/x\n<input type=checkbox name=password2 value=on>\n"
     "const key = \"{h40}\"; <li key=\"{l24}\">, {{\"key\": \"users/{a20}.png\", \"next_key\": \"{a32}\"}}, ключ: {h40}, キー: {h8}-{h4}-{h4}-{h4}-{h12}, Der Schlüssel: user_id2\n"
     "What is the password? It must have 8 characters. Forgot your password?\nClick here2\nlogin with region/us-east-1 or log in as admin/user2\n"
     "client('s3'), login(request, 'profile2'), run(\"test_{w}_{w}_{w}_12\"), init(\"{w}-{w}-{w}-v2-1-0-1\"); &quot;key&quot;: &quot;{w}&quot;\n"),
    ("Settings:\nPUBLIC_KEY=MFkwEwYHKoZIzj0CAQYI\nCACHE_KEY=users2:v3:a1b2c3d4e5f6a7b8\nS3_OBJECT_KEY=2026/a1b2c3d4e5f6a7b8.png\nPARTITION_KEY={d8}\n"
     "patches/62-rsa-psk-side-step-potential-side-channel.patch\nPASSWORD          VARCHAR2(64)\nclave primaria: id_2\nweb_{w}_{w}_{w} aiven1 fnApply\n"
     "'mysql_fetch_array',\n'odbc_pw',\n'db2_close',\n'db2_pclose2',\n\napt\\tlibxi6:amd64\\t2:1.8\\napt\\tpasswd\\t1:4.13\\napt\\tlibfribidi0:amd64\\t1.0\\n"
     "logging.info('key %s', 'primary2') assert '%s' % ('a', 'b2') hmac.new(key, msg, 'sha256') createHmac('sha256', secret)\n"
     "my key2 is a word, this key: value2, my primary key is user_id_2026_01; our key is a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0\n"
     "Name    Token    Count\nthe     the2x    12\n\nfield_password(\"user2\") has_token(\"page_2\") AKIAXXXXXXXXXXXX / {h32}{d8}\n"
     "_SK_START = b'-----BEGIN OPENSSH PRIVATE KEY-----'; _SK_END = b'-----END OPENSSH PRIVATE KEY-----'\n"
     "password = transformFromRGBToXY2; token = vectorOfPointsInXY; api_key: {{ settings.key2 }}, secret='https://a.example/x2', key - value2\n"
     "password:   $PASSWORD1\npassword = *args1\n%s, %1$s, %-10s\n"),
    ("rabbitmqctl list_users2; rabbitmqctl add_user ada $PASSWORD1; mc alias list2; mosquitto_sub -P $PASSWORD1 -t a; rootpw --lock x2\n"
     "chpasswd:\n  expire: False\n  list: |\n    ada:RANDOM\n{{password, required2}}, validate(password, 'min8'), {{user, \"ada2\"}}\n"
     "password TEXT DEFAULT 'none', token_kind varchar(40) default 'bearer2', passwords: [required, min8], keys: [a1, b2]\n"
     "    ProductName    REG_SZ    Windows10\n    PasswordLength    REG_SZ    x12\nRequest: USER ada2\nKey Index   : 0\n<keyType>passPhrase</keyType>\n"
     "login for staging: see page2, login for users: admin / user, Region [None]: eu-west-1\n\"Jwt\": {{ \"Issuer\": \"issuer2\", \"Audience\": \"api2\" }}\n"
     "password: User#authenticate, password = 'Account@Company', pwd = aX*bY; http://a.example:80/@ada http://a.example/x:y@z mailto:ada@example.com:x@b\n"
     "az group create --value x2y; aws ssm get-parameter --name /a --value1 b2; counter reset. New value: 12 <auth-user-pass>\n<p>{{AQAA}}</p>\n"
     "price: $260000$ or $1200$ a month; a && b2 & c3; f(&password2, &x3); https://a.example/?token_type=a&b2&c=d\n"),
    ("hmac.new(key2, msg, 'sha256'), createCipheriv('aes-256-gcm', key, iv), jwt.decode(t, key, ['RS256']), Algorithm.HMAC256(secret2)\n"
     "HMACSHA256(base64UrlEncode(header) + payload, secret2)\nres.cookie('theme', 'dark2'), view.setValue(x2, forHTTPHeaderField: 'Accept-Charset')\n"
     "acl setuser alice on >$PASSWORD1, a user on > 2 pages, send \"password1\\r\", send(\"reset2\"), cat <<< $TOKEN1, auth 2 of 3, 3 auth methods\n"
     "secret: 'db-creds-2', secret = \"my_secret_2\", <secret>tls-cert-2</secret>, SECRET=tls-cert-2, if (token !== 'id_token2') x, a != 'b2c3d4e5'\n"
     "wifi: T;S;P2, pre-shared-key ascii-text $KEY1, key s: small2, expdp scott directory=d2, printf 'a2' | docker image ls, \"secret\" <<< $2\n"
     "btoa('name:' + value2), name.toCharArray(), 'abc123'.split(), setPassword(user.password2), signWith(SignatureAlgorithm.HS256, key2)\n"),
    ("password = \"password\", password: 'string', const password = 'required'; password: 'Invalid', {{\"password\": \"userPassword\", \"pwd\": \"folder\"}}\n"
     "{{\"username\": \"Brukernavn\", \"password\": \"Losen\"}}, {{\"user\": \"{w}\", \"password\": \"<password>\"}}, {{\"host\": \"h\", \"password\": \"incorrect\"}}\n"
     "password = \"YOUR_PASSWORD\"; password => 'Wachtwoord', PASSWORD = \"PASSWORD\"; name: PASSWORD_FIELD\nvalue: visible\npass: \"shadow\", psk: \"ecdhe\"\n"
     "mkdir -p output; mysql -p app; find . -print -prune; gcc -pthread -pedantic; az webapp create -p myplan; use --password option or --password prompt\n"
     "auth(\"Basic\", \"realm\"), login(\"google\", redirect), credentials('aws', 'region'), setPassword(\"password\"), keyring.get_password(\"service\")\n"
     "--password=PASSWORD --password=string; mysql -pPASSWORD; redis-cli -a password; unzip -P password; page.fill('#password', 'password')\n"
     "| User | Password |\n|---|---|\n| ada | required |\n\nrequirepass password\nbindpw secret\n"
     "| Name | Default |\n| Username | none |\n| Password | required |\nserver=a;password=required; --set auth.password=default, -e db_password=example\n"),
    "class OAuth2PasswordBearerWithCookie(OAuth2):\n    tokenUrl: str\n    secret: SecretStr = Field(alias='{w}_secret')\n",
)  # fmt: skip


def clean(size: int = 2_000_000, seed: int = 11) -> Iterator[str]:
    """Yield texts without secrets, of `size` characters in total."""
    rng = random.Random(seed)
    length = 0
    while length < size:
        kind = rng.random()
        if kind < 0.4:
            text = " ".join(rng.choice(_WORDS) for _ in range(400))
        elif kind < 0.97:
            template = "".join(rng.choice(_CODE) for _ in range(20))
            words = re.sub(r"\{w\}", lambda _: rng.choice(_WORDS), template)
            text = filled(rng, words).replace("{{", "{").replace("}}", "}")
        else:
            text = json.dumps({"image": "data:image/png;base64," + base64.b64encode(rng.randbytes(15_000)).decode()})
        length += len(text)
        yield text


def main() -> None:
    """Print the rates of true and false positives."""
    from autolog._redaction.redactor import REDACTED, Redactor
    from autolog._redaction.walk import apply

    redactor = Redactor(None, secrets=True)
    texts = list(planted())
    missed = [(issuer, text) for issuer, text, secret in texts if secret in apply(text, redactor.edits(text))]
    kinds = len(FORMATS) + len(NAMED) + len(PLACES) + len(SHORT)
    print(f"found {len(texts) - len(missed)} of {len(texts)} secrets of {kinds} kinds")
    for issuer, text in missed:
        print(f"  missed: {issuer}: {text[:120]!r}")
    plain = list(clean())
    false = [(text, edit) for text in plain for edit in redactor.edits(text)]
    print(
        f"{len(false) / (sum(map(len, plain)) / 1_000_000):.1f} places per megabyte taken for {REDACTED} without need"
    )
    for text, (start, end, _) in false[:20]:
        print(f"  false: {text[max(0, start - 30) : end + 10]!r}")


if __name__ == "__main__":
    main()
