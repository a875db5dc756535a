"""The command line: `clipsum <job> …` is `python -m ray_jobs.<job> …`.

Exit codes: what the job returns (0 or 1); said in one line, 2 for a wrong call and 1 for a store or a Ray that failed;
130 for Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from clipsum.errors import ItemError, RunError, UsageError
from ray_jobs.ablate import ablate
from ray_jobs.bench import bench
from ray_jobs.convert import convert
from ray_jobs.dataset import dataset
from ray_jobs.demo import demo
from ray_jobs.embed import embed
from ray_jobs.evaluate import evaluate
from ray_jobs.hub import hub
from ray_jobs.kitchen import kitchen
from ray_jobs.mean import mean
from ray_jobs.report import report
from ray_jobs.score import score
from ray_jobs.serve import serve
from ray_jobs.serve_key import serve_key
from ray_jobs.summarize import summarize
from ray_jobs.train import train

INTERRUPTED = 130

app = typer.Typer(
    name="clipsum",
    help="Summaries and reports of large archives of how-to videos.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for job in (
    summarize,
    report,
    convert,
    embed,
    train,
    kitchen,
    evaluate,
    mean,
    ablate,
    score,
    serve,
    serve_key,
    demo,
    bench,
):
    app.command(no_args_is_help=job not in (serve, demo, bench))(job)
app.add_typer(dataset, name="dataset")
app.add_typer(hub, name="hub")


def main(job: str | None = None) -> NoReturn:
    """Run `clipsum` on this process's arguments; with `job`, that job alone, and leave with its exit code."""
    code = run([job, *sys.argv[1:]] if job else sys.argv[1:])
    if code == INTERRUPTED:
        # a thread may be inside of torch still, and the interpreter's own end would abort the process there
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one call and return its exit code; a wrong call is told in one line on stderr."""
    try:
        code: Any = app(args=list(arguments), prog_name="clipsum", standalone_mode=False)
    except UsageError as error:
        return _refuse(str(error))
    except RunError as error:
        return _refuse(str(error), code=1)
    except ItemError as error:  # of a file that is no video's: those of videos are on their rows
        return _refuse(f"{error.reason}: {error.detail}", code=1)
    except TyperException as error:
        # a call without arguments has shown the help and has nothing to say
        return _refuse(_in_one_line(error)) if error.format_message() else 2
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _refuse(message: str, code: int = 2) -> int:
    print(f"clipsum: {' '.join(message.split())}", file=sys.stderr)
    return code


def _in_one_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{error.format_message().rstrip('.')}: see {context.command_path if context else 'clipsum'} --help"


if __name__ == "__main__":
    main()
