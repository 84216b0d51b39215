"""Run the SDKs' own test suites with and without autolog, and compare: `python tests/beside/sdk_suites.py`.

    python tests/beside/sdk_suites.py [folder] [sdk] [pytest arguments ...]

The suites are those of the newest source distributions of openai and anthropic, or of the version that is named, such
as `openai==2.8.1`; they are downloaded into the folder (`.sdk-suites`). A local server answers `{}` to every request,
so that a test's outcome should be the same both times. A test whose outcome differs is run again, alone; if it differs
again, it is printed and counts in the exit code.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The extras that the suites import.
EXTRAS = {"openai": "openai[realtime]", "anthropic": "anthropic[bedrock,vertex]"}
#: The distributions that the suites import, in addition to their SDK.
NEEDS = ("pytest", "pytest-asyncio", "pytest-xdist", "respx", "time-machine", "dirty-equals", "inline-snapshot",
         "nest-asyncio", "rich", "boto3", "google-auth", "aiohttp", "httpx", "httpx-aiohttp", "http-snapshot",
         "websockets", "mcp", "opentelemetry-sdk", "numpy", "griffe", "standardwebhooks")  # fmt: skip
#: The class of an error, at the beginning of its message.
RAISED = re.compile(r"\A[\w.]+(?=:)")


class Nothing(BaseHTTPRequestHandler):
    """Answers every request with `{}`."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_: object) -> None: ...


class Quiet(ThreadingHTTPServer):
    """A server that does not report clients that disconnect, as the suites' clients do."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None: ...


def fetch(folder: Path, sdk: str, python: Path) -> Path:
    """Download and unpack the source distribution of an SDK, which is `openai` or `openai==2.8.0`, for example."""
    suites = f"{sdk.partition('=')[0]}-*"
    if not any(path.is_dir() for path in folder.glob(suites)):
        pip = [str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder)]
        subprocess.run([*pip, sdk], check=True)
        with tarfile.open(next(folder.glob(f"{suites}.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
    return max(path for path in folder.glob(suites) if path.is_dir())


def outcomes(suite: Path, python: Path, url: str, arguments: list[str], tests: Sequence[str] = ()) -> dict[str, str]:
    """Run a suite, or some of its tests, and return the outcome of every test by its pytest id.

    The outcome of a failed test includes the class of its error.
    """
    report = suite / "report.xml"
    report.unlink(missing_ok=True)
    wanted = [f"{suite}/{test}" for test in tests]
    variables = {**os.environ, "TEST_API_BASE_URL": url, "PYTHONPATH": str(Path(__file__).parent)}
    command = [str(python), "-m", "pytest", "-q", "--no-header", "--tb=no", "--durations=0", "--disable-warnings",
               "--continue-on-collection-errors", "-o", "junit_family=xunit1", f"--junitxml={report}",
               *arguments, *wanted]  # fmt: skip
    done = subprocess.run(command, cwd=suite, env=variables, capture_output=True, text=True)
    print(*(line for line in done.stdout.splitlines() if line.startswith("autolog:") or " passed" in line), sep="\n")
    if not report.exists():
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    results = {}
    for case in ET.parse(report).iter("testcase"):
        ends = [" ".join((child.tag, *RAISED.findall(str(child.get("message")))))
                for child in case if child.tag in {"failure", "error", "skipped"}]  # fmt: skip
        module = str(case.get("file"))
        owner = str(case.get("classname")).removeprefix(module.removesuffix(".py").replace("/", ".")).strip(".")
        results["::".join(filter(None, (module, owner, case.get("name"))))] = ends[0] if ends else "passed"
    return results


def compare(suite: Path, python: Path, url: str, arguments: list[str]) -> list[str]:
    """Return the tests whose outcome differs with autolog, in two runs."""
    bare = outcomes(suite, python, url, arguments)
    recorded = outcomes(suite, python, url, ["-p", "suite_plugin", *arguments])
    different = [test for test in bare.keys() | recorded.keys() if bare.get(test) != recorded.get(test)]
    if different:  # the suites contain flaky tests
        alone = [argument for argument in arguments if not (suite / argument.partition("::")[0]).exists()]
        again = outcomes(suite, python, url, ["-p", "suite_plugin", *alone], different)
        bare_again = outcomes(suite, python, url, alone, different)
        different = [test for test in different if again.get(test) not in {bare.get(test), bare_again.get(test)}]
    ends = ", ".join(f"{count} {end}" for end, count in Counter(end.split()[0] for end in bare.values()).items())
    print(f"{suite.name}: {len(bare)} tests ({ends}), {len(different)} different with autolog")
    for test in different:
        print(f"  {test}: {bare.get(test)}, with autolog {recorded.get(test)}")
    return different


def main(arguments: list[str]) -> int:
    """Run the suites, and return how many outcomes differ, or how many environments cannot be made."""
    sys.path.insert(0, str(ROOT / "tests"))
    from environments import make

    folder = Path(arguments[0] if arguments else ".sdk-suites").absolute()
    server = Quiet(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    different = 0
    for sdk in arguments[1:2] or EXTRAS:
        name, _, version = sdk.partition("==")
        home = folder / sdk if version else folder
        needs = [f"{extras}=={version}" if version and other == name else extras for other, extras in EXTRAS.items()]
        if (python := make(home / "environment", *needs, *NEEDS)) is None:
            different += 1
        else:
            different += len(compare(fetch(home, sdk, python), python, url, arguments[2:]))
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
