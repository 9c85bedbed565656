"""`gne`: every command a thin wrapper of a public function; an error is one sentence and exit code 2."""

import errno
import os
import sys
import traceback

import typer
from typer.exceptions import TyperException

from gne_analytics.errors import GneError

FAULT = 2
"""Exit code of a fault that the user can mend: data, policy config, arguments, disk."""


def main() -> None:
    """Run the command line; no traceback ever reaches its user (GNE_DEBUG=1 shows it to a developer)."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line in this process and return its exit code."""
    from gne_analytics.cli.app import app

    try:
        result = typer.main.get_command(app).main(arguments or ["--help"], prog_name="gne", standalone_mode=False)
    except GneError as fault:
        return _say(str(fault), FAULT)
    except typer.Abort:
        return _say("interrupted; the same command goes on where it stopped", 130)
    except TyperException as fault:
        words = getattr(fault, "format_message", fault.__str__)()
        return _say(f"{words} Type gne --help.", FAULT)
    except KeyboardInterrupt:
        return _say("interrupted; the same command goes on where it stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as fault:
        return _say(_disk_sentence(fault), FAULT)
    except Exception as fault:
        if os.environ.get("GNE_DEBUG"):
            traceback.print_exc()
        return _say(
            f"a fault of gne_analytics itself ({type(fault).__name__}: {fault}); set GNE_DEBUG=1 and report the trace",
            1,
        )
    return result if isinstance(result, int) else 0


def _disk_sentence(fault: OSError) -> str:
    place = f" ({fault.filename})" if fault.filename else ""
    if fault.errno == errno.ENOSPC:
        return f"the disk is full{place}; free some space and type the same command, which goes on where it stopped."
    if isinstance(fault, PermissionError):
        return f"no permission{place}; choose another folder or mend its rights."
    return f"{fault.strerror or fault}{place}."


def _say(sentence: str, code: int) -> int:
    from gne_analytics.cli.console import CONTROL

    print(f"gne: {' '.join(sentence.translate(CONTROL).split())}", file=sys.stderr)
    return code
