"""The dashboard: pages rendered on the server, with a small script of its own and nothing from other sites.

`pages` is the table of pages; each kind of page has a module. `filters` parses URLs, `conversation`, `charts` and
`markup` render parts of pages, and `snippets` writes a record as code. The contents of logs are always shown as text:
the templates escape them, and the content security policy allows no script but the dashboard's own.
"""
