"""Ask for known advisories about the locked packages, with pip-audit (``pip install pip-audit``; not locked itself).

Status 0: all were looked up and none has an advisory; 1: at least one has; 2: some could not be looked up from here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"


def main() -> int:
    """Look up, print, say how it went."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"Expected pip-audit to answer, found: {(done.stderr.strip() or 'nothing').splitlines()[-1]}")
        return 2
    for package in packages:
        for advisory in package.get("vulns", []):
            print(f"{package['name']} {package['version']}: {advisory['id']} (mended in {advisory['fix_versions']})")
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{len(packages) - len(unknown)} of {len(packages)} packages were looked up.")
    return 1 if any(package.get("vulns") for package in packages) else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
