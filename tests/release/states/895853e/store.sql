PRAGMA auto_vacuum = 0;
BEGIN TRANSACTION;
CREATE TABLE body (n INTEGER PRIMARY KEY, request_body BLOB, response_body BLOB);
INSERT INTO "body" VALUES(1,X'28B52FFD2061AD02001246141980A96D9AA2C93D14F26982791E819F90F9F303154836410701892171C000C99C631309B690697E81D2FE4CAC5D9981CFBBBE0B0F2ECEEBE1F313A691C2597F8CEA958BD142CA4081B18AE3733A02959100',X'28B52FFD6036009D0600228D281E704974A6DAB1BC529618A185E4960F04E1701CF4517D7103FF39E1FF0F335184309AFC7EBC841C06AB427FE21B6BA73D78C9208AD0909CABE433700AE7B5F3B4C0257F962478D6E75ECFF9BEEE894D3B085D82BAA4BBB2D6EFDC9EEA24185F5E844B7041155E840A2E41D7B5CD04180A29D4E1280EB5BC4CF5417D5B1A559AE1A502008118FAA9CEE2DED7A6B15E865F9A70D078090DD534B63E998597A0B20805120036F7F16C483F01270E4BCC2639A1DE5561880A84256AD5C88E10DF57C17475CD2AE3B8D6596D016A79F69D4E');
CREATE TABLE log (
            n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT, project TEXT NOT NULL,
            trace_id TEXT, span_id TEXT, parent_span_id TEXT, operation_name TEXT, provider_name TEXT,
            request_model TEXT, response_model TEXT, usage_input_tokens INTEGER, usage_output_tokens INTEGER,
            cost REAL, status TEXT NOT NULL, status_code INTEGER, error_type TEXT, error_message TEXT,
            created_at INTEGER NOT NULL, duration REAL, time_to_first_chunk REAL, user TEXT, session TEXT,
            tags TEXT, metadata TEXT, scores TEXT, input_preview TEXT, output_preview TEXT, rest TEXT);
INSERT INTO "log" VALUES(1,'01a21dbc-a54a-7099-b6eb-84afc9b579d7','llm','chat gpt-4o-mini','default','6ab683a820494a8b3628a5924bfefe2d','4fed965457442e96','60c941fc12f96cb1','chat','openai','gpt-4o-mini','gpt-4o-mini-2024-07-18',12,7,6.0e-06,'ok',200,NULL,NULL,1795795232074258,0.03174549,NULL,'u','s','["t"]','{"plan":"gold"}',NULL,'Name three rivers in Portugal. 0','Tagus, Douro and Guadiana.','{"response_id":"chatcmpl-1","request_stream":false,"response_finish_reasons":["stop"],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19},"cost_details":{"input":1.8e-6,"output":4.2e-6,"model":"gpt-4o-mini","provider":"openai","prices":"genai-prices 0.2.3"},"retries":0,"start_time":"2026-11-27T16:00:32.074258Z","end_time":"2026-11-27T16:00:32.106004Z","request_method":"POST","request_url":"http://127.0.0.1:44775/v1/chat/completions","request_headers":{"content-type":"application/json","user-agent":"OpenAI/Python 3.57.0","x-stainless-lang":"python","x-stainless-package-version":"3.57.0","x-stainless-os":"Linux","x-stainless-arch":"x64","x-stainless-runtime":"CPython","x-stainless-runtime-version":"3.11.7","x-stainless-async":"false","x-stainless-retry-count":"0","x-stainless-read-timeout":"600"},"request_content_type":"application/json","response_headers":{"date":"Fri, 27 Nov 2026 16:00:32 GMT","content-type":"application/json"},"response_content_type":"application/json","sdk":"openai"}');
INSERT INTO "log" VALUES(2,'01a21dbc-a4b4-7443-9764-1b47a2b4b5a6','chain','outer','default','6ab683a820494a8b3628a5924bfefe2d','60c941fc12f96cb1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'ok',NULL,NULL,NULL,1795795231924592,0.319906786,NULL,'u','s','["t"]','{"plan":"gold","number":1}',NULL,NULL,NULL,'{"start_time":"2026-11-27T16:00:31.924592Z","end_time":"2026-11-27T16:00:32.244499Z"}');
CREATE TABLE meta (key TEXT, value TEXT, n INTEGER, PRIMARY KEY (key, value, n)) WITHOUT ROWID;
INSERT INTO "meta" VALUES('number','1',2);
INSERT INTO "meta" VALUES('plan','gold',1);
INSERT INTO "meta" VALUES('plan','gold',2);
CREATE TABLE tag (tag TEXT, n INTEGER, PRIMARY KEY (tag, n)) WITHOUT ROWID;
INSERT INTO "tag" VALUES('t',1);
INSERT INTO "tag" VALUES('t',2);
CREATE INDEX log_created ON log (created_at);
CREATE INDEX log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX log_name ON log ("name", created_at) WHERE "name" IS NOT NULL;
CREATE INDEX log_request_model ON log ("request_model", created_at) WHERE "request_model" IS NOT NULL;
CREATE INDEX log_user ON log ("user", created_at) WHERE "user" IS NOT NULL;
CREATE INDEX log_session ON log ("session", created_at) WHERE "session" IS NOT NULL;
CREATE INDEX log_error ON log (created_at) WHERE status = 'error';
COMMIT;
PRAGMA application_id = 1634496359;
PRAGMA user_version = 1;
