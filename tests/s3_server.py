"""A real S3 server for the tests: OpenStack Swift with its S3 API, on loopback, in a virtual environment of its own.

A mock would let wrong keys through and never throttle. Nothing but the package registry is needed.
"""

import configparser
import fcntl
import http.client
import itertools
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CACHE = REPOSITORY / ".venv-swift"
REQUIREMENTS = (
    "swift==2.38.3",
    "eventlet==0.41.3",
    "greenlet==3.5.6",
    "dnspython==2.9.2",
    "lxml==6.1.3",
    "PasteDeploy==3.1.0",
    "pyeclib==1.8.0",
    "xattr==1.3.0",
    "cryptography==50.0.2",
    "requests==2.34.2",
)
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
STARTUP_S = 90
KEYS_PER_PAGE = 10  # so that a dozen objects are a listing of several pages
PARTS = ("account", "container", "object", "proxy")
RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *ports = sys.argv[1:]
for name, port in zip(("account", "container", "object"), ports):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev(dict(region=1, zone=1, ip="127.0.0.1", port=int(port), device="disk", weight=1.0))
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""
PIPELINE = (
    *("catch_errors", "gatekeeper", "healthcheck", "cache", "listing_formats", "bulk", "s3api", "tempauth"),
    *("copy", "slo", "symlink", "proxy-server"),
)
FILTERS: dict[str, dict[str, str]] = {
    "cache": {"use": "egg:swift#memcache", "memcache_servers": "127.0.0.1:1", "connect_timeout": "0.05"},
    "s3api": {"location": "us-east-1", "max_bucket_listing": str(KEYS_PER_PAGE)},
    "tempauth": {"user_test_tester": f"{SECRET_KEY} .admin"},
}


class S3ServerError(RuntimeError):
    """The server cannot be installed or started; the message says why."""


class SwiftServer:
    """Four processes: the proxy, which speaks S3, and the account, container and object servers behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = install() / "bin"
        self._ports = dict(zip(PARTS, _free_ports(len(PARTS)), strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._buckets = itertools.count(1)
        self.endpoint = f"http://127.0.0.1:{self._ports['proxy']}"
        self._configure()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def next_bucket(self) -> str:
        """A name that was not given before."""
        return f"bucket-{next(self._buckets)}"

    def start(self, *parts: str) -> None:
        """Start the named parts, or all; returns once they answer."""
        for part in parts or PARTS:
            with (self.folder / f"{part}.log").open("ab") as log:
                command = [self._bin / "python", self._bin / f"swift-{part}-server", self.folder / f"{part}.conf"]
                environment = {**os.environ, "SWIFT_DIR": str(self.folder), "PYTHONWARNINGS": "ignore"}
                self._processes[part] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        for part in parts or PARTS:
            self._wait_for(part)

    def stop(self, *parts: str) -> None:
        """Kill the named parts, or all, without a chance to finish what they do."""
        for part in parts or tuple(self._processes):
            process = self._processes.pop(part)
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _wait_for(self, part: str) -> None:
        deadline = time.monotonic() + STARTUP_S
        while self._processes[part].poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._ports[part], timeout=5)
            try:
                connection.request("GET", "/healthcheck")
                connection.getresponse()
                return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        log = (self.folder / f"{part}.log").read_text(errors="replace")[-2000:]
        raise S3ServerError(f"swift-{part}-server did not start within {STARTUP_S} s:\n{log}")

    def _configure(self) -> None:
        (self.folder / "disks" / "disk").mkdir(parents=True)
        hashes = {"swift_hash_path_prefix": "p", "swift_hash_path_suffix": "s"}
        policy = {"name": "Policy-0", "default": "yes"}
        _write(self.folder / "swift.conf", {"swift-hash": hashes, "storage-policy:0": policy})
        storage_ports = [str(self._ports[part]) for part in PARTS[:3]]
        command = [self._bin / "python", "-W", "ignore", "-c", RINGS, self.folder, *storage_ports]
        subprocess.run(command, check=True, capture_output=True)
        for part in PARTS[:3]:
            app = {"use": f"egg:swift#{part}", "recon_cache_path": str(self.folder)}
            pipeline = {"pipeline": f"healthcheck {part}-server"}
            health = {"use": "egg:swift#healthcheck"}
            sections = {"pipeline:main": pipeline, f"app:{part}-server": app, "filter:healthcheck": health}
            _write(self.folder / f"{part}.conf", {"DEFAULT": self._defaults(part), **sections})
        proxy = {"use": "egg:swift#proxy", "account_autocreate": "true", "error_suppression_limit": "1000000"}
        filters = {f"filter:{name}": {"use": f"egg:swift#{name}", **FILTERS.get(name, {})} for name in PIPELINE[:-1]}
        sections = {"pipeline:main": {"pipeline": " ".join(PIPELINE)}, "app:proxy-server": proxy, **filters}
        _write(self.folder / "proxy.conf", {"DEFAULT": self._defaults("proxy"), **sections})

    def _defaults(self, part: str) -> dict[str, str]:
        return {
            "bind_ip": "127.0.0.1",
            "bind_port": str(self._ports[part]),
            "swift_dir": str(self.folder),
            "devices": str(self.folder / "disks"),
            "mount_check": "false",
            "disable_fallocate": "true",
            "workers": "0",
            "user": _user(),
            "log_level": "WARNING",
        }


def install() -> Path:
    """The virtual environment with Swift, made on first use. Raises: S3ServerError."""
    venv, stamp = CACHE / "venv", CACHE / "requirements.txt"
    wanted = "\n".join((sys.version, *REQUIREMENTS))
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may find it missing at once
        if stamp.is_file() and stamp.read_text() == wanted:
            return venv
        for command in (
            [sys.executable, "-m", "venv", "--clear", venv],
            [venv / "bin" / "pip", "install", "--quiet", *REQUIREMENTS],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise S3ServerError(f"the S3 server of the tests cannot be installed in {venv}:\n{done.stderr[-2000:]}")
        stamp.write_text(wanted)
    return venv


def keeps_attributes(folder: Path) -> bool:
    """True where files can carry the user attributes in which Swift keeps an object's facts."""
    probe = folder / ".attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.clipsum", b"1")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def _write(path: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    with path.open("w") as file:
        parser.write(file)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
