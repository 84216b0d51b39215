PRAGMA auto_vacuum = 0;
BEGIN TRANSACTION;
CREATE TABLE body (n INTEGER PRIMARY KEY, request_body BLOB, response_body BLOB);
INSERT INTO "body" VALUES(1,X'28B52FFD2061AD02001246141980A96D9AA2C93D14F26982791E819F90F9F303154836410701892171C000C99C631309B690697E81D2FE4CAC5D9981CFBBBE0B0F2ECEEBE1F313A691C2597F8CEA958BD142CA4081B18AE3733A02959100',X'28B52FFD6036009D0600228D281E704974A6DAB1BC529618A185E4960F04E1701CF4517D7103FF39E1FF0F335184309AFC7EBC841C06AB427FE21B6BA73D78C9208AD0909CABE433700AE7B5F3B4C0257F962478D6E75ECFF9BEEE894D3B085D82BAA4BBB2D6EFDC9EEA24185F5E844B7041155E840A2E41D7B5CD04180A29D4E1280EB5BC4CF5417D5B1A559AE1A502008118FAA9CEE2DED7A6B15E865F9A70D078090DD534B63E998597A0B20805120036F7F16C483F01270E4BCC2639A1DE5561880A84256AD5C88E10DF57C17475CD2AE3B8D6596D016A79F69D4E');
CREATE TABLE document (kind TEXT, key TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, key));
INSERT INTO "document" VALUES('key','2e7cbe4b','{"hash":"5f79e93928dca9ab522388c3dbecf7d4f94bc22304c76fe0055cbb8b849a249b","name":"web","project":"shop","scopes":["ingest","read"],"created_at":"2026-11-27T16:01:05+00:00","revoked_at":null}');
CREATE TABLE log (
            n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT, project TEXT NOT NULL,
            dialect TEXT NOT NULL, trace_id TEXT, span_id TEXT, parent_span_id TEXT, operation_name TEXT,
            provider_name TEXT, request_model TEXT, response_model TEXT, usage_input_tokens INTEGER,
            usage_output_tokens INTEGER, cost REAL, cached INTEGER NOT NULL, status TEXT NOT NULL, status_code INTEGER,
            error_type TEXT, error_message TEXT, created_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, duration REAL, time_to_first_chunk REAL, user TEXT, session TEXT, tags TEXT,
            metadata TEXT, score REAL, feedback INTEGER, prompt_name TEXT, prompt_id TEXT, prompt_version TEXT,
            request_content_type TEXT, response_content_type TEXT, input_preview TEXT, output_preview TEXT, rest TEXT,
            UNIQUE (project, id));
INSERT INTO "log" VALUES(1,'01a21dbd-1f4f-7825-9b13-1c83eda26ed4','llm','chat gpt-4o-mini','default','native','042c4d531bd4f450051f0649f8b3263e','bd32ba438479b604','246c7db6f1bdd909','chat','openai','gpt-4o-mini','gpt-4o-mini-2024-07-18',12,7,5.99999999999999930524e-06,0,'ok',200,NULL,NULL,1795795263311049,1795795263372264,1795795263372264,0.014056475,NULL,'u','s','["t"]','{"plan":"gold"}',NULL,NULL,NULL,NULL,NULL,'application/json','application/json','Name three rivers in Portugal. 0','Tagus, Douro and Guadiana.','{"response_id":"chatcmpl-1","request_stream":false,"response_finish_reasons":["stop"],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19},"cost_details":{"input":1.8e-6,"output":4.2e-6,"certainty":"exact","tier":"standard","model":"gpt-4o-mini","provider":"openai","prices":"genai-prices 0.2.3","prices_date":"2026-11-04","unit_prices":{"input_mtok":0.15,"cache_read_mtok":0.075,"output_mtok":0.6,"web_searches_kcount":10.0,"storage_searches_kcount":2.5}},"retries":0,"start_time":"2026-11-27T16:01:03.311049Z","end_time":"2026-11-27T16:01:03.325106Z","scores":{},"request_method":"POST","request_url":"http://127.0.0.1:32967/v1/chat/completions","request_headers":{"content-type":"application/json","user-agent":"OpenAI/Python 3.57.0","x-stainless-lang":"python","x-stainless-package-version":"3.57.0","x-stainless-os":"Linux","x-stainless-arch":"x64","x-stainless-runtime":"CPython","x-stainless-runtime-version":"3.11.7","x-stainless-async":"false","x-stainless-retry-count":"0","x-stainless-read-timeout":"600"},"response_headers":{"date":"Fri, 27 Nov 2026 16:01:03 GMT","content-type":"application/json"},"sdk":"openai","request_meta":{},"response_meta":{},"extra":{}}');
INSERT INTO "log" VALUES(2,'01a21dbd-1f2d-7b96-8175-fa198b7a6fc2','chain','outer','default','native','042c4d531bd4f450051f0649f8b3263e','246c7db6f1bdd909',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'ok',NULL,NULL,NULL,1795795263277213,1795795263379781,1795795263379781,0.101507886,NULL,'u','s','["t"]','{"plan":"gold","number":1}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"start_time":"2026-11-27T16:01:03.277213Z","end_time":"2026-11-27T16:01:03.378721Z","scores":{},"request_meta":{},"response_meta":{},"extra":{}}');
CREATE TABLE media (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE media_use (n INTEGER, sha256 TEXT, PRIMARY KEY (n, sha256)) WITHOUT ROWID;
CREATE TABLE meta (key TEXT, value TEXT, n INTEGER, PRIMARY KEY (key, value, n)) WITHOUT ROWID;
INSERT INTO "meta" VALUES('number','1',2);
INSERT INTO "meta" VALUES('plan','gold',1);
INSERT INTO "meta" VALUES('plan','gold',2);
CREATE TABLE tag (tag TEXT, n INTEGER, PRIMARY KEY (tag, n)) WITHOUT ROWID;
INSERT INTO "tag" VALUES('t',1);
INSERT INTO "tag" VALUES('t',2);
CREATE INDEX log_created ON log (created_at);
CREATE INDEX log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX log_id ON log (id);
CREATE INDEX log_name ON log ("name", created_at) WHERE "name" IS NOT NULL;
CREATE INDEX log_request_model ON log ("request_model", created_at) WHERE "request_model" IS NOT NULL;
CREATE INDEX log_user ON log ("user", created_at) WHERE "user" IS NOT NULL;
CREATE INDEX log_session ON log ("session", created_at) WHERE "session" IS NOT NULL;
CREATE INDEX log_prompt_id ON log ("prompt_id", created_at) WHERE "prompt_id" IS NOT NULL;
CREATE INDEX log_error ON log (created_at) WHERE status = 'error';
CREATE INDEX media_use_sha256 ON media_use (sha256);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('log',2);
COMMIT;
PRAGMA application_id = 1634496359;
PRAGMA user_version = 2;
