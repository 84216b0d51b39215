"""The dashboard: pages made on the server, a little script of our own, nothing from anywhere else.

`pages` answers requests, `filters` reads what a URL asks for, `conversation` and `charts` make parts of pages, `diff`
compares two records, `snippets` writes them as code. Whatever a log contains is shown as text: the templates escape it,
and the content security policy allows no script but ours.
"""

from autolog.server.dashboard.pages import routes

__all__ = ["routes"]
