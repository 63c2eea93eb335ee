"""A small code host: real smart HTTP of git and a GitLab-shaped API beside it, on loopback.

The demo shows a push reaching a device with it, and the tests mirror from it. It is strict as
GitLab is: whoever may not see a project gets 404.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web
from attrs import define, field

from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Sha
from pepeunit.entrypoints.cli.git_backend import answer_with_git, git_environment

AUTHOR: Final = "Forge <forge@localhost>"
FIRST_COMMIT_TIME: Final = 1_700_000_000
COMMIT_GAP_SECONDS: Final = 60
REQUEST_BYTES_MAX: Final = 16 * 2**20
REQUESTS_KEPT_MAX: Final = 1000
STOP_SECONDS_MAX: Final = 2.0

Asset = tuple[str, str]


@define
class Project:
    """One hosted repository; with ``credentials`` it is private."""

    number: int
    credentials: GitCredentials | None = None
    releases: dict[str, Sequence[Asset]] = field(factory=dict)
    commits: int = 0


@define(eq=False)
class Forge:
    """Hosts bare repositories below ``folder``; ``requests`` lists what was last asked of it."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[str] = field(factory=list, init=False)
    _projects: dict[str, Project] = field(factory=dict, init=False)
    _runner: web.AppRunner | None = field(default=None, init=False)

    @property
    def authority(self) -> str:
        """``host:port``, as an entry of ``PU_GIT_HOST_ALLOWLIST``."""
        return f"{self.host}:{self.port}"

    def url(self, name: str) -> str:
        """The repository URL of the project ``group/name``."""
        return f"http://{self.authority}/{name}.git"

    async def start(self) -> None:
        """Listen; with port 0 a free one is taken and then readable from ``port``."""
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        self.add_api(app)
        app.router.add_get("/{name:.+}.git/{service:info/refs}", self._git)
        app.router.add_post("/{name:.+}.git/{service:git-upload-pack}", self._git)
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_SECONDS_MAX)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = int(self._runner.addresses[0][1])

    def add_api(self, app: web.Application) -> None:
        """The routes of the web API; a host of another shape adds its own."""
        app.router.add_get("/api/v4/projects/{key}", self._project)
        app.router.add_get("/api/v4/projects/{key}/releases", self._releases)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def create(self, name: str, credentials: GitCredentials | None = None) -> None:
        """Host a repository ``group/name``, private when it gets credentials.

        One that is in the folder already is hosted as it is, without its releases.
        """
        home = self._home(name)
        home.mkdir(parents=True, exist_ok=True)
        await self._run(home, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        commits = int(await self._run(home, "rev-list", "--all", "--count"))
        self._projects[name] = Project(len(self._projects) + 1, credentials, commits=commits)

    async def tags(self, name: str) -> Mapping[str, Sha]:
        """Its tags with their commits."""
        listed = await self._run(
            self._home(name),
            "for-each-ref",
            "--format=%(refname:strip=2) %(objectname)",
            "refs/tags/",
        )
        pairs = (line.split(" ") for line in listed.decode().splitlines())
        return {tag: Sha(commit) for tag, commit in pairs}

    async def commit(
        self,
        name: str,
        files: Mapping[str, bytes],
        message: str,
        *,
        branch: str = "main",
        tag: str | None = None,
        modes: Mapping[str, int] | None = None,
    ) -> Sha:
        """Push a commit whose tree is exactly ``files``; git modes other than 0o100644 by path.

        Author and dates are fixed, so equal histories have equal ids. A gitlink's file body is
        the id it points to.
        """
        project = self._projects[name]
        when = f"{FIRST_COMMIT_TIME + COMMIT_GAP_SECONDS * project.commits} +0000"
        project.commits += 1
        parent = await self._head(name, branch)
        stream: list[str | bytes] = [
            f"commit refs/heads/{branch}\nauthor {AUTHOR} {when}\ncommitter {AUTHOR} {when}\n",
            _counted(message.encode()),
            f"from {parent}\n" if parent else "",
            "deleteall\n",
        ]
        for path, body in files.items():
            mode = (modes or {}).get(path, 0o100644)
            quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
            if mode == 0o160000:
                stream.append(f"M {mode:o} {body.decode()} {quoted}\n")
            else:
                stream += [f"M {mode:o} inline {quoted}\n", _counted(body)]
        script = b"".join(part if isinstance(part, bytes) else part.encode() for part in stream)
        await self._run(self._home(name), "fast-import", "--quiet", "--force", feed=script)
        commit = await self._head(name, branch)
        if tag is not None:
            await self.tag(name, tag, commit)
        return commit

    async def tag(self, name: str, tag: str, commit: Sha) -> None:
        """Push a lightweight tag."""
        await self._run(self._home(name), "update-ref", f"refs/tags/{tag}", commit)

    async def point(self, name: str, branch: str, commit: Sha) -> None:
        """Push a branch at an existing commit, by force."""
        await self._run(self._home(name), "update-ref", f"refs/heads/{branch}", commit)

    async def drop(self, name: str, reference: str) -> None:
        """Delete a full reference name."""
        await self._run(self._home(name), "update-ref", "-d", reference)

    def release(self, name: str, tag: str, links: Sequence[Asset]) -> None:
        """Publish a release of ``tag`` with ``(asset name, link)`` pairs."""
        self._projects[name].releases[tag] = tuple(links)

    async def _project(self, request: web.Request) -> web.Response:
        name, project = self._visible(request)
        answer: dict[str, Any] = {"id": project.number, "path_with_namespace": name}
        if request.query.get("statistics") == "true" and project.credentials is not None:
            files = await asyncio.to_thread(lambda: list(self._home(name).rglob("*")))
            size = sum(file.stat().st_size for file in files if file.is_file())
            answer["statistics"] = {"repository_size": size}
        return web.json_response(answer)

    async def _releases(self, request: web.Request) -> web.Response:
        name, project = self._visible(request)
        page, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "20"))
        size = min(size, 100)
        found = list(project.releases.items())[(page - 1) * size : page * size]
        return web.json_response(
            [
                {
                    "tag_name": tag,
                    "assets": {
                        "sources": [{"format": "zip", "url": f"{self.url(name)}/{tag}.zip"}],
                        "links": [{"name": label, "url": link} for label, link in links],
                    },
                }
                for tag, links in found
            ]
        )

    def _visible(self, request: web.Request) -> tuple[str, Project]:
        self._note(request)
        token = request.headers.get("PRIVATE-TOKEN")
        known = {one.credentials.pat_token for one in self._projects.values() if one.credentials}
        if token is not None and token not in known:
            raise web.HTTPUnauthorized(text='{"message": "401 Unauthorized"}')
        key = unquote(request.match_info["key"])
        for name, project in self._projects.items():
            if key in (name, str(project.number)):
                allowed = project.credentials
                if allowed is None or token == allowed.pat_token:
                    return name, project
        raise web.HTTPNotFound(text='{"message": "404 Project Not Found"}')

    def _note(self, request: web.Request) -> None:
        self.requests.append(f"{request.method} {request.raw_path}")
        del self.requests[:-REQUESTS_KEPT_MAX]

    async def _git(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        name = request.match_info["name"]
        project = self._projects.get(name)
        if project is None or (project.credentials and not _is_let_in(request, project)):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="git"'})
        path = f"/{name}.git/{request.match_info['service']}"
        return await answer_with_git(request, self.folder, path)

    async def _head(self, name: str, branch: str) -> Sha:
        full = f"refs/heads/{branch}"
        listed = await self._run(
            self._home(name), "for-each-ref", "--format=%(objectname) %(refname)", full
        )
        for line in listed.decode().splitlines():
            commit, _, found = line.partition(" ")
            if found == full:
                return Sha(commit)
        return Sha("")

    async def _run(self, home: Path, *arguments: str, feed: bytes = b"") -> bytes:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=home,
            env=git_environment() | {"GIT_CEILING_DIRECTORIES": str(self.folder)},
            stdin=asyncio.subprocess.PIPE if feed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaint = await process.communicate(feed or None)
        if process.returncode:
            raise RuntimeError(f"git {arguments[0]}: {complaint.decode('utf-8', 'replace')}")
        return output

    def _home(self, name: str) -> Path:
        return self.folder / f"{name}.git"


def _counted(body: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(body), body)


def _is_let_in(request: web.Request, project: Project) -> bool:
    allowed = project.credentials
    if allowed is None:
        return True
    pair = base64.b64encode(f"{allowed.username}:{allowed.pat_token}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {pair}"
