"""How much faster two workers are than one, and what one core computes: writes benchmarks/scaling.csv.

Sparse GPR fits of one size run on one and on two local single-threaded processes, several times over; the fastest round
counts. The load of the machine is written beside it: the ratio means something only on an otherwise idle machine.

    python benchmarks/scaling.py [--fits 8] [--rounds 3] [--n 20000] [--m 1000]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.scheduling import Pool, available_cores

FEATURES = 300


def fit(unit: tuple[int, int, int]) -> float:
    """One fit on generated unit vectors; what is sent and returned is a few numbers. Returns its processor seconds."""
    seed, n, m = unit
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, FEATURES)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    start = time.process_time()
    SparseGPR(n_sparse=m, sigma_meV=10.0).fit(x, x[:, 0])
    return time.process_time() - start


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("fits", 8), ("rounds", 3), ("n", 20_000), ("m", 1000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    units = [(seed, asked.n, asked.m) for seed in range(asked.fits)]
    # Kernel values, projections onto the basis, and half of the products of those.
    flops = asked.fits * asked.n * (2.0 * asked.m * FEATURES + 2.0 * asked.m**2)
    rows = []
    for workers in (1, 2):
        seconds, processor = [], []
        with Pool(workers) as pool:
            pool.run(fit, units[:workers], "warm-up")
            for _ in range(asked.rounds):
                start = time.perf_counter()
                processor.append(sum(pool.run(fit, units, f"{workers} workers")[0]))
                seconds.append(time.perf_counter() - start)
        rows.append(
            {
                "workers": workers, "fits": asked.fits, "n_train": asked.n, "m_sparse": asked.m,
                "seconds": min(seconds), "gflops_per_core": flops / min(processor) / 1e9, "cores": available_cores(),
                "load_average": os.getloadavg()[0],
            }
        )  # fmt: skip
        print(rows[-1])
    pd.DataFrame(rows).to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
