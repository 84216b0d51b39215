PRAGMA auto_vacuum = 0;
BEGIN TRANSACTION;
CREATE TABLE body (n INTEGER PRIMARY KEY, request_body BLOB, response_body BLOB);
INSERT INTO "body" VALUES(1,X'28B52FFD2061AD02001246141980A96D9AA2C93D14F26982791E819F90F9F303154836410701892171C000C99C631309B690697E81D2FE4CAC5D9981CFBBBE0B0F2ECEEBE1F313A691C2597F8CEA958BD142CA4081B18AE3733A02959100',X'28B52FFD6036009D0600228D281E704974A6DAB1BC529618A185E4960F04E1701CF4517D7103FF39E1FF0F335184309AFC7EBC841C06AB427FE21B6BA73D78C9208AD0909CABE433700AE7B5F3B4C0257F962478D6E75ECFF9BEEE894D3B085D82BAA4BBB2D6EFDC9EEA24185F5E844B7041155E840A2E41D7B5CD04180A29D4E1280EB5BC4CF5417D5B1A559AE1A502008118FAA9CEE2DED7A6B15E865F9A70D078090DD534B63E998597A0B20805120036F7F16C483F01270E4BCC2639A1DE5561880A84256AD5C88E10DF57C17475CD2AE3B8D6596D016A79F69D4E');
CREATE TABLE document (kind TEXT, key TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, key));
INSERT INTO "document" VALUES('key','de2596cc','{"hash":"f4b71ec09c7746da9e22f4c66494af834a723ab1f9460f63d48baf8024a95f17","name":"web","project":"shop","scopes":["ingest","read"],"created_at":"2026-11-27T16:03:41+00:00","revoked_at":null}');
CREATE TABLE facet (kind TEXT, value TEXT, at INTEGER, n INTEGER, PRIMARY KEY (kind, value, at, n))
        WITHOUT ROWID;
INSERT INTO "facet" VALUES('caller','outer',1795795416938055,1);
INSERT INTO "facet" VALUES('model','gpt-4o-mini',1795795416938055,1);
INSERT INTO "facet" VALUES('model','gpt-4o-mini-2024-07-18',1795795416938055,1);
INSERT INTO "facet" VALUES('tag','t',1795795416847642,2);
INSERT INTO "facet" VALUES('tag','t',1795795416938055,1);
CREATE TABLE log (
            n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT, project TEXT NOT NULL,
            dialect TEXT NOT NULL, trace_id TEXT, span_id TEXT, parent_span_id TEXT, operation_name TEXT,
            provider_name TEXT, request_model TEXT, response_model TEXT, usage_input_tokens INTEGER,
            usage_output_tokens INTEGER, cost REAL, cached INTEGER NOT NULL, status TEXT NOT NULL, status_code INTEGER,
            error_type TEXT, error_message TEXT, created_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, duration REAL, time_to_first_chunk REAL, user TEXT, session TEXT, tags TEXT,
            metadata TEXT, score REAL, feedback INTEGER, prompt_name TEXT, prompt_id TEXT, prompt_version TEXT,
            request_content_type TEXT, response_content_type TEXT, input_preview TEXT, output_preview TEXT, rest TEXT, response_id TEXT,
            UNIQUE (project, id));
INSERT INTO "log" VALUES(1,'01a21dbf-776a-7c0b-9c73-4c9fa39789aa','llm','chat gpt-4o-mini','default','native','ec150fc6f51ac351020005eb69c4ca0c','a55e3ed695cef500','8c20b1df97d0601d','chat','openai','gpt-4o-mini','gpt-4o-mini-2024-07-18',12,7,5.99999999999999930524e-06,0,'ok',200,NULL,NULL,1795795416938055,1795795417260272,1795795417260272,0.049097424,NULL,'u','s','["t"]','{"plan":"gold"}',NULL,NULL,NULL,NULL,NULL,'application/json','application/json','Name three rivers in Portugal. 0','Tagus, Douro and Guadiana.','{"caller":"outer","request_stream":false,"response_finish_reasons":["stop"],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19},"cost_details":{"input":1.8e-6,"output":4.2e-6,"certainty":"exact","tier":"standard","model":"gpt-4o-mini","provider":"openai","prices":"genai-prices 0.2.3","prices_date":"2026-11-04","unit_prices":{"input_mtok":0.15,"cache_read_mtok":0.075,"output_mtok":0.6,"web_searches_kcount":10.0,"storage_searches_kcount":2.5}},"retries":0,"start_time":"2026-11-27T16:03:36.938055Z","end_time":"2026-11-27T16:03:36.987153Z","scores":{},"request_method":"POST","request_url":"http://127.0.0.1:38681/v1/chat/completions","request_headers":{"content-type":"application/json","user-agent":"OpenAI/Python 3.57.0","x-stainless-lang":"python","x-stainless-package-version":"3.57.0","x-stainless-os":"Linux","x-stainless-arch":"x64","x-stainless-runtime":"CPython","x-stainless-runtime-version":"3.11.7","x-stainless-async":"false","x-stainless-retry-count":"0","x-stainless-read-timeout":"600"},"response_headers":{"date":"Fri, 27 Nov 2026 16:03:36 GMT","content-type":"application/json"},"sdk":"openai","request_meta":{},"response_meta":{},"extra":{}}','chatcmpl-1');
INSERT INTO "log" VALUES(2,'01a21dbf-770f-7ea3-b2f4-a5e7ad501fa9','chain','outer','default','native','ec150fc6f51ac351020005eb69c4ca0c','8c20b1df97d0601d',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'ok',NULL,NULL,NULL,1795795416847642,1795795417290314,1795795417290314,0.442301562,NULL,'u','s','["t"]','{"plan":"gold","number":1}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"start_time":"2026-11-27T16:03:36.847642Z","end_time":"2026-11-27T16:03:37.289944Z","scores":{},"request_meta":{},"response_meta":{},"extra":{}}',NULL);
CREATE TABLE media (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE media_use (n INTEGER, sha256 TEXT, PRIMARY KEY (n, sha256)) WITHOUT ROWID;
CREATE TABLE meta (key TEXT, value TEXT, at INTEGER, n INTEGER, PRIMARY KEY (key, value, at, n))
        WITHOUT ROWID;
INSERT INTO "meta" VALUES('number','1',1795795416847642,2);
INSERT INTO "meta" VALUES('plan','gold',1795795416847642,2);
INSERT INTO "meta" VALUES('plan','gold',1795795416938055,1);
CREATE TABLE rollup_day (
            project TEXT, dimension TEXT, hour INTEGER, value TEXT, calls INTEGER NOT NULL, errors INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL, priced INTEGER NOT NULL,
            histogram TEXT NOT NULL, PRIMARY KEY (project, dimension, hour, value)) WITHOUT ROWID;
INSERT INTO "rollup_day" VALUES('default','all',498816,'',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_day" VALUES('default','function',498816,'outer',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_day" VALUES('default','model',498816,'gpt-4o-mini-2024-07-18',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_day" VALUES('default','provider',498816,'openai',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_day" VALUES('default','tag',498816,'t',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_day" VALUES('default','user',498816,'u',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
CREATE TABLE rollup_hour (
            project TEXT, dimension TEXT, hour INTEGER, value TEXT, calls INTEGER NOT NULL, errors INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL, priced INTEGER NOT NULL,
            histogram TEXT NOT NULL, PRIMARY KEY (project, dimension, hour, value)) WITHOUT ROWID;
INSERT INTO "rollup_hour" VALUES('default','all',498832,'',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_hour" VALUES('default','function',498832,'outer',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_hour" VALUES('default','model',498832,'gpt-4o-mini-2024-07-18',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_hour" VALUES('default','provider',498832,'openai',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_hour" VALUES('default','tag',498832,'t',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
INSERT INTO "rollup_hour" VALUES('default','user',498832,'u',1,0,12,7,5.99999999999999930524e-06,1,'{"-32":1}');
CREATE INDEX log_created ON log (created_at);
CREATE INDEX log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX log_id ON log (id);
CREATE INDEX log_name ON log ("name", created_at) WHERE "name" IS NOT NULL;
CREATE INDEX log_user ON log ("user", created_at) WHERE "user" IS NOT NULL;
CREATE INDEX log_session ON log ("session", created_at) WHERE "session" IS NOT NULL;
CREATE INDEX log_prompt_id ON log ("prompt_id", created_at) WHERE "prompt_id" IS NOT NULL;
CREATE INDEX log_error ON log (created_at) WHERE status = 'error';
CREATE INDEX media_use_sha256 ON media_use (sha256);
CREATE INDEX log_provider_name ON log (provider_name, created_at) WHERE provider_name IS NOT NULL;
CREATE INDEX log_project ON log (project, created_at);
CREATE INDEX log_cost ON log (cost);
CREATE INDEX log_duration ON log (duration);
CREATE INDEX log_response_id ON log (response_id, dialect, created_at) WHERE response_id IS NOT NULL;
CREATE INDEX log_prompt ON log (prompt_id) WHERE prompt_id IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('log',2);
COMMIT;
PRAGMA application_id = 1634496359;
PRAGMA user_version = 6;
