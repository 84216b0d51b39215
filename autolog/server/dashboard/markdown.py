"""Markdown as HTML, for text from models: nothing in it can run, load or mislead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from autolog._display.figures import safe
from autolog.server.dashboard.markup import MAX_TEXT, cut

_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)


def markdown(text: str, most: int = MAX_TEXT) -> Markup:
    """Render Markdown as HTML. HTML in it is shown as text, links lead only to web pages, and images become links."""
    shown = safe(text[:most].replace("\r\n", "\n"))
    html = Markup(_parser().render(shown))  # noqa: S704 - the renderer escapes all text
    return html + cut(f"{len(text) - most:,} more characters") if len(text) > most else html


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda url: bool(_LINK.match(url))  # type: ignore[method-assign]
    return parser


class _Renderer(RendererHTML):
    """Renders headings as text, so that they are not the page's; links without a referrer; images as links."""

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:  # noqa: ARG002
        return f'<div class="heading {tokens[index].tag}">'

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:  # noqa: ARG002
        return "</div>\n"

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].attrs |= {"rel": "noopener noreferrer nofollow", "target": "_blank"}
        return self.renderToken(tokens, index, options, env)

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        words = self.renderInlineAsText(token.children or [], options, env)
        link = Markup('<a href="{}" rel="noopener noreferrer nofollow" target="_blank">image: {}</a>')
        return link.format(token.attrs["src"], words or token.attrs["src"])

    def td_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:  # noqa: ARG002
        return "<td>"  # alignment would need a style attribute, which the policy forbids

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:  # noqa: ARG002
        return "<th>"
