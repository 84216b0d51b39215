"""The dashboard: pages made on the server, a little script of our own, nothing from anywhere else.

`pages` is the table of them, with a module for each kind; `filters` reads what a URL asks for, `conversation`, `charts`
and `markup` make parts of pages, `snippets` writes a record as code. Whatever a log contains is shown as text: the
templates escape it, and the content security policy allows no script but ours.
"""
