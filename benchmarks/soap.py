"""Speed of the SOAP descriptor, in ratios: DScribe to quippy on one core, and many cores to one.

Both programs see the same structures in one run. Nothing is asserted: the numbers are for reading, and those for
several cores mean something only on an otherwise idle machine.

    python benchmarks/soap.py                         # a minute
    python benchmarks/soap.py --frames 200 --workers 8
"""

from __future__ import annotations

import argparse
import importlib
import os
import time

from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.experiments.descriptor_settings import is_available, throughput
from synthetic_atoms.scheduling import available_cores

features_module = importlib.import_module("synthetic_atoms.descriptors.features")


def per_core(options: argparse.Namespace, structures: list) -> None:
    """Processor time for one environment, setting by setting, and its ratio to quippy's."""
    settings = [name for name in options.settings if is_available(name)]
    times = {name: throughput(structures, name, options.repeats) for name in settings}
    for name, found in times.items():
        ratio = ""
        if "quippy" in times and name != "quippy":
            ratio = f", {times['quippy']['ms_per_environment'] / found['ms_per_environment']:.1f} times quippy's speed"
        print(
            f"{name}: {found['ms_per_environment']:.3f} ms per environment and core "
            f"({found['lowest_ms']:.3f} to {found['highest_ms']:.3f}){ratio}"
        )
    for name in set(options.settings) - set(settings):
        print(f"{name}: its program is not installed")


def over_cores(options: argparse.Namespace, data) -> None:
    """Wall-clock time for a dataset's features in worker processes, their start included, against this process."""
    features_module.SECONDS_WORTH_WORKERS = 0.0  # else small datasets stay in this process
    seconds = {}
    for workers in (0, options.workers):
        start = time.perf_counter()
        features_module.features(data, "tuned", cache=False, workers=workers)
        seconds[workers] = time.perf_counter() - start
    print(
        f"{data.n_environments} environments: {seconds[0]:.1f} s in this process, {seconds[options.workers]:.1f} s in "
        f"{options.workers} workers, {seconds[0] / seconds[options.workers]:.2f} times as fast (start included)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20, help="final frames of the embedded data, for one core")
    parser.add_argument("--trajectories", type=int, default=8, help="trajectories for several cores")
    parser.add_argument("--repeats", type=int, default=5, help="passes, of which the median is taken")
    parser.add_argument("--settings", nargs="+", default=["tuned", "paper-like", "plain", "quippy"])
    parser.add_argument("--workers", type=int, default=available_cores())
    options = parser.parse_args()
    print(f"load of the machine before the start: {os.getloadavg()[0]:.1f}")
    data = load_local_energies("embedded", frames_per_trajectory=1)
    per_core(options, [data.atoms(i) for i in range(min(options.frames, data.n_frames))])
    over_cores(options, load_local_energies("embedded", n_trajectories=options.trajectories))


if __name__ == "__main__":
    main()
