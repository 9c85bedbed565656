"""``python -m gne_analytics.simulate --world demo --seed 7 --out DIR --truth DIR``."""

import argparse
import sys

from gne_analytics.errors import GneError
from gne_analytics.policy.files import load
from gne_analytics.simulate import simulate, write


def main() -> int:
    """Simulate one world and write it; 2 for a mistake of the caller."""
    parser = argparse.ArgumentParser(prog="gne simulate", description="Write a simulated marketplace and its truth.")
    parser.add_argument("--world", default="demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policies", help="run the same world under this policy set")
    parser.add_argument("--violations", type=int)
    parser.add_argument("--sellers", type=int)
    parser.add_argument("--weeks", type=int)
    parser.add_argument("--top-share", type=float)
    parser.add_argument("--dirty", type=float, default=0.0)
    parser.add_argument("--out", required=True)
    parser.add_argument("--truth", help="where the truth goes; outside --out")
    given = parser.parse_args()
    try:
        world = simulate(
            given.world,
            given.seed,
            policies=load(given.policies) if given.policies else None,
            violations=given.violations,
            sellers=given.sellers,
            weeks=given.weeks,
            top_share=given.top_share,
            dirty=given.dirty,
        )
        write(world, given.out, given.truth)
    except GneError as error:
        print(error, file=sys.stderr)
        return 2
    print(world)
    return 0


if __name__ == "__main__":
    sys.exit(main())
