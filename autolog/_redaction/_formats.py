"""Formats of API keys, as published by their issuers or contributed by them to secret scanners (read 2026-11).

Each format is an ASCII regular expression that begins with a letter or digit, or is in `INNER`; a key is never preceded
by one. Matching must take linear time: either a repetition is bounded, or what follows it cannot begin with a character
that it repeats.
"""

from __future__ import annotations

_HEX32, _HEX40, _HEX64 = "[0-9a-f]{32}", "[0-9a-f]{40}", "[0-9a-f]{64}"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

#: OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse, LiteLLM, Novita, Knock and more; `keys` rules out other words with
#: this prefix.
SK_FORMAT = r"sk[-_][\w-]{16,}"
SK_MODES = ("live_", "test_", "prod_", "org_", "car_")
SK_ISSUERS = ("proj-", "svcacct-", "admin-", "ant-", "or-v1-", "lf-", "None-", "helicone-")

_MODELS = (
    r"hf_[A-Za-z0-9]{30,}", r"api_org_[A-Za-z0-9]{30,}",  # Hugging Face
    r"gsk_[A-Za-z0-9]{30,}", r"xai-[A-Za-z0-9]{30,}", r"pplx-[A-Za-z0-9]{30,}", r"r8_[A-Za-z0-9]{30,}",
    r"nvapi-[\w-]{30,}", r"tvly-[\w-]{20,}", r"jina_[\w-]{30,}", r"fw_[A-Za-z0-9]{20,}", r"csk-[a-z0-9]{40,}",
    r"tgp_v1_[\w-]{30,}", r"pcsk_\w{40,}", r"vc[aikpr]_[A-Za-z0-9]{40,}", r"sk_[0-9a-f]{48}", r"pa-[\w-]{40,}",
    r"AQ\.Ab[\w-]{40,}",  # Gemini, Vertex AI in express mode
    r"fc-[0-9a-f]{32}", r"e2b_" + _HEX40, r"llx-[A-Za-z0-9]{40,}", r"m0-[A-Za-z0-9]{40}", r"flp_[A-Za-z0-9]{40,}",
    r"rpa_[A-Z0-9]{40,}", r"cpk_" + _HEX32 + r"\.[\w.]{32,}", r"esecret_[a-z0-9]{26,}", r"ctx7sk-" + _UUID,
    r"apify_api_[A-Za-z0-9]{30,}", r"sk_car_[A-Za-z0-9]{20,}", r"crsr_" + _HEX64, r"key_" + _HEX64,
    r"bce-v3/ALTAK-[\w/-]{40,}",
    r"lsv2_[a-z]{2}_[\w]{30,}", r"ls__[0-9a-f]{32}", r"alk_[\w-]{20,}", r"wandb_v1_\w{40,}", r"pn[ub]_[A-Za-z0-9]{36}",
    r"psk-(?=[A-Za-z_-]{0,24}\d)[\w-]{32,}", r"pylf_v1_[a-z]{2,8}_[\w-]{32,}", r"opk_[0-9a-f]{32,}",
    r"hl_[ps]k_[0-9a-f]{32,}",
    r"rlc-[\w-]{32,}", r"pl_" + _HEX32 + r"(?![0-9a-f])", r"sk-helicone-[A-Za-z0-9]{7}-[A-Za-z0-9-]{15,}",
    r"inference-" + _HEX32, r"ydc-sk-[\w-]{20,}", r"BSA[\w-]{27,28}", r"rc_" + _HEX64, r"rqsty-sk-[\w+/=-]{40,}",
    r"glama_[\w-]{40,}", *(kind + _UUID + r"[\w-]*" for kind in ("ak-", "ark-")),
    r"secret_[a-z]{2,20}_[A-Za-z0-9.]{32,}", r"bt-st-[A-Za-z0-9]{40,}", r"dtn_" + _HEX64, r"csb_v1_[\w-]{40,}",
    r"tsk_[\w-]{36,}", r"msy_[A-Za-z0-9]{36,}", r"hb_[0-9a-f]{60}", r"ste-[A-Za-z0-9]{44,}",
    r"bu_[A-Za-z0-9-]{40,}", r"lsk_[A-Za-z0-9]{32,}", r"xai-token-[A-Za-z0-9]{60,}",
    r"a[ks]-(?=[A-Za-z]{0,20}\d)[A-Za-z0-9]{22}(?![\w-])", r"sk[A-Za-z0-9]{170,}", r"luma-" + _UUID + r"-" + _UUID,
    r"plln_sk_[A-Za-z0-9]{20,}", r"apk_user_[A-Za-z0-9+/=]{30,}", r"AKLT[A-Za-z0-9]{40,}",
    r"scp-(?:live|test)-" + _HEX32, r"unkey_[A-Za-z0-9]{20,}", r"n8n_api_[0-9a-f]{40,}", r"gb_api_[A-Za-z0-9]{30,}",
    r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}", r"sgp_[A-Za-z0-9]{64}",
    r"sntrys_[A-Za-z0-9+/=_-]{40,}", r"sntry[ua]_" + _HEX64,
)  # fmt: skip
_CLOUDS = (
    r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}(?![0-9A-Z])", r"ABSK[A-Za-z0-9+/]{100,}={0,2}", r"bedrock-api-key-[\w+/-]{40,}",
    r"AIza[\w-]{35}(?![\w-])", r"ya29\.[\w-]{20,}", r"GOCSPX-[\w-]{20,}", r"1//0[\w-]{40,}",  # Google
    r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}", r"SharedAccessKey=[A-Za-z0-9+/]{40,}={0,2}",  # Azure
    r"LTAI[A-Za-z0-9]{16,24}(?![A-Za-z0-9])", r"AKID[A-Za-z0-9]{24,40}(?![A-Za-z0-9])",  # Alibaba, Tencent
    r"do[opr]_v1_" + _HEX64, r"HRKU-[\w-]{36,}", r"fo1_[\w-]{40,}", r"fm[12][a-z]?_[A-Za-z0-9+/=_-]{60,}",
    r"nfp_[A-Za-z0-9]{36,}", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{140,}", r"sbp_(?:oauth_)?[0-9a-f]{40,}",
    r"sb_secret_[\w-]{20,}",
    r"pscale_(?:tkn|pw|oauth)_[\w.-]{30,}", r"dapi[0-9a-f]{32}(?:-\d)?", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}",
    r"hv[sbr]\.[\w-]{24,}", r"pul-" + _HEX40, r"tskey-[a-z]+-[\w-]{10,}",
    r"ops_eyJ[\w+/-]{60,}", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}", r"NRAK-[A-Z0-9]{27}", r"NRII-[\w-]{30,}",
    r"cf(?:k|ut|at)_[\w-]{40,}", r"dt0[a-z]\d{2}\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}", r"napi_[a-z0-9]{40,}",
    r"rnd_[A-Za-z0-9]{28,}", r"sha256~[\w-]{43}", r"AKCp[A-Za-z0-9]{60,}", r"A3-[A-Z0-9]{6}-[A-Z0-9-]{26,}",
    r"amzn\.mws\." + _UUID, r"amzn1\.oa2-cs\.v1\." + _HEX64, r"AQVN[\w-]{35,}", r"ico-[A-Za-z0-9]{32}",
    r"DO(?:00|801)[A-Z0-9]{16,}(?![A-Za-z0-9])", r"SCW[A-Z0-9]{17}(?![A-Za-z0-9])",
    r"YC[MN][\w-]{36,}", r"t1\.[\w=-]{40,}\.[\w=-]{80,}", r"npg_[A-Za-z0-9]{12,}", r"mdb_sa_sk_[\w-]{40}",
    r"vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{20,}", r"dd[op]_[A-Za-z0-9]{36}",
    r"nbp_[A-Za-z0-9]{36}", r"tk-us-[\w-]{48}",
    r"dd(?:app|pat)_[A-Za-z0-9]{34,}", r"hc[ab](?:i[ck]|mk)_[a-z0-9]{58}", r"xa[ap]t-" + _UUID, r"NRJS-[0-9a-f]{19}",
    r"AVNS_[\w-]{19,}", r"CCDB1_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}", r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])",
    r"eyJrIjoi[\w+/]{60,}={0,2}",
    r"cflt[A-Za-z0-9+/]{60}(?![A-Za-z0-9+/])", r"fnA[\w-]{37}(?![\w-])", r"aivenv1[\w+/=-]{60,}",
    r"depot_(?:project|org)_[0-9a-f]{40,}",
    r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}", r"glc_[A-Za-z0-9+/=]{32,}",  # Grafana
)  # fmt: skip
_CODE = (
    r"gh[opsur]_[A-Za-z0-9]{30,}", r"github_pat_\w{30,}",
    r"gl(?:pat|dt|rt|oas|cbt|ptt|ft|imt|agent|soat|ffct|wt)-[\w.-]{18,}",
    r"GR1348941[\w-]{20}", r"ATTA" + _HEX64, r"bkct_[\w-]{40,}", r"snyk_[a-z]{2,4}\.[A-Za-z0-9]{8}\.[\w-]{40,}",
    r"cmVmdGtu[A-Za-z0-9]{56}", r"jsr[tp]?_[A-Za-z0-9]{30,}", r"vtwn_[A-Za-z0-9]{27,}",
    r"AT(?:ATT|CTT)3[\w=.-]{60,}", r"ATBB[A-Za-z0-9]{24,}", r"npm_[A-Za-z0-9]{36}", r"pypi-[\w-]{50,}",
    r"rubygems_[0-9a-f]{48}", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", r"oy2[a-z0-9]{43}", r"CLOJARS_[a-z0-9]{60}",
    r"dckr_(?:pat|oat)_[\w-]{24,}", r"sq[pua]_" + _HEX40, r"CCIP(?:AT|RJ)_[A-Za-z0-9]+_" + _HEX40, r"bkua_" + _HEX40,
    r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}", r"figd_[\w-]{40,}",
    r"slk_" + _HEX64, r"API-[A-Z0-9]{26}(?![A-Z0-9])", r"rootly_" + _HEX64, r"fig[our]_[\w-]{40,}",
    *(kind + r"at\.[\w-]{22}\.[0-9a-f]{24}\.[\w-]{20}" for kind in "ps"),  # Harness
    r"CFPAT-[\w-]{43}", r"sktsec_\w{40,}", r"xau_[A-Za-z0-9]{36,}", r"pts_[a-z2-7]{32}(?![a-z0-9])",
    r"0\." + _UUID + r"\.[A-Za-z0-9]{30}:[A-Za-z0-9+/]{22}==", r"rdme_[a-z0-9]{70}",
    r"packagist_(?:uut|out|acc)_[0-9a-f]{68}", r"ovsxat_" + _UUID, r"web_" + _HEX64, r"dbt[cu]_[\w-]{36,}",
)  # fmt: skip
_SERVICES = (
    r"xox[abcdeoprs]-[\w%+/=-]{16,}", r"xwfp-\d{8,}-[\w-]{30,}", r"xoxe\.xox[bp]-[\w-]{16,}", r"xapp-[\w-]{16,}",
    r"hooks\.slack\.com/(?:services|workflows)/[A-Z0-9]{6,}/[A-Z0-9]{6,}/[A-Za-z0-9/]{16,}",
    r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{16,20}/[\w-]{50,}",
    *(letter + r"[A-Za-z\d_-]{23,28}+\.[\w-]{6}\.[\w-]{27,38}" for letter in "MNO"),  # Discord
    r"base64:[A-Za-z0-9+/]{43}=(?!=)",  # Laravel's key
    r"SK" + _HEX32 + r"(?![0-9a-f])",  # Twilio
    *(kind + r"k_(?:org_)?(?:live|test|prod)_[\w-]{16,}" for kind in "rs"), r"pk_prod_[A-Z0-9]{28}",
    *(kind + r"_(?:pub_)?[A-Za-z0-9]{30,}" for kind in ("live", "test")), r"live_(?=[\w-]{0,39}\d)[\w-]{40}(?![\w-])",
    r"APP_USR-\d{16}-\d{6}-[0-9a-f]{32}-\d+",
    r"access_[A-Za-z0-9]{36,}", r"EAAA[\w-]{60}(?![\w-])", r"xprv[A-Za-z0-9]{107}", r"nsec1[a-z0-9]{58}",
    r"alcht_[A-Za-z0-9]{30,}", r"pk_\d{6,}_[A-Z0-9]{32}",
    r"5Aep861[\w.]{60,}", r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}",
    *(kind + r"/\d{16}(?:/\d{16})?:[0-9a-f]{32}" for kind in "12"),
    r"os_v2_app_[a-z0-9]{80,}", r"mlsn\." + _HEX64, r"secret-[A-Za-z0-9]{43,44}(?![A-Za-z0-9])",
    r"s-s4t2(?:ud|af)-" + _HEX64,
    r"sm_[a-z]at_[A-Za-z0-9]{16}", r"p8e-[a-z0-9]{32}", *(kind + r"k\.eyJ[\w-]{40,}\.[\w-]{20,}" for kind in "ps"),
    r"s[ct]c?_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[\w+/=-]{30,120}",
    r"KEY[0-9A-Z]{32}_[A-Za-z0-9]{22}",
    r"whsec_[A-Za-z0-9+/=]{20,}", r"rzp_(?:live|test)_[A-Za-z0-9]{14,}",
    r"sq0(?:atp|csp|idp)-[\w-]{22,}", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", r"EZ[AT]K[A-Za-z0-9]{54}",
    r"shippo_(?:live|test)_" + _HEX40, r"access-(?:sandbox|development|production)-" + _UUID,
    r"SG\.[\w-]{16,}\.[\w-]{16,}", r"key-" + _HEX32 + r"(?![0-9a-f])",
    r"re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{20,}",
    r"ntn_[A-Za-z0-9]{40,}", r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    r"pat-(?:na|eu)\d-" + _UUID, r"sl\.(?:u\.)?[\w-]{100,}", r"EAA[A-Za-z0-9]{80,}",
    r"tfp_[\w-]{40,}", r"fio-u-[\w-]{60,}", r"duffel_(?:live|test)_[\w-]{40,}", r"phc_[A-Za-z0-9]{40,}",
    r"phx_[A-Za-z0-9]{40,}", r"xkeysib-" + _HEX64 + r"-[A-Za-z0-9]{16}", r"xsmtpsib-" + _HEX64 + r"-[A-Za-z0-9]{16}",
    r"FLWSECK(?:_TEST)?-[\w-]{12,}", r"pdl_(?:live|sdbx)_apikey_[a-z0-9]{20,}+_\w{20,}",
    r"polar_(?:oat|pat)_[A-Za-z0-9]{40,}", r"xnd_(?:production|development)_[A-Za-z0-9]{40,}", r"sdk-" + _UUID,
    r"signkey-(?:prod|test|branch)-" + _HEX64, r"tr_(?:prod|dev|stg|preview)_[A-Za-z0-9]{20,}", r"bxt_[A-Za-z0-9]{36,}",
    r"dvc_(?:server|client|mobile)_[0-9a-f]{8}_[0-9a-f]{4,}_\w{12,}", r"configcat-(?:sdk-1|proxy)/[\w-]{22}/[\w-]{22}",
    r"retool_01[A-Za-z0-9]{24,}", r"hbp_[A-Za-z0-9]{32,}", r"cu_" + _HEX32 + r"(?![0-9a-f])", r"IGQV[\w-]{80,}",
    r"tok_sandbox_[A-Za-z0-9]{24,}",
    r"api_(?:live|sandbox)(?:_[a-z]{2})?\.[\w-]{11}\.[\w-]{32}", r"persona_(?:production|sandbox)_" + _UUID,
    r"WPL_AP\d\.[\w.]{20,}={0,2}",
    r"aact_(?:prod|hmlg)_[\w+/=-]{60,}",
    r"dnkey-[A-Z0-9=_-]{26}-[A-Z0-9=_-]{52}", r"hooks\.zapier\.com/hooks/catch/\d{4,12}/[a-z0-9]{6,12}",
    r"token-[a-z0-9]{5}:[a-z0-9]{54}", r"infura\.io/(?:ws/)?v3/" + _HEX32, r"g\.alchemy\.com/v2/[\w-]{32}",
    *(kind + r"[1-9A-HJ-NP-Za-km-z]{51}(?![A-Za-z0-9+/=])" for kind in "KL"),  # Bitcoin
    *(kind + r"[1-9A-HJ-NP-Za-km-z]{49}(?![A-Za-z0-9+/=])" for kind in ("5H", "5J", "5K")),
    r"api-" + _UUID, r"cal_live_" + _HEX32, r"bb_live_[\w-]{20,}", r"secret-(?:live|test)-[\w=-]{30,}",
)  # fmt: skip

#: Formats without a fixed beginning: a sign that every key contains, a pattern of its surroundings, and the format.
INNER = (
    ("Q~", r"\dQ~", r"[A-Za-z0-9_~.-]{3}\dQ~[\w~.-]{31,34}"),  # Azure
    *((sign, sign, rf"[A-Za-z0-9]{{50,60}}{sign}[A-Za-z0-9]{{10,40}}") for sign in ("JQQJ99", "AAAAACO")),
    (".atlasv1.", r"\.atlasv1\.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),  # Terraform
    (":A", r":A(?<=\d:A)[\w-]{34}", r"(?:bot)?\d{8,10}+:A[\w-]{33,36}"),  # Telegram
    (".webhook.office.com/", r"\.webhook\.", r"[a-z0-9-]{1,40}+\.webhook\.office\.com/webhookb2/[\w@/-]{60,}"),
    *((sign, sign.replace("+", r"\+"), r"[A-Za-z0-9+/]{52,84}" + sign.replace("+", r"\+") + "[A-Za-z0-9+/]{4,}={0,2}")
      for sign in ("AZDO", "+ABa", "+ASt", "+AIo", "ACDb", "APIM")),  # Azure
    *((sign, sign.replace("+", r"\+"), r"[A-Za-z0-9+/]{32,46}" + sign.replace("+", r"\+") + "[A-Za-z0-9+/]{4,8}={0,2}")
      for sign in ("AzCa", "+ASb", "+ACR", "AzSe", "AZEG", "AIoT", "AzFu")),
    ("msh", r"msh[0-9a-f]{15}p1", r"[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{6}jsn[0-9a-f]{12}"),  # RapidAPI
    (":APA91b", ":APA91b", r"[\w-]{8,24}:APA91b[\w-]{100,}"),  # Firebase
    ("NRAL", "NRAL", r"[0-9a-f]{36}NRAL"),  # New Relic
    ("_mmk", "_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),  # MaxMind
    ("-us", r"-us\d", _HEX32 + r"-us\d{1,2}(?!\d)"),  # Mailchimp
)  # fmt: skip
FORMATS = (*_MODELS, *_CLOUDS, *_CODE, *_SERVICES)
