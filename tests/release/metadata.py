"""Metadata that depend on where the repository is, which only its publishing workflow knows.

With `REPOSITORY_URL` set (`https://host/owner/name`), as `.github/workflows/publish.yml` does, the package has URLs,
and the README's relative links and images become absolute ones of the version's tag, so that they work on a package
index. Without it (a build from a checkout) links stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A Markdown link or image whose target is a path of the repository: `[text](examples/scale/README.md)`.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#|/)([^)\s]+)\)")


def absolute(markdown: str, repository: str, version: str) -> str:
    """Return a README whose links to files of the repository lead to those of a version."""

    def link(found: re.Match[str]) -> str:
        image, text, path = found.groups()
        if "](" in text:  # an image that is a link
            text = _LINK.sub(link, text)
        return f"{image}[{text}]({repository}/{'raw' if image else 'blob'}/v{version}/{path})"

    return _LINK.sub(link, markdown)


def urls(repository: str, version: str) -> dict[str, str]:
    """Return the package's URLs."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/v{version}/README.md",
        "Changelog": f"{repository}/blob/v{version}/autolog/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Security": f"{repository}/security/policy",
    }


class Hook(MetadataHookInterface):
    """Adds the README and the URLs to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = os.environ.get("REPOSITORY_URL", "").rstrip("/")
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        version = re.search(r'__version__ = "(.+)"', (Path(self.root) / "autolog/_version.py").read_text())
        if repository and version:
            readme = absolute(readme, repository, version[1])
            metadata["urls"] = urls(repository, version[1])
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
